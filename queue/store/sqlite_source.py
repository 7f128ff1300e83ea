"""An SQLite store as the source of a copy: its rows in the order of their keys, in the columns of a team's store."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from earmark.queue.seal import NotSealed, unseal
from earmark.queue.store import sqlite_standing
from earmark.queue.store.interface import StoreError
from earmark.queue.store.objects import AudioObjects
from earmark.queue.store.sqlite_database import Database
from earmark.queue.store.sqlite_log import WithdrawalLog

TABLES: dict[str, str] = {
    "clip": """SELECT id, arrival, CASE WHEN state <> 'withdrawn' THEN lang END, duration, rate, subject, source,
                   CAST(hypothesis AS TEXT), peaks
               FROM clip ORDER BY arrival""",
    "work": """SELECT id, arrival, CASE WHEN state <> 'withdrawn' THEN lang END, priority, state, owner, lease,
                   lease_until
               FROM clip ORDER BY arrival""",
    "device": "SELECT id, reviewer, last_seq, last_chain, forked_at FROM device ORDER BY id",
    "line": """SELECT arrival, device, seq, id, reviewer, clip, verdict, 0, chain, envelope, payload
               FROM line ORDER BY arrival""",
    "quarantine": "SELECT device, seq, clip, reason FROM quarantine ORDER BY device, seq",
    "tombstone": "SELECT epoch, clip, at FROM tombstone ORDER BY epoch",
    "opt_out": "SELECT subject, at FROM opt_out ORDER BY subject",
}
"""For each table of a team's store what it gets."""


class Source:
    """The store in `folder`, which must be there, with all its withdrawals in force. Raises `StoreError`."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "store.db").is_file():
            raise StoreError(f"{folder}: no store is here to copy")
        self.database = Database(folder)
        try:
            WithdrawalLog(folder, self.database).check()
            with self.database.told():
                self._objects = AudioObjects(folder / "audio")
            with self.database.read() as connection:
                self.secrets: dict[str, bytes] = dict(connection.execute("SELECT name, value FROM meta"))
        except BaseException:
            self.database.close()
            raise
        self._held: sqlite3.Connection | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """The store as it is now, until the end of the block: whoever wants to write to it waits, or tries again."""
        with self.database.write() as connection:
            self._held = connection
            try:
                yield
            finally:
                self._held = None

    def rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """The rows for a table, in order."""
        with self._reading() as connection:
            yield from connection.execute(TABLES[table])

    def clips_with_sound(self) -> list[str]:
        """The clips whose key is not destroyed, in order of arrival."""
        with self._reading() as connection:
            return [
                clip
                for (clip,) in connection.execute(
                    "SELECT id FROM clip JOIN clip_key ON clip_key.clip = clip.id ORDER BY clip.arrival"
                )
            ]

    def destroy_after(self) -> dict[str, float | None]:
        """Each clip that has a key, with the time (Unix seconds) at which that is to be destroyed, if any."""
        with self._reading() as connection:
            return dict(connection.execute("SELECT clip, destroy_after FROM clip_key"))

    def opinions(self) -> int:
        """Of how many different reviewers each clip wants an opinion."""
        with self._reading() as connection:
            return sqlite_standing.wanted(connection)

    def sound(self, clip: str) -> bytes | None:
        """A clip's audio, opened; None where its key has been destroyed meanwhile. Raises `StoreError`."""
        with self._reading() as connection:
            row = connection.execute("SELECT key FROM clip_key WHERE clip = ?", (clip,)).fetchone()
        if row is None:
            return None
        try:
            return unseal(row[0], self._objects.read(clip), clip.encode())
        except (OSError, NotSealed):
            raise StoreError(
                f"the sound of clip {clip} is missing or damaged: bring its file back from a copy, or withdraw the "
                "clip, and run this again"
            ) from None

    def close(self) -> None:
        self.database.close()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        if self._held is not None:
            with self.database.told():
                yield self._held
        else:
            with self.database.read() as connection:
                yield connection
