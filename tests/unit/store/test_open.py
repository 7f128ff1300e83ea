"""From a URL to a store, and stores that cannot be opened."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from earmark.queue.decision import Verdict
from earmark.queue.store.interface import StoreError, StoreUnreachable
from earmark.queue.store.open import open_store
from earmark.queue.store.sqlite_database import VERSION


def test_a_store_keeps_its_id(tmp_path):
    url = f"sqlite:///{tmp_path}/a/b/store"
    with contextlib.closing(open_store(url)) as store:
        made = store.id
    with contextlib.closing(open_store(url)) as store:
        assert store.id == made
    assert len(made) == 32
    assert (tmp_path / "a/b/store/store.db").is_file()


def test_relative_and_home_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    open_store("sqlite:///here/store").close()
    open_store("sqlite:///~/mine").close()
    assert (tmp_path / "here/store/store.db").is_file()
    assert (tmp_path / "home/mine/store.db").is_file()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlit:///x", "did you mean 'sqlite'"),
        ("ftp://x", "known: sqlite"),
        ("/srv/store", "such as sqlite:////srv/store"),
        ("sqlite://x", "three slashes"),
        ("sqlite:///", "three slashes"),
        ("sqlite:///~nobody-of-that-name/x", "no such user's home"),
    ],
)
def test_a_url_that_is_none_is_told(url, words):
    with pytest.raises(StoreError, match=words):
        open_store(url)


@pytest.mark.parametrize(
    "url",
    [
        "eve:SECRET@host/database",
        "postgresql:/eve:SECRET@host/database",
        "postgresql//eve:SECRET/@SECRET@host/database",
        "host/database?password=SECRET",
        "eve:SECRET@host/database?options=x://y",
        "postgres://eve:SECRET@host/database",
        "sqlite://eve:SECRET@host/database",
        "ssh://eve:SECRET@host/store",
        "ssh://eve@host/store",
    ],
)
def test_what_is_said_of_a_url_holds_no_password(url):
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert "SECRET" not in str(caught.value)
    assert "eve" not in str(caught.value)


def test_a_newer_schema_is_refused(folder, open_one):
    open_one().close()
    with contextlib.closing(sqlite3.connect(folder / "store.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"made by a newer Earmark \(schema 99"):
        open_one()


def test_an_older_schema_is_brought_up_to_date(folder, open_one, incoming, device):
    """As the first Earmark made it: no policy, and what was decided stays as it was."""
    store = open_one()
    assert list(store.add([incoming(0), incoming(1)])) == ["added"] * 2
    one, two = [one.clip.id for one in store.lease("anna", 2)]
    anna = device("anna")
    anna.decide(one, Verdict.ACCEPTED)
    anna.push(store)
    before = list(store.results()), store.counts("anna")
    store.close()
    with contextlib.closing(sqlite3.connect(folder / "store.db")) as connection:
        connection.executescript("DROP TABLE policy; DROP VIEW opinion; PRAGMA user_version = 1")
    store = open_one()
    assert (list(store.results()), store.counts("anna")) == before
    assert store.opinions() == 1
    assert store.audio("anna", two)
    with contextlib.closing(sqlite3.connect(folder / "store.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_other_databases_and_files_are_refused(folder, open_one):
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / "store.db")) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(StoreError, match="not an Earmark store"):
        open_one()
    (folder / "store.db").write_bytes(b"Dear diary, " * 100)
    with pytest.raises(StoreError, match="not an Earmark store"):
        open_one()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="no store can be made here"):
        open_store(f"sqlite:///{tmp_path}/file/store")


def test_a_store_that_was_being_made_when_its_program_died(folder, open_one):
    open_one().close()
    with contextlib.closing(sqlite3.connect(folder / "store.db")) as connection:
        connection.execute("DELETE FROM meta")
        connection.commit()
    one = open_one()
    assert one.id == open_one().id


def test_a_store_that_stays_busy_is_unreachable(folder, open_one, monkeypatch):
    monkeypatch.setattr("earmark.queue.store.sqlite_database.BUSY_SECONDS", 0.05)
    store = open_one()
    with contextlib.closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnreachable, match="another program is busy"):
            store.lease("anna", 1)
        assert store.counts("anna").clips == 0  # reading does not wait
    assert store.lease("anna", 1) == []


def test_connections_of_threads_that_ended_are_closed(open_one):
    import threading

    store = open_one()
    for _ in range(5):
        thread = threading.Thread(target=store.counts, args=("anna",))
        thread.start()
        thread.join()
    assert len(store._database._connections) <= 2


def test_a_commit_is_durable_and_what_is_deleted_overwritten(open_one):
    with open_one()._database.read() as connection:
        settings = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1}


def test_no_table_is_sorted_or_scanned_to_lease(store, fill):
    fill(1)
    plans: list[str] = []
    with store._database.read() as connection:
        connection.set_trace_callback(plans.append)
        store.lease("anna", 1)
        store.lease("ben", 1, lang="de", first=["x"])
        connection.set_trace_callback(None)
        asked = [statement for statement in plans if statement.lstrip().startswith(("SELECT", "UPDATE"))]
        assert len(asked) >= 6
        for statement in asked:
            steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            for step in steps:
                assert not step.startswith("SCAN clip") or "USING INDEX" in step, (statement, step)
                assert not step.startswith("SCAN line"), (statement, step)


def test_naming_a_store_imports_nothing_heavy():
    code = (
        "import sys, earmark.queue.store.open;"
        "print(*{'sqlite3', 'cryptography', 'numpy', 'soundfile'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.split() == []


def test_the_schema_file_ships():
    import earmark.queue.store.open as module

    assert (Path(module.__file__).parent / "schema" / "sqlite.sql").is_file()
