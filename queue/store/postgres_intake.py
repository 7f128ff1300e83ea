"""Clips on their way into a store in PostgreSQL: named, asked for, sealed, their audio made durable, then their rows.

A batch is two round trips, whatever it holds, and one more where some of its clips are here already. Each audio object
gets a name of its own, drawn at random, so that two programs that load the same clip never write over each other; the
one that comes second removes its own again.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from earmark.queue.seal import NotSealed, new_key, seal, unseal
from earmark.queue.store import hypotheses
from earmark.queue.store.audio_objects import Objects
from earmark.queue.store.interface import Incoming, StoreError, StoreUnreachable
from earmark.queue.store.naming import clip_id, pseudonym
from earmark.queue.store.postgres_database import Database

BATCH = 200
"""Clips a transaction, at most."""

BATCH_BYTES = 64_000_000
"""Audio held in memory at a time, about: long clips go in smaller batches."""

PSEUDONYM_KEY, CLIP_ID_KEY, SEAL_KEY = "pseudonym key", "clip id key", "seal key"


class Secrets(msgspec.Struct, frozen=True):
    """The store's own keys: of the pseudonyms, and of the clips' ids."""

    pseudonym: bytes
    clip_id: bytes


class _Named(msgspec.Struct, frozen=True):
    """A clip with what the store knows it by. The key and the object's name are for it alone if it goes in."""

    incoming: Incoming
    clip: str
    subject: bytes | None
    hypothesis: str
    key: bytes
    object: str


def secrets_of(database: Database, master: bytes) -> Secrets:
    """The store's own keys, opened. Raises `StoreError`."""
    sealed = dict(database.rows("SELECT name, value FROM earmark.secrets()"))
    try:
        return Secrets(
            *(unseal(master, bytes(sealed[name]), name.encode()) for name in (PSEUDONYM_KEY, CLIP_ID_KEY)),
        )
    except (KeyError, NotSealed):
        raise StoreError(f"{database.where}: the store's own keys do not open; is this its master key?") from None


def add(
    database: Database,
    objects: Objects,
    master: bytes,
    clips: Iterable[Incoming],
    withdraw: Callable[[Sequence[str]], object],
) -> Iterator[str]:
    """As `Store.add`: an outcome for each clip, in order, told once its transaction is durable.

    `withdraw` takes the clips that turn out to be of people who opted out.
    """
    keys = secrets_of(database, master)
    batch: list[_Named] = []
    weight = 0
    for incoming in clips:
        batch.append(_named(keys, incoming))
        weight += len(incoming.audio)
        if len(batch) >= BATCH or weight >= BATCH_BYTES:
            yield from _loaded(database, objects, master, batch, withdraw)
            batch, weight = [], 0
    yield from _loaded(database, objects, master, batch, withdraw)


def _loaded(
    database: Database,
    objects: Objects,
    master: bytes,
    batch: list[_Named],
    withdraw: Callable[[Sequence[str]], object],
) -> list[str]:
    outcomes = _take(database, objects, master, batch)
    # Who spoke in a clip that is here may be known only now.
    told = [one for one, outcome in zip(batch, outcomes, strict=True) if outcome != "added" and one.subject is not None]
    if told:
        (theirs,) = database.row(
            "SELECT earmark.learn(%s::text[], %s::bytea[])",
            ([one.clip for one in told], [one.subject for one in told]),
        )
        if theirs:
            # A crash before this is made good by loading again, which one does who has been told no outcome.
            withdraw(theirs)
    return outcomes


def _named(keys: Secrets, incoming: Incoming) -> _Named:
    return _Named(
        incoming=incoming,
        clip=clip_id(keys.clip_id, incoming.identity),
        subject=pseudonym(keys.pseudonym, incoming.subject) if incoming.subject else None,
        hypothesis=hypotheses.encode(incoming.hypothesis).decode(),
        key=new_key(),
        object=secrets.token_hex(16),
    )


def _take(database: Database, objects: Objects, master: bytes, batch: list[_Named]) -> list[str]:
    """One transaction. The audio is in its place, durably, before the rows that hold its keys are."""
    if not batch:
        return []
    (outcomes,) = database.row(
        "SELECT earmark.outcomes(%s::text[], %s::bytea[], %s::text[])",
        ([one.clip for one in batch], [one.subject for one in batch], [one.hypothesis for one in batch]),
    )
    wanted = [one for one, outcome in zip(batch, outcomes, strict=True) if outcome is None]
    if not wanted:
        return list(outcomes)
    # Of a sound that is twice in the batch only the first goes in.
    first = {one.clip: one for one in reversed(wanted)}
    wanted = [one if first[one.clip] is one else _twin(one, first[one.clip]) for one in wanted]
    put: list[str] = []
    keep: set[str] = set()
    try:
        for one in first.values():
            put.append(one.object)
            objects.put(one.object, seal(one.key, one.incoming.audio, one.clip.encode()))
        became = _admit(database, master, wanted)
        keep = {one.object for one, outcome in zip(wanted, became, strict=True) if outcome == "added"}
    except StoreUnreachable:
        # The rows may be in or not: then the audio must stay, at worst as noise that nothing opens.
        keep = set(put)
        raise
    except OSError as error:
        raise StoreError(f"the sealed audio cannot be kept: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            objects.remove(name for name in put if name not in keep)
    answers = iter(became)
    return [next(answers) if outcome is None else outcome for outcome in outcomes]


def _twin(one: _Named, first: _Named) -> _Named:
    """The same sound once more: it stands for no audio of its own."""
    return msgspec.structs.replace(one, key=first.key, object="")


def _admit(database: Database, master: bytes, wanted: list[_Named]) -> list[str]:
    (became,) = database.row(
        """SELECT earmark.admit(%s::text[], %b::bytea[], %s::text[], %s::text[], %s::float8[], %s::int[], %s::text[],
               %s::bytea[], %s::bytea[], %s::text[])""",
        (
            [one.clip for one in wanted],
            [one.subject for one in wanted],
            [one.hypothesis for one in wanted],
            [one.incoming.lang for one in wanted],
            [one.incoming.duration for one in wanted],
            [one.incoming.rate for one in wanted],
            [one.incoming.source for one in wanted],
            [one.incoming.peaks for one in wanted],
            [seal(master, one.key, one.clip.encode()) for one in wanted],
            [one.object for one in wanted],
        ),
    )
    return list(became)
