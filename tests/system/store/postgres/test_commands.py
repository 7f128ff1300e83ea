"""`earmark store`, and the other commands on a team's store, as people type them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import psycopg
import pytest
import soundfile

from contract.store.tools import Device
from earmark.queue.clip import Hypothesis
from earmark.queue.decision import Verdict
from earmark.queue.journal.line import split
from earmark.queue.store import hypotheses, postgres_database, postgres_schema
from earmark.queue.store.interface import Counts, Head
from earmark.queue.store.master import make_master
from earmark.queue.store.postgres import PostgresStore

LAST = postgres_database.known_version()


@pytest.fixture
def earmark(server, tmp_path):
    """Runs `earmark` as a person of the team (the database's owner where none is named); returns code, out and err."""

    def run(*arguments, user="postgres", reviewer="eve", database=None, **more):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("EARMARK", "PG"))}
        environment |= {
            "EARMARK_HOME": str(tmp_path / "home" / user),
            "EARMARK_CONFIG": str(tmp_path / "config.toml"),
            "EARMARK_STORE": server.url(database or run.database, user),
            "EARMARK_MASTER_KEY": str(tmp_path / "master.key"),
            "EARMARK_REVIEWER": reviewer,
        } | more
        done = subprocess.run(
            [sys.executable, "-m", "earmark.tui", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    run.database = f"commands_{os.urandom(4).hex()}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {run.database}".encode())
    return run


@pytest.fixture
def made(earmark, tmp_path):
    code, out, err = earmark("store", "init", "--audio", f"file://{tmp_path}/audio")
    assert (code, err) == (0, "")
    assert "The store is made" in out
    assert f"{earmark.database}_supervisor" in out
    return earmark


@pytest.fixture
def manifest(tmp_path):
    lines = []
    for number in range(3):
        path = tmp_path / f"sound{number}.wav"
        tone = np.sin(np.arange(16000) * (0.02 + 0.01 * number)) * 9000
        soundfile.write(path, tone.astype(np.int16), 16000)
        lines.append(
            {"audio_filepath": path.name, "duration": 1.0, "pred_text": f"machine {number}", "who": f"p{number}"}
        )
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_from_an_empty_database_to_results(made, manifest, tmp_path, server):
    name = made.database
    for who, more in ((f"anna_{name}", ()), (f"eve_{name}", ("--supervisor",))):
        code, out, _ = made("store", "add-reviewer", who.partition("_")[0], "--role", who, *more)
        assert code == 0
        assert "no password" in out
    boss = {"user": f"eve_{name}", "reviewer": "eve"}
    anna = {"user": f"anna_{name}", "reviewer": "anna"}
    assert made("store", "check", **boss)[0] == 0
    code, out, _ = made("store", "check", **anna)
    assert code == 0
    assert "reviews as 'anna'" in out
    code, _, err = made("load", str(manifest), **anna)
    assert code == 1
    assert "may not do that" in err
    code, out, err = made("load", str(manifest), "--subject-field", "who", **boss)
    assert (code, err) == (0, "")
    code, out, err = made("status", **anna)
    assert (code, err) == (0, "")
    assert "3" in out
    assert made("sync", **anna)[0] == 0
    code, out, _ = made("withdraw", "--subject", "p1", "--yes", **boss)
    assert (code, out) == (0, "1 clip withdrawn. Later clips of that person will be refused.\n")
    code, _, err = made("export", str(tmp_path / "out.jsonl"), **boss)
    assert code == 0
    code, _, err = made("export", str(tmp_path / "out2.jsonl"), **anna)
    assert code == 1
    assert "may not do that" in err
    code, out, _ = made("store", "policy", "--lease-cap", "1500", **boss)
    assert "1,500 clips" in out
    assert "opinions            1 reviewer a clip\n" in out
    code, out, _ = made("store", "policy", "--opinions", "2", **boss)
    assert (code, out.splitlines()[-1]) == (0, "opinions            2 reviewers a clip")
    assert "2 reviewers a clip" in made("store", "policy", **boss)[1]
    assert made("store", "policy", "--opinions", "1", **anna)[0] == 1
    assert made("store", "policy", **anna)[0] == 1
    assert made("store", "remove-reviewer", f"anna_{name}")[0] == 0
    code, _, err = made("status", **anna)
    assert code == 1


def test_back_from_an_older_dump_as_the_readme_has_it(made, manifest, server, tmp_path):
    readme = (Path(__file__).resolve().parents[4] / "README.md").read_text(encoding="utf-8")
    section = readme[readme.index("After bringing the database back from an older dump") :]
    block = re.search(r"(?:^    .*\n)+", section, re.MULTILINE)
    assert block
    commands = [line.split()[1:] for line in block[0].replace("/srv/earmark", str(tmp_path)).splitlines()]
    assert made("load", str(manifest), "--subject-field", "who")[0] == 0
    dumped = server.dump(made.database)
    assert made("withdraw", "--subject", "p1", "--yes")[0] == 0
    server.restore(made.database, dumped)
    assert [words[1] for words in commands] == ["init", "check", "replay"]
    done = [made(*words) for words in commands]
    assert [code for code, _, _ in done] == [0, 1, 0]
    assert "earmark store replay" in done[1][2]
    assert done[2][1] == "1 withdrawal put in force again: 1 clip erased.\n"
    assert made("store", "check")[0] == 0


def test_making_it_twice_changes_nothing(made, tmp_path):
    key = (tmp_path / "master.key").read_bytes()
    code, out, _ = made("store", "init", "--audio", "file:///elsewhere")
    assert code == 0
    assert "here already" in out
    assert (tmp_path / "master.key").read_bytes() == key
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600
    assert made("store", "upgrade")[1] == f"Nothing to do: the store has schema {LAST}.\n"


def test_a_newer_store_is_told(made, server):
    with psycopg.connect(server.url(made.database), autocommit=True) as connection:
        connection.execute("INSERT INTO earmark.migration (version, name) VALUES (99, 'later')")
    for command in (
        ["status"],
        ["store", "upgrade"],
        ["store", "check"],
        ["store", "add-reviewer", "x", "--role", "x"],
    ):
        code, _, err = made(*command)
        assert code == 1
        assert f"made by a newer Earmark (schema 99, this one knows {LAST})" in err
        assert "stays in the journal" in err


def test_an_older_store_is_brought_up_to_date(earmark, server, tmp_path, monkeypatch):
    """As the first Earmark with a store in PostgreSQL made it, with a clip that was withdrawn there, one that was
    decided and one that is open, and with functions that are gone by now, or that answered something else.
    """
    old = tmp_path / "old"
    (old / "functions").mkdir(parents=True)
    (old / "functions" / "leases.sql").write_text(
        "CREATE FUNCTION skipped(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';"
        "CREATE FUNCTION draw(text, text, integer) RETURNS text[] LANGUAGE sql AS 'SELECT NULL::text[]';"
    )
    for path in postgres_database.SCHEMA.glob("000[1-4]_*.sql"):
        (old / path.name).write_bytes(path.read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(postgres_database, "SCHEMA", old)
        patch.setattr(postgres_schema, "SCHEMA", old)
        patch.setattr(postgres_schema, "_start_log", lambda *_: None)
        postgres_schema.init(
            server.url(earmark.database),
            audio=f"file://{tmp_path}/audio",
            master=lambda: make_master(tmp_path / "master.key"),
        )
    anna = Device("d", "anna")
    parts = split(anna.decide("decided", Verdict.CORRECTED, "said"))
    with psycopg.connect(server.url(earmark.database), autocommit=True) as connection:
        connection.execute(
            """INSERT INTO earmark.clip (id, duration, rate, hypothesis, object)
               VALUES ('gone', 2, 16000, NULL, 'o1'), ('decided', 2, 16000, %(text)s, 'o2'),
                   ('waiting', 2, 16000, %(text)s, 'o3')""",
            {"text": hypotheses.encode(Hypothesis("machine")).decode()},
        )
        connection.execute(
            """INSERT INTO earmark.work (clip, arrival, state)
               SELECT id, arrival, CASE id WHEN 'gone' THEN 'withdrawn' WHEN 'decided' THEN 'done' ELSE 'open' END
               FROM earmark.clip"""
        )
        connection.execute(
            "INSERT INTO earmark.device (id, reviewer, last_seq, last_chain) VALUES ('d', 'anna', 1, %s)", (anna.chain,)
        )
        connection.execute(
            """INSERT INTO earmark.line (device, seq, id, reviewer, clip, verdict, late, chain, envelope, payload)
               VALUES ('d', 1, gen_random_uuid(), 'anna', 'decided', 'corrected', false, %s, %s, %s)""",
            (anna.chain, parts.envelope.decode(), parts.payload.decode()),
        )
        connection.execute("INSERT INTO earmark.tombstone VALUES (1, 'gone', 0)")
        connection.execute("UPDATE earmark.last_epoch SET epoch = 1")
        connection.execute("INSERT INTO earmark.audit (at, role, what, via) VALUES (1, 'eve', 'load', 'socket x')")
    code, _, err = earmark("status")
    assert code == 1
    assert "earmark store upgrade" in err
    assert earmark("store", "upgrade")[1] == f"The store went from schema 4 to {LAST}.\n"
    code, _, err = earmark("store", "check")
    assert code == 1
    assert "not yet written down outside the database: 1" in err
    assert earmark("store", "replay")[0] == 0
    code, out, _ = earmark("store", "check")
    assert code == 0
    assert "written down outside the database: 1" in out

    def store_of(reviewer):
        role = f"{reviewer}_{earmark.database}"
        postgres_schema.add_person(server.url(earmark.database), reviewer, role, supervisor=reviewer == "eve")
        return contextlib.closing(PostgresStore(server.url(earmark.database, role), lease_seconds=60))

    with store_of("anna") as annas, store_of("eve") as eves:
        assert annas.withdrawn() == (1, ("gone",))
        assert annas.head("d") == Head(1, anna.chain)
        assert [one.clip.id for one in annas.lease("anna", 9)] == ["waiting"]
        anna.decide("waiting", Verdict.ACCEPTED, "machine")
        assert anna.push(annas, 1).head.seq == 2
        assert [(one.clip, one.text) for one in eves.results()] == [("decided", "said"), ("waiting", "machine")]
        assert annas.counts("anna") == Counts(clips=2, at_hand=0, decided=2, withdrawn=1)


def test_two_who_make_it_at_once(earmark, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    (tmp_path / "master.key").write_text("ab" * 32)
    (tmp_path / "master.key").chmod(0o600)
    with ThreadPoolExecutor(3) as pool:
        done = [pool.submit(earmark, "store", "init", "--audio", f"file://{tmp_path}/audio") for _ in range(3)]
    assert [one.result()[0] for one in done] == [0, 0, 0]
    assert sum("The store is made" in one.result()[1] for one in done) == 1


@pytest.mark.parametrize(
    ("arguments", "more", "words"),
    [
        (["store", "upgrade"], {"EARMARK_STORE": "sqlite:///x"}, "is no store in PostgreSQL"),
        (["status"], {}, "earmark store init"),
        (["store", "upgrade"], {}, "run 'earmark store init'"),
        (["store", "init", "--audio", "/srv"], {}, "is no place for audio"),
        (["status"], {"database": "no_such_database"}, "no_such_database"),
        (["status"], {"EARMARK_STORE": "postgresql://eve:hunter2@127.0.0.1:1/x"}, "does not answer"),
        (["status"], {"EARMARK_STORE": "postgresql://eve:hunter2@db.example.org/x?sslmode=prefer"}, "verify-full"),
        (["status"], {"EARMARK_STORE": "postgresql://eve:hunter2@x:y:z/x?a=b"}, "PostgreSQL"),
    ],
)
def test_what_cannot_be_is_told(earmark, arguments, more, words):
    code, out, err = earmark(*arguments, **more)
    assert code == 1
    assert words in err
    assert "hunter2" not in out + err


def test_another_stores_master_key_and_one_that_others_can_read(made, tmp_path):
    path = tmp_path / "other.key"
    path.write_text("00" * 32)
    path.chmod(0o600)
    code, _, err = made("store", "check", EARMARK_MASTER_KEY=str(path))
    assert code == 1
    assert "another store's master key" in err
    path.chmod(0o644)
    assert "chmod 600" in made("store", "check", EARMARK_MASTER_KEY=str(path))[2]
    code, out, _ = made("store", "check", EARMARK_MASTER_KEY=f"command:cat {tmp_path / 'master.key'}")
    assert code == 0
    assert "is this store's" in out
