"""A store in a folder of the test's own."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.store.tools import (  # noqa: F401 - fixtures
    CRITICAL_HOLD,
    LEASE_SECONDS,
    device,
    everything,
    fill,
    incoming,
)
from earmark.queue.store import sqlite_intake
from earmark.queue.store.sqlite import SqliteStore


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Files:
    """The store's files, as whoever has the disk sees them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def everything(self) -> bytes:
        """All bytes of all files, the write-ahead log's too (its index holds page numbers and locks alone)."""
        files = (path for path in sorted(self._folder.rglob("*")) if path.is_file() and path.name != "store.db-shm")
        return b"".join(path.read_bytes() for path in files)

    def clip_keys(self) -> dict[str, bytes]:
        with contextlib.closing(sqlite3.connect(self._folder / "store.db")) as connection:
            return dict(connection.execute("SELECT clip, key FROM clip_key"))

    def sound(self, clip: str) -> Path:
        return self._folder / "audio" / clip[:2] / clip

    def staged(self) -> list[Path]:
        return list((self._folder / "audio" / "incoming").iterdir())

    def spoil_hypothesis(self, arrival: int) -> None:
        with contextlib.closing(sqlite3.connect(self._folder / "store.db")) as connection, connection:
            connection.execute("UPDATE clip SET hypothesis = CAST('{nonsense' AS BLOB) WHERE arrival = ?", (arrival,))

    def line(self) -> tuple[str, str, str]:
        with contextlib.closing(sqlite3.connect(self._folder / "store.db")) as connection:
            found: tuple[str, str, str] = connection.execute("SELECT envelope, payload, chain FROM line").fetchone()
            return found

    def batches_of(self, patch: pytest.MonkeyPatch, clips: int) -> None:
        patch.setattr(sqlite_intake, "BATCH", clips)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_one(folder: Path, clock: Clock) -> Iterator[Callable[[], SqliteStore]]:
    """Opens the store, again and again if asked; each is closed at the end."""
    opened: list[SqliteStore] = []

    def open_one() -> SqliteStore:
        store = SqliteStore(folder, lease_seconds=LEASE_SECONDS, critical_hold=CRITICAL_HOLD, clock=clock)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_one: Callable[[], SqliteStore]) -> SqliteStore:
    return open_one()


@pytest.fixture
def backdoor(folder: Path) -> Files:
    return Files(folder)
