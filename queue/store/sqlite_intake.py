"""Clips on their way into an SQLite store: named, checked against what is there or withdrawn, sealed, made durable."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from earmark.queue.seal import new_key, seal
from earmark.queue.store import hypotheses
from earmark.queue.store.interface import Incoming
from earmark.queue.store.naming import clip_id, pseudonym
from earmark.queue.store.objects import AudioObjects
from earmark.queue.store.sqlite_database import Database

BATCH = 200
"""Clips a transaction."""


class _Sealed(msgspec.Struct, frozen=True):
    """A clip whose audio is staged, and what its row will hold."""

    clip: str
    subject: bytes | None
    hypothesis: bytes
    key: bytes
    staged: Path
    duration: float
    rate: int
    lang: str | None
    peaks: bytes
    source: str


def add(database: Database, objects: AudioObjects, clips: Iterable[Incoming]) -> Iterator[str]:
    """As `Store.add`: an outcome for each clip, in order, told once its transaction is durable.

    Audio is staged as it comes, so that memory holds one clip's; a clip that is there already is not sealed again.
    """
    with database.told():
        objects.sweep()
    batch: list[_Sealed | str] = []
    try:
        for incoming in clips:
            batch.append(_prepare(database, objects, incoming))
            if len(batch) == BATCH:
                outcomes = _commit(database, objects, batch)
                batch = []
                yield from outcomes
        yield from _commit(database, objects, batch)
        batch = []
    finally:
        for item in batch:
            if isinstance(item, _Sealed):
                item.staged.unlink(missing_ok=True)


def _prepare(database: Database, objects: AudioObjects, incoming: Incoming) -> _Sealed | str:
    clip = clip_id(database.clip_id_key, incoming.identity)
    subject = pseudonym(database.pseudonym_key, incoming.subject) if incoming.subject else None
    hypothesis = hypotheses.encode(incoming.hypothesis)
    with database.read() as connection:
        outcome = _outcome(connection, clip, subject, hypothesis)
        if outcome is not None:
            return outcome
        key = new_key()
        return _Sealed(
            clip=clip,
            subject=subject,
            hypothesis=hypothesis,
            key=key,
            staged=objects.stage(seal(key, incoming.audio, clip.encode())),
            duration=incoming.duration,
            rate=incoming.rate,
            lang=incoming.lang,
            peaks=incoming.peaks,
            source=incoming.source,
        )


def _commit(database: Database, objects: AudioObjects, batch: list[_Sealed | str]) -> list[str]:
    """One transaction. The audio is in its place, durably, before the rows that hold its keys are."""
    sealed = [item for item in batch if isinstance(item, _Sealed)]
    if not sealed:
        return [str(item) for item in batch]
    outcomes: list[str] = []
    new: dict[str, _Sealed] = {}
    with database.write() as connection:
        for item in batch:
            # Asked again: another program, or this batch, may have brought or withdrawn it meanwhile.
            outcome: str | None
            if isinstance(item, str):
                outcome = item
            elif item.clip in new:
                outcome = "known" if new[item.clip].hypothesis == item.hypothesis else "other text"
            else:
                outcome = _outcome(connection, item.clip, item.subject, item.hypothesis)
                if outcome is None:
                    new[item.clip] = item
            outcomes.append(outcome or "added")
        objects.place((item.staged, item.clip) for item in new.values())
        _insert(connection, new.values())
    for item in sealed:
        if new.get(item.clip) is not item:
            item.staged.unlink(missing_ok=True)
    return outcomes


def _outcome(connection: sqlite3.Connection, clip: str, subject: bytes | None, hypothesis: bytes) -> str | None:
    """Why the clip does not go in, or None."""
    if subject is not None and connection.execute("SELECT 1 FROM opt_out WHERE subject = ?", (subject,)).fetchone():
        return "withdrawn"
    found = connection.execute("SELECT state, hypothesis FROM clip WHERE id = ?", (clip,)).fetchone()
    if found is None:
        return None
    state, there = found
    if state == "withdrawn":
        return "withdrawn"
    # A critical clip whose hold is over has no hypothesis any more.
    return "known" if there is None or there == hypothesis else "other text"


def _insert(connection: sqlite3.Connection, clips: Iterable[_Sealed]) -> None:
    for item in clips:
        connection.execute(
            """INSERT INTO clip (id, lang, duration, rate, subject, source, hypothesis, peaks)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
            (
                item.clip,
                item.lang,
                item.duration,
                item.rate,
                item.subject,
                item.source,
                item.hypothesis,
                item.peaks,
            ),
        )
        connection.execute("INSERT INTO clip_key (clip, key) VALUES (?, ?)", (item.clip, item.key))
