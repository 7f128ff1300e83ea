"""What must go, and that it is gone from the store's files to the last byte."""

from __future__ import annotations

import contextlib
import sqlite3

from contract.store.erasure import *  # noqa: F403


def test_a_reader_in_the_way_only_delays_the_scrubbing(folder, store, clips, anna, everything, monkeypatch):
    monkeypatch.setattr("earmark.queue.store.sqlite_database.BUSY_SECONDS", 0.0)
    with contextlib.closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM clip").fetchone()
        store._database._connection().execute("PRAGMA busy_timeout = 10")
        store.withdraw([clips[0]])
        assert b"SECRET" in everything()
        reader.execute("ROLLBACK")
    store.renew("anna", clips)
    assert b"SECRET" not in everything()
