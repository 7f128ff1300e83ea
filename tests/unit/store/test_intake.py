"""What goes into a store, and how it lies there."""

from __future__ import annotations

import os
import sqlite3

import pytest

from contract.store.intake import *  # noqa: F403
from earmark.queue.store import sqlite_intake
from earmark.queue.store.interface import StoreError


def test_the_folder_tells_nothing_and_is_private(folder, store, fill, everything):
    fill(3)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "audio").stat().st_mode & 0o777 == 0o700
    for name in ("store.db", "store.db-wal"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    objects = [path for path in (folder / "audio").rglob("*") if path.is_file()]
    assert len(objects) == 3
    for path in objects:
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.name == path.name[:2]
    assert b"fLaC" not in everything()
    assert b"person" not in everything()


def test_ids_are_keyed_by_the_store(tmp_path, store, incoming, fill, clock):
    fill(1)
    other = type(store)(tmp_path / "other", lease_seconds=1, critical_hold=1, clock=clock)
    list(other.add([incoming(0)]))
    assert other.id != store.id
    assert other.lease("anna", 1)[0].clip.id != store.lease("anna", 1)[0].clip.id
    other.close()


def test_an_old_staged_file_is_swept_and_a_new_one_is_not(folder, store, incoming):
    for name, at in (("old", 1_000_000.0), ("new", None)):
        path = folder / "audio" / "incoming" / name
        path.write_bytes(b"x")
        if at:
            os.utime(path, (at, at))
    list(store.add([incoming(0)]))
    assert [path.name for path in (folder / "audio" / "incoming").iterdir()] == ["new"]


def test_a_commit_that_fails_brings_nothing_in_and_a_second_try_does(store, incoming, monkeypatch):
    def fail(*_):
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch, pytest.raises(StoreError, match=r"store\.db: disk I/O error"):
        patch.setattr(sqlite_intake, "_insert", fail)
        list(store.add([incoming(0)]))
    assert store.counts("anna").clips == 0
    assert list(store.add([incoming(0)])) == ["added"]
    assert store.audio("anna", store.lease("anna", 1)[0].clip.id) == incoming(0).audio


def test_an_unwritable_audio_folder_is_told(folder, store, incoming, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(StoreError, match="No space left"):
        patch.setattr(os, "fsync", full)
        list(store.add([incoming(0)]))
    assert list((folder / "audio" / "incoming").iterdir()) == []
