"""The log of withdrawals beside an SQLite store's database: `withdrawn.jsonl`, one line each, only ever appended to.

Who brings back an older `store.db` has forgotten the last withdrawals, but not this file. Each line says how far the
database's own numbers had come by then: where they are further than the last line, something is still to be written
down; where the last line's clips are not withdrawn, or its people have not opted out, the database is an older one.
Withdrawals and their replay keep to the order of the lines, so the last line speaks for all before it.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from earmark.queue import files
from earmark.queue.store import sqlite_erase
from earmark.queue.store.interface import StoreError
from earmark.queue.store.sqlite_database import Database

NAME = "withdrawn.jsonl"


class Line(msgspec.Struct, frozen=True):
    """Clips that were withdrawn and pseudonyms (in hex) of people who opted out, in order; `epoch` is the number of the
    database's last withdrawn clip by then, `opted` that of the last person.
    """

    epoch: int
    opted: int
    clips: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()


class WithdrawalLog:
    """The log in `folder`, and what the database beside it knows of it."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._path = folder / NAME
        self._database = database
        self._looked: tuple[int, int] | None = None
        """Inode and size of the file whose last line was found in force."""
        self._written = (0, 0)
        """The database's numbers up to which all is known to be in the log."""

    def check(self) -> None:
        """Return when all that the log knows is in force. Raises `StoreError`."""
        with self._database.told():
            try:
                found = self._path.stat()
            except FileNotFoundError:
                return
            seen = (found.st_ino, found.st_size)
            if seen == self._looked:
                return
            last = self._last()
            with self._database.read() as connection:
                if last is not None and not _in_force(connection, last):
                    raise StoreError(
                        f"{self._path.parent}: the database was brought back from an older copy and has forgotten "
                        "withdrawals; no clip is given out before whoever runs the store has put them in force again "
                        "with 'earmark store replay'"
                    )
            self._looked = seen

    def write_down(self) -> None:
        """Append what is in force and not in the log yet, durably. Raises `StoreError`: what is in force stays so."""
        self.check()
        with self._database.read() as connection:
            if _numbers(connection) == self._written:
                return
        # The database's lock is the log's too: two programs take turns.
        with self._database.write() as connection:
            line = self._since(connection, self._last())
            if line is not None:
                self._append(line)
            self._written = _numbers(connection)

    def replay(self) -> tuple[int, int]:
        """As `Store.replay`."""
        replayed = taken = 0
        clips: set[str] = set()
        people: set[str] = set()
        with self._database.write() as connection:
            for line in self._lines():
                clips.update(line.clips)
                people.update(line.subjects)
                if not _in_force(connection, line):
                    replayed += 1
                    taken += _replay(connection, line)
            # Also what an older Earmark, which knew no log, withdrew in the older database meanwhile.
            epoch, opted = _numbers(connection)
            more = Line(
                epoch,
                opted,
                tuple(clip for clip in _clips_after(connection, 0) if clip not in clips),
                tuple(subject for subject in _subjects_after(connection, 0) if subject not in people),
            )
            last = self._last()
            if more.clips or more.subjects or (last is not None and (last.epoch, last.opted) != (epoch, opted)):
                self._append(more)
        return replayed, taken

    def _since(self, connection: sqlite3.Connection, last: Line | None) -> Line | None:
        """What the log lacks after its last line, or None."""
        epoch, opted = _numbers(connection)
        before = last or Line(0, 0)
        if epoch <= before.epoch and opted <= before.opted:
            return None
        return Line(
            epoch,
            opted,
            tuple(_clips_after(connection, before.epoch)),
            tuple(_subjects_after(connection, before.opted)),
        )

    def _append(self, line: Line) -> None:
        whole = len(self._whole())
        descriptor = files.open_append(self._path)
        try:
            # What a crash left of a line was never told to be written: it comes again now.
            os.ftruncate(descriptor, whole)
            files.write_all(descriptor, msgspec.json.encode(line) + b"\n")
            files.sync(descriptor)
        finally:
            os.close(descriptor)

    def _whole(self) -> bytes:
        """The file up to the end of its last whole line."""
        try:
            held = files.read(self._path)
        except FileNotFoundError:
            return b""
        return held[: held.rfind(b"\n") + 1]

    def _last(self) -> Line | None:
        """The last whole line."""
        lines = self._whole().rsplit(b"\n", 2)
        return self._decoded(lines[-2]) if len(lines) > 1 else None

    def _lines(self) -> Iterator[Line]:
        for line in self._whole().splitlines():
            yield self._decoded(line)

    def _decoded(self, line: bytes) -> Line:
        try:
            return msgspec.json.decode(line, type=Line)
        except (msgspec.DecodeError, UnicodeError):
            raise StoreError(f"{self._path}: a line is damaged; bring the file back from a copy") from None


def _numbers(connection: sqlite3.Connection) -> tuple[int, int]:
    (epoch,) = connection.execute("SELECT coalesce(max(epoch), 0) FROM tombstone").fetchone()
    (opted,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM opt_out").fetchone()
    return epoch, opted


def _clips_after(connection: sqlite3.Connection, epoch: int) -> Iterator[str]:
    for (clip,) in connection.execute("SELECT clip FROM tombstone WHERE epoch > ? ORDER BY epoch", (epoch,)):
        yield clip


def _subjects_after(connection: sqlite3.Connection, opted: int) -> Iterator[str]:
    for (subject,) in connection.execute("SELECT subject FROM opt_out WHERE rowid > ? ORDER BY rowid", (opted,)):
        yield bytes(subject).hex()


def _in_force(connection: sqlite3.Connection, line: Line) -> bool:
    (forgotten,) = connection.execute(
        """SELECT EXISTS (SELECT 1 FROM json_each(:clips) WHERE value NOT IN (SELECT clip FROM tombstone))
               OR EXISTS (
                   SELECT 1 FROM json_each(:subjects) WHERE value NOT IN (SELECT lower(hex(subject)) FROM opt_out)
               )""",
        {"clips": json.dumps(line.clips), "subjects": json.dumps(line.subjects)},
    ).fetchone()
    return not forgotten


def _replay(connection: sqlite3.Connection, line: Line) -> int:
    """Put a line in force; says how many clips that took. Of a clip that the database has never heard of a withdrawn
    one is made, so that it cannot be loaded again. When it was withdrawn is no longer known.
    """
    clips = list(line.clips)
    for subject in line.subjects:
        clips += sqlite_erase.opt_out(connection, bytes.fromhex(subject), 0.0)
    connection.executemany(
        "INSERT INTO clip (id, duration, rate) VALUES (?, 0, 0) ON CONFLICT (id) DO NOTHING",
        [(clip,) for clip in clips],
    )
    return sqlite_erase.withdraw(connection, clips, 0.0)[0]
