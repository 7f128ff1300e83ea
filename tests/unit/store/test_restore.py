"""The contract's part about older copies, for a store in SQLite, and what is its log's alone."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys

import pytest

from contract.store.restore import *  # noqa: F403
from earmark.queue.store.interface import StoreError


@pytest.fixture
def older(store, folder, tmp_path, open_one):
    """A copy of store.db as SQLite's own backup makes it."""

    def keep():
        copy = tmp_path / os.urandom(4).hex()
        with sqlite3.connect(folder / "store.db") as source, sqlite3.connect(copy) as target:
            source.backup(target)
        source.close()
        target.close()

        def back():
            for name in ("store.db-wal", "store.db-shm"):
                (folder / name).unlink(missing_ok=True)
            shutil.copy(copy, folder / "store.db.new")
            (folder / "store.db.new").replace(folder / "store.db")
            return open_one()

        return back

    return keep


@pytest.fixture
def log(folder):
    return (folder / "withdrawn.jsonl").read_bytes


def test_a_line_that_a_crash_cut_off_is_written_again(store, clips, folder, log, open_one):
    store.withdraw([clips[0]])
    whole = log()
    store.withdraw([clips[1]])
    (folder / "withdrawn.jsonl").write_bytes(log()[:-3])
    again = open_one()
    assert ids(again.lease("anna", 9)) == clips[2:]  # noqa: F405
    again.purge()
    assert log().startswith(whole)
    assert log().endswith(b"\n")
    assert clips[1].encode() in log()


def test_a_withdrawal_that_was_not_written_down_is_made_up_for(store, clips, log, open_one, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("earmark.queue.store.sqlite_log.WithdrawalLog.write_down", lambda _: None)
        store.withdraw([clips[0]])
        store.withdraw_subject("person 1")
    open_one().purge()
    for clip in (clips[0], *clips[2:4]):
        assert clip.encode() in log()
    assert log().count(b"\n") == 1


def test_a_log_that_cannot_be_written_is_told(store, clips, folder):
    (folder / "withdrawn.jsonl").mkdir()
    with pytest.raises(StoreError):
        store.withdraw([clips[0]])


def test_a_damaged_log_is_told(store, clips, folder, open_one):
    store.withdraw([clips[0]])
    (folder / "withdrawn.jsonl").write_bytes(b"nonsense\n")
    with pytest.raises(StoreError, match="bring the file back"):
        open_one().lease("anna", 1)


def test_withdrawals_by_two_programs_are_each_written_once(store, clips, log, open_one):
    other = open_one()
    for number, clip in enumerate(clips):
        (store, other)[number % 2].withdraw([clip])
    assert [log().count(clip.encode()) for clip in clips] == [1] * 6


def test_the_commands_on_a_store_of_one_machine(store, clips, folder, older, tmp_path):
    def earmark(*words):
        done = subprocess.run(
            [sys.executable, "-m", "earmark.tui", "--home", tmp_path, "--store", f"sqlite:///{folder}", *words],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    back = older()
    assert earmark("withdraw", clips[0], "--yes")[0] == 0
    back()
    code, _, err = earmark("store", "check")
    assert code == 1
    assert "earmark store replay" in err
    code, _, err = earmark("export", str(tmp_path / "out.jsonl"))
    assert code == 1
    assert "earmark store replay" in err
    assert earmark("store", "replay") == (0, "1 withdrawal put in force again: 1 clip erased.\n", "")
    assert earmark("store", "replay")[1].startswith("Nothing to do")
    assert earmark("store", "check")[0] == 0
