"""Clips on their way into an SQLite store: named, checked against what is there or withdrawn, sealed, made durable."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
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


class _Here(msgspec.Struct, frozen=True):
    """A clip that does not go in, as it looks, and what became of it."""

    clip: str
    subject: bytes | None
    outcome: str


def add(
    database: Database,
    objects: AudioObjects,
    clips: Iterable[Incoming],
    withdraw: Callable[[Sequence[str]], object],
) -> Iterator[str]:
    """As `Store.add`: an outcome for each clip, in order, told once its transaction is durable.

    Audio is staged as it comes, so that memory holds one clip's; a clip that is there already is not sealed again.
    `withdraw` takes the clips that turn out to be of people who opted out.
    """
    with database.told():
        objects.sweep()
    batch: list[_Sealed | _Here] = []
    try:
        for incoming in clips:
            batch.append(_prepare(database, objects, incoming))
            if len(batch) == BATCH:
                outcomes = _commit(database, objects, batch, withdraw)
                batch = []
                yield from outcomes
        yield from _commit(database, objects, batch, withdraw)
        batch = []
    finally:
        for item in batch:
            if isinstance(item, _Sealed):
                item.staged.unlink(missing_ok=True)


def _prepare(database: Database, objects: AudioObjects, incoming: Incoming) -> _Sealed | _Here:
    clip = clip_id(database.clip_id_key, incoming.identity)
    subject = pseudonym(database.pseudonym_key, incoming.subject) if incoming.subject else None
    hypothesis = hypotheses.encode(incoming.hypothesis)
    with database.read() as connection:
        outcome = _outcome(connection, clip, subject, hypothesis)
        if outcome is not None:
            return _Here(clip, subject, outcome)
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


def _commit(
    database: Database,
    objects: AudioObjects,
    batch: list[_Sealed | _Here],
    withdraw: Callable[[Sequence[str]], object],
) -> list[str]:
    """One transaction. The audio is in its place, durably, before the rows that hold its keys are."""
    sealed = [item for item in batch if isinstance(item, _Sealed)]
    people = {(item.clip, item.subject): None for item in batch if item.subject is not None}
    if not sealed:
        with database.read() as connection:
            if not any(_news(connection, clip, subject) for clip, subject in people):
                return [item.outcome for item in batch if isinstance(item, _Here)]
    outcomes: list[str] = []
    new: dict[str, _Sealed] = {}
    with database.write() as connection:
        for item in batch:
            # Asked again: another program, or this batch, may have brought or withdrawn it meanwhile.
            outcome: str | None
            if isinstance(item, _Here):
                outcome = item.outcome
            elif item.clip in new:
                outcome = "known" if new[item.clip].hypothesis == item.hypothesis else "other text"
            else:
                outcome = _outcome(connection, item.clip, item.subject, item.hypothesis)
                if outcome is None:
                    new[item.clip] = item
            outcomes.append(outcome or "added")
        objects.place((item.staged, item.clip) for item in new.values())
        _insert(connection, new.values())
        theirs = _learn(connection, people)
    for item in sealed:
        if new.get(item.clip) is not item:
            item.staged.unlink(missing_ok=True)
    if theirs:
        # A crash before this is made good by loading again, which one does who has been told no outcome.
        withdraw(theirs)
    return outcomes


def _news(connection: sqlite3.Connection, clip: str, subject: bytes) -> bool:
    """Whether it matters who spoke: nobody knew of a clip that is here, or the person has opted out."""
    found = connection.execute(
        """SELECT subject IS NULL OR EXISTS (SELECT 1 FROM opt_out WHERE subject = :subject) FROM clip
           WHERE id = :clip AND state <> 'withdrawn'""",
        {"clip": clip, "subject": subject},
    ).fetchone()
    return found is not None and bool(found[0])


def _learn(connection: sqlite3.Connection, people: Iterable[tuple[str, bytes]]) -> list[str]:
    """Note who spoke in clips of which nobody knew; says which clips are here of people who have opted out."""
    theirs = []
    for clip, subject in people:
        if not _news(connection, clip, subject):
            continue
        if _opted_out(connection, subject):
            theirs.append(clip)
        else:
            connection.execute("UPDATE clip SET subject = ? WHERE id = ?", (subject, clip))
    return theirs


def _opted_out(connection: sqlite3.Connection, subject: bytes) -> bool:
    return connection.execute("SELECT 1 FROM opt_out WHERE subject = ?", (subject,)).fetchone() is not None


def _outcome(connection: sqlite3.Connection, clip: str, subject: bytes | None, hypothesis: bytes) -> str | None:
    """Why the clip does not go in, or None."""
    if subject is not None and _opted_out(connection, subject):
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
