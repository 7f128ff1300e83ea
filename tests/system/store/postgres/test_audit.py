"""The audit: what it tells, that it cannot be changed, and that it is seen when it was changed all the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from earmark.queue.decision import Verdict
from earmark.queue.store.gate import messages
from earmark.queue.store.gate.frames import packed
from earmark.queue.store.gate.process import way_in
from earmark.queue.store.postgres import PostgresStore


@pytest.fixture
def audit(team, tmp_path):
    """`earmark store audit` as the supervisor types it; returns code, out and err."""

    def run(*arguments, user="supervisor"):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("EARMARK", "PG"))}
        environment |= {
            "EARMARK_HOME": str(tmp_path / "home"),
            "EARMARK_CONFIG": str(tmp_path / "config.toml"),
            "EARMARK_STORE": team.url(user),
        }
        done = subprocess.run(
            [sys.executable, "-m", "earmark.tui", "store", "audit", *map(str, arguments)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def worked(team, store, fill, device):
    """Two people who leased and decided, and clips for more; returns their clips and devices."""
    fill(106)
    devices = {}
    clips = {}
    for name in ("anna", "ben"):
        clips[name] = [one.clip.id for one in store.lease(name, 3)]
        devices[name] = device(name)
        for clip in clips[name]:
            devices[name].decide(clip, Verdict.CORRECTED, "SECRET words", heard=0.97, seconds=9.0)
        devices[name].push(store)
    return clips, devices


def lease_one_more(store, reviewer="anna"):
    store.release(reviewer, [one.clip.id for one in store.lease(reviewer, 1)])
    store.lease(reviewer, 1)


def tamper(team, statement):
    """As a superuser who switches the triggers off."""
    with psycopg.connect(team.server.url(team.database), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement)


def test_it_shows_who_did_what(team, audit, worked):
    clips, devices = worked
    code, out, err = audit()
    assert (code, err) == (0, "")
    assert "SECRET" not in out
    code, out, _ = audit("--reviewer", "anna", "--json")
    lease, push = map(json.loads, out.splitlines())
    assert (lease["what"], lease["clips"]) == ("lease", clips["anna"])
    assert (push["what"], push["device"], push["first_seq"], push["last_seq"]) == ("push", devices["anna"].name, 1, 3)
    assert push["journal"] == devices["anna"].chain
    assert [(one["clip"], one["verdict"], one["heard"]) for one in push["decisions"]] == [
        (clip, "corrected", 0.97) for clip in clips["anna"]
    ]
    code, out, _ = audit("--clip", clips["ben"][1])
    assert out.count(clips["ben"][1]) == 3  # loaded, leased, decided
    assert "heard 97%" in out
    assert "anna" not in out
    assert audit("--since", "2999-01-01")[1] == ""


def test_reviewers_cannot_read_it(audit, worked):
    code, _, err = audit(user="anna")
    assert code == 1
    assert "may not do that" in err


def test_it_holds_and_says_what_that_proves(team, audit, worked):
    code, out, err = audit("--verify")
    assert (code, err) == (0, "")
    assert out.count("entries hold") == 3
    assert "it proves nothing" in out


def test_nobody_changes_it_by_mistake(team, worked):
    """Neither the owner, who has no right to, nor a superuser, whom the trigger stops."""
    for statement in ("UPDATE earmark.audit SET at = 0", "DELETE FROM earmark.audit", "TRUNCATE earmark.audit"):
        with pytest.raises(psycopg.DatabaseError, match="never changed"):
            team.sql(statement)
        with (
            psycopg.connect(team.server.url(team.database)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(f"SET ROLE {team.made.roles.owner}")
            connection.execute(statement)
    for statement in ("UPDATE earmark.audit_head SET number = 0", "DELETE FROM earmark.audit_head"):
        with pytest.raises(psycopg.DatabaseError, match="never changed"):
            team.sql(statement)


ANNAS = "role = (SELECT role FROM earmark.person WHERE reviewer = 'anna')"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (f"UPDATE earmark.audit SET at = at + 1 WHERE {ANNAS} AND number = 1", "entry 1 was changed"),
        (f"UPDATE earmark.audit SET clips = clips[2:] WHERE {ANNAS} AND number = 1", "entry 1 was changed"),
        (f"UPDATE earmark.audit SET via = 'x' WHERE {ANNAS} AND number = 2", "entry 2 was changed"),
        (f"DELETE FROM earmark.audit WHERE {ANNAS} AND number = 1", "entry 1 was removed"),
        (f"DELETE FROM earmark.audit WHERE {ANNAS} AND number = 2", "entry 2 was removed"),
        (f"DELETE FROM earmark.audit WHERE {ANNAS}", "entries 1 to 2 were removed"),
        (f"DELETE FROM earmark.audit_head WHERE {ANNAS}", "its head is gone"),
        (f"UPDATE earmark.audit_head SET number = 3 WHERE {ANNAS}", "entry 3 was removed"),
        ("UPDATE earmark.line SET envelope = replace(envelope, '0.97', '0.11') WHERE seq = 2 AND reviewer = 'anna'",
         "line 2 of device device1 was changed"),
        ("DELETE FROM earmark.line WHERE seq = 1 AND reviewer = 'anna'", "lines after 0 were removed"),
        ("DELETE FROM earmark.line WHERE seq = 2 AND reviewer = 'anna'", "lines after 1 were removed"),
        ("DELETE FROM earmark.line WHERE seq = 3 AND reviewer = 'anna'", "lines after 2 were removed"),
        ("DELETE FROM earmark.line WHERE reviewer = 'anna'", "lines after 0 were removed"),
        ("UPDATE earmark.line SET chain = repeat('0', 64) WHERE seq = 3 AND reviewer = 'anna'", "line 3 of device"),
    ],
)  # fmt: skip
def test_what_was_changed_is_seen(team, audit, worked, statement, words):
    tamper(team, statement)
    code, _, err = audit("--verify")
    assert code == 1
    assert words in err
    assert "ben" not in err


def test_heads_kept_elsewhere_show_a_chain_that_was_made_anew(team, audit, worked, store, tmp_path):
    heads = tmp_path / "heads.json"
    assert audit("--heads", heads)[0] == 0
    lease_one_more(store)
    assert audit("--against", heads)[0] == 0
    # Somebody who can do everything leaves anna's last entries out, and makes a chain that holds.
    tamper(team, f"DELETE FROM earmark.audit WHERE {ANNAS} AND number > 1")
    tamper(team, f"UPDATE earmark.audit_head SET number = 1, chain = (SELECT chain FROM earmark.audit WHERE {ANNAS}) "
                 f"WHERE {ANNAS}")  # fmt: skip
    assert audit("--verify")[0] == 0
    code, _, err = audit("--against", heads)
    assert code == 1
    assert "entries 2 to 2 were there when the heads were exported" in err
    # Or makes up others in their place.
    lease_one_more(store)
    code, _, err = audit("--against", heads)
    assert code == 1
    assert "entry 2 is not the one that was exported" in err


def test_heads_show_an_older_copy(team, audit, worked, store, tmp_path):
    dumped = team.server.dump(team.database)
    store.withdraw([worked[0]["anna"][0]])
    heads = tmp_path / "heads.json"
    audit("--heads", heads)
    team.server.restore(team.database, dumped)
    assert audit("--verify")[0] == 0
    code, _, err = audit("--against", heads)
    assert code == 1
    assert "brought back from an older copy" in err


def test_heads_of_another_store_or_no_heads(audit, worked, tmp_path):
    (tmp_path / "other.json").write_text('{"store":"x","heads":{}}')
    assert "another store" in audit("--against", tmp_path / "other.json")[2]
    (tmp_path / "none.json").write_text("[]")
    assert "these are no heads" in audit("--against", tmp_path / "none.json")[2]
    assert "No such file" in audit("--against", tmp_path / "nowhere")[2]


def test_lines_set_aside_and_a_journal_issued_again_are_no_fault(team, audit, worked, store, device):
    _, devices = worked
    odd = device("anna")
    odd.decide("nowhere", Verdict.SKIPPED)
    odd.decide(worked[0]["anna"][0], Verdict.ACCEPTED)
    assert len(odd.push(store).quarantined) == 1
    assert audit("--verify")[0] == 0
    # A restored journal went another way, and its lines come again from a new device under their old ids.
    devices["anna"].lines.pop()
    devices["anna"].decide(worked[0]["anna"][2], Verdict.SKIPPED)
    assert devices["anna"].push(store).fork
    again = device("anna")
    for line in odd.lines[1:]:
        entry = json.loads(line)
        again.decide(entry["clip"], Verdict.ACCEPTED, id=entry["id"])
    again.push(store)
    code, out, err = audit("--verify")
    assert (code, err) == (0, "")
    assert "may have come from the device before it" in out


def test_settings_of_a_session_do_not_change_what_is_hashed(team, audit, worked, login):
    anna = login("anna")
    anna.execute("SET extra_float_digits = -10")
    anna.execute("SET DateStyle = 'German'")
    anna.execute("SELECT * FROM earmark.lease('anna', 1, NULL, '{}', 60)")
    assert audit("--verify")[0] == 0


def test_many_at_once_under_one_login(team, worked, audit):
    from concurrent.futures import ThreadPoolExecutor

    stores = [PostgresStore(team.url("anna"), lease_seconds=60) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: stores[number % 4].lease("anna", number + 1), range(40)))
    for one in stores:
        one.close()
    noted = len(audit("--reviewer", "anna", "--json")[1].splitlines())
    code, out, _ = audit("--verify")
    assert code == 0
    assert noted > 4
    assert f"{team.login('anna')}: {noted} entries hold" in out


def test_the_way_in(team, worked, audit):
    for environ, words in (
        ({"SSH_CONNECTION": "203.0.113.7 40000 192.0.2.1 22"}, "gate ssh 203.0.113.7"),
        ({"SSH_CONNECTION": "2001:db8::7 40000 2001:db8::1 22"}, "gate ssh 2001:db8::7"),
        ({"SSH_CONNECTION": "\x1b]0; x"}, "gate ssh"),
        ({}, "gate"),
    ):
        store = PostgresStore(team.url("anna"), lease_seconds=60, via=way_in(environ))
        lease_one_more(store)
        store.close()
        (*_, last) = audit("--reviewer", "anna", "--json")[1].splitlines()
        assert json.loads(last)["via"] == f"socket {words}"


def test_the_way_in_through_a_real_gate(team, worked, audit, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EARMARK", "PG"))}
    environment |= {
        "EARMARK_HOME": str(tmp_path / "host"),
        "EARMARK_CONFIG": str(tmp_path / "config.toml"),
        "SSH_CONNECTION": "198.51.100.9 40000 192.0.2.1 22",
    }
    asked = [messages.Hello(messages.VERSION), messages.Lease(5)]
    done = subprocess.run(
        [sys.executable, "-m", "earmark.tui", "gate", "--store", team.url("anna"), "--as", "anna"],
        env=environment, input=b"".join(packed(messages.encode(one)) for one in asked),
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    (*_, last) = audit("--reviewer", "anna", "--json")[1].splitlines()
    told = json.loads(last)
    assert (told["what"], told["via"]) == ("lease", "socket gate ssh 198.51.100.9")


def test_the_readmes_commands(audit, worked, monkeypatch, tmp_path):
    readme = (Path(__file__).resolve().parents[4] / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    earmark store audit (.*)$", readme, re.MULTILINE)
    assert len(commands) == 4
    monkeypatch.chdir(tmp_path)
    for command in commands:
        code, out, err = audit(*command.split())
        assert (code, err) == (0, "")
        assert out


def test_what_stands_out(team, store, fill, device, audit):
    fill(400)
    for name, skips in (("anna", 0), ("ben", 60)):
        clips = [one.clip.id for one in store.lease(name, 200)]
        one = device(name)
        for place, clip in enumerate(clips):
            one.decide(clip, Verdict.SKIPPED if place < skips else Verdict.ACCEPTED, seconds=0.5 if skips else 9e3)
        one.push(store)
    code, out, _ = audit("--outliers")
    assert code == 0
    assert "ben: 30.0% skipped, the others 0.0%" in out
    assert "ben: 100.0% too fast" in out
    told = [json.loads(line) for line in audit("--outliers", "--json")[1].splitlines()]
    assert {(one["reviewer"], one["kind"]) for one in told} == {
        (name, kind) for name in ("anna", "ben") for kind in ("skipped", "too fast")
    }
