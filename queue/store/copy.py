"""A store on one machine becomes a team's: everything goes along, under the same id, so that journals go on syncing.

The audio takes the longest and goes first, a batch at a time: each clip's is opened, sealed under a fresh key, put in
its place, read back and compared, and only then noted as done. A copy that was stopped goes on there. Then, while
nobody can write to the source, come all rows in one transaction, which commits only when what lies in the target, read
back, has the counts and hashes of what was read from the source. So the target is whole or not there at all.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from earmark.queue.seal import new_key, seal, unseal
from earmark.queue.store.audio_objects import Objects
from earmark.queue.store.interface import StoreError
from earmark.queue.store.postgres_copy import Target
from earmark.queue.store.sqlite_source import TABLES, Source

_BATCH = 100
"""Clips whose audio is noted as done at a time: so many, at most, are done again after a kill."""


class Digest(msgspec.Struct, frozen=True):
    """How many rows a table has, and SHA-256 over them in order."""

    rows: int
    hash: str


class Copied(msgspec.Struct, frozen=True):
    """What lies in the target now: clips with sound, and each table's digest; `before` when all was there already."""

    sounds: int
    tables: dict[str, Digest]
    before: bool = False


def copy(
    folder: Path,
    url: str,
    *,
    audio: str | None,
    master: Callable[[], bytes],
    on_progress: Callable[[int, int], None] | None = None,
) -> Copied:
    """Copy the SQLite store in `folder` into the PostgreSQL database at `url`, which holds no other store.

    `audio` says where its audio will lie (None when a copy goes on), `master` gives the target's master key.
    `on_progress` is told clips done, and all. Raises `StoreError`; running it again goes on.
    """
    source = Source(folder)
    try:
        target = Target(url, secrets=source.secrets, audio=audio, master=master)
        if target.complete:
            # A program that died after the rows had come has left this.
            target.finish()
            return Copied(0, {}, before=True)
        _sounds(source, target, on_progress)
        with source.held():
            # What came while the first pass went on.
            _sounds(source, target, on_progress)
            return _rows(source, target)
    finally:
        source.close()


def _sounds(source: Source, target: Target, on_progress: Callable[[int, int], None] | None) -> None:
    wanted = source.clips_with_sound()
    done = target.done()
    left = [clip for clip in wanted if clip not in done]
    finished = len(wanted) - len(left)
    for start in range(0, len(left), _BATCH):
        batch = []
        for clip in left[start : start + _BATCH]:
            sound = source.sound(clip)
            if sound is not None:
                key = new_key()
                name = _put(target.objects, key, clip, sound)
                batch.append((clip, name, seal(target.master, key, clip.encode())))
            finished += 1
            if on_progress is not None:
                on_progress(finished, len(wanted))
        target.note_done(batch)


def _put(objects: Objects, key: bytes, clip: str, sound: bytes) -> str:
    name = secrets.token_hex(16)
    try:
        objects.put(name, seal(key, sound, clip.encode()))
        back = unseal(key, objects.read(name), clip.encode())
    except OSError as error:
        raise StoreError(f"the sealed audio cannot be kept: {error.strerror}; run this again to go on") from None
    if hashlib.sha256(back).digest() != hashlib.sha256(sound).digest():
        raise StoreError(f"the sound of clip {clip} came back from the target another one; nothing was finished")
    return name


def _rows(source: Source, target: Target) -> Copied:
    keys = source.destroy_after()
    with target.filling(keys, source.opinions()) as filling:
        tables = {}
        for table in TABLES:
            read = _Digesting(source.rows(table))
            filling.fill(table, read)
            tables[table] = read.digest()
            found = _Digesting(filling.rows(table))
            for _ in found:
                pass
            if found.digest() != tables[table]:
                raise StoreError(
                    f"the table {table} came out of the target with {found.digest().rows:,} rows that are not the "
                    f"{tables[table].rows:,} that went in; nothing was finished, run this again"
                )
    target.finish()
    return Copied(len(keys), tables)


class _Digesting:
    """Rows that are counted and hashed as they pass."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._rows = rows
        self._count = 0
        self._hash = hashlib.sha256()

    def __iter__(self) -> Any:
        for row in self._rows:
            self._count += 1
            self._hash.update(msgspec.msgpack.encode(row))
            yield row

    def digest(self) -> Digest:
        return Digest(self._count, self._hash.hexdigest())
