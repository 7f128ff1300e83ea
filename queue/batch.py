"""The clips at hand: leased, their sound fetched ahead, given back at the end. Sound stays in memory and nowhere else.

Every method but `is_withdrawn`, `take_named` and `sound_at_hand` may wait for the store: none is called on the event
loop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

import msgspec

from earmark.queue.clip import Hypothesis
from earmark.queue.source import SourceError
from earmark.queue.store.interface import Leased, Refused, ReviewStore, StoreError
from earmark.queue.text import clean

MOST_OF_A_LANGUAGE = 35
"""Characters of a language tag that are kept: a buffer for one must be at least as long (RFC 5646, 4.4.1)."""

LIST_GOOD_FOR = 60.0
"""Seconds after which the list of withdrawals must be fetched anew before anything is leased or played."""


Sound = TypeVar("Sound")
"""A clip's sound in whatever form it is played."""


class Batch(Generic[Sound]):
    """What one reviewer has leased from one store.

    `decode` turns the store's FLAC into what is played. `ahead` clips are kept decoded. Thread-safe.
    """

    def __init__(
        self,
        store: ReviewStore,
        reviewer: str,
        decode: Callable[[bytes], Sound],
        *,
        size: int = 20,
        ahead: int = 3,
        lang: str | None = None,
        limit: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._reviewer = reviewer
        self._decode = decode
        self._size = size
        self._ahead = ahead
        self._lang = lang
        self._left = limit
        self._clock = clock
        self._lock = threading.Lock()
        # Two at a time would take each other's clips for surplus, and give back what the other counts on.
        self._filling = threading.Lock()
        self._held: set[str] = set()
        self._sounds: dict[str, Sound] = {}
        self._withdrawn: set[str] = set()
        self._named: set[str] = set()
        self._epoch = 0
        self._listed_at: float | None = None

    # -- withdrawals -------------------------------------------------------------------------------------------------

    def refresh_withdrawn(self) -> set[str]:
        """Fetch the list of withdrawals, drop the sound of what is on it, and say which held clips it names.

        Raises `StoreError` when the store does not answer; the list's age then goes on growing.
        """
        asked = self._clock()
        epoch, clips = self._store.withdrawn(self._epoch)
        with self._lock:
            self._epoch, self._listed_at = epoch, asked
            self._named.update(clip for clip in clips if clip not in self._withdrawn)
            self._withdrawn.update(clips)
            gone = self._held & self._withdrawn
            self._held -= gone
            for clip in clips:
                self._sounds.pop(clip, None)
        return gone

    @property
    def list_age(self) -> float | None:
        """Seconds since the list of withdrawals was fetched; None when it never was."""
        return None if self._listed_at is None else self._clock() - self._listed_at

    def is_withdrawn(self, clip: str) -> bool:
        """Whether the local list names this clip."""
        return clip in self._withdrawn

    def take_named(self) -> set[str]:
        """Clips, held or not, that the list of withdrawals has named since this was last asked; never waits long."""
        with self._lock:
            named, self._named = self._named, set()
        return named

    def _fresh_list(self) -> None:
        age = self.list_age
        if age is None or age >= LIST_GOOD_FOR:
            self.refresh_withdrawn()

    # -- leases ------------------------------------------------------------------------------------------------------

    @property
    def spent(self) -> bool:
        """Whether the sitting's limit is reached: no more clips come."""
        return self._left == 0

    def fill(self, waiting: int = 0, undelivered: int = 0, *, first: Sequence[str] = ()) -> list[Leased]:
        """Lease more clips when fewer than half a batch are `waiting`; withdrawals are asked for before.

        `undelivered` is how many decisions the store has not got yet: it takes those clips for waiting still and counts
        them. At most the sitting's limit in all. Raises `StoreError`.
        """
        with self._filling:
            want = self._size - waiting
            if self._left is not None:
                want = min(want, self._left)
            if want <= 0 or waiting > self._size // 2:
                return []
            return self._lease(want, waiting + undelivered, first)

    def _lease(self, want: int, known: int, first: Sequence[str]) -> list[Leased]:
        self._fresh_list()
        leased = self._store.lease(self._reviewer, want + known, lang=self._lang, first=first)
        with self._lock:
            new = [item for item in leased if item.clip.id not in self._held and item.clip.id not in self._withdrawn]
            new, surplus = [_harmless(item) for item in new[:want]], new[want:]
            self._held.update(item.clip.id for item in new)
            if self._left is not None:
                self._left -= len(new)
        if surplus:
            self._store.release(self._reviewer, [item.clip.id for item in surplus])
        return new

    def recall(self, clips: Sequence[str]) -> list[Leased]:
        """Lease again what this reviewer has decided, to hear it and to revise it. Raises `StoreError`."""
        self._fresh_list()
        again = self._store.reopen(self._reviewer, clips)
        with self._lock:
            self._held.update(item.clip.id for item in again)
        return [_harmless(item) for item in again if self._lang in (None, item.clip.lang)]

    def renew(self) -> set[str]:
        """Prolong every lease held; says which are not this reviewer's any more, and lets go of them. Raises
        `StoreError`.
        """
        with self._lock:
            held = set(self._held)
        if not held:
            return set()
        lost = held - self._store.renew(self._reviewer, sorted(held))
        with self._lock:
            self._held -= lost
        self.drop(lost)
        return lost

    def give_back(self) -> None:
        """Return every lease and forget every sound. Raises `StoreError`."""
        with self._lock:
            held = list(self._held)
            self._held.clear()
            self._sounds.clear()
        if held:
            self._store.release(self._reviewer, held)

    # -- sound -------------------------------------------------------------------------------------------------------

    def sound_at_hand(self, clip: str) -> Sound | None:
        """The clip's sound when it is decoded already; never waits."""
        return None if clip in self._withdrawn else self._sounds.get(clip)

    def sound(self, clip: str) -> Sound:
        """The clip's sound, fetched and decoded when need be. Raises `Refused` for a withdrawn clip, else
        `StoreError`.
        """
        self._fresh_list()
        if clip in self._withdrawn:
            raise Refused(f"clip {clip} was withdrawn")
        found = self._sounds.get(clip)
        if found is None:
            flac = self._audio(clip)
            try:
                found = self._decode(flac)
            except (SourceError, MemoryError) as error:
                raise StoreError(f"the sound of clip {clip} cannot be decoded ({type(error).__name__})") from None
            with self._lock:
                if clip in self._withdrawn:
                    raise Refused(f"clip {clip} was withdrawn")
                self._sounds[clip] = found
        return found

    def _audio(self, clip: str) -> bytes:
        try:
            return self._store.audio(self._reviewer, clip)
        except Refused:
            # A clip that was skipped has gone back to everybody: who returns to it asks for it again.
            if not self._store.reopen(self._reviewer, [clip]):
                raise
            with self._lock:
                self._held.add(clip)
            return self._store.audio(self._reviewer, clip)

    def fetch_ahead(self, clips: Iterable[str], keep: Iterable[str] = ()) -> None:
        """Have the first of `clips` decoded, and drop every other sound but those in `keep`."""
        wanted = list(clips)[: self._ahead]
        kept = {*wanted, *keep}
        with self._lock:
            for clip in [clip for clip in self._sounds if clip not in kept]:
                del self._sounds[clip]
        for clip in wanted:
            if clip not in self._sounds:
                self.sound(clip)

    def drop(self, clips: Iterable[str]) -> None:
        """Forget the sound of these clips."""
        with self._lock:
            for clip in clips:
                self._sounds.pop(clip, None)


def _harmless(leased: Leased) -> Leased:
    """The same with its texts cleaned: a store may be somebody else's, and what it says goes to the terminal."""
    clip = leased.clip
    said = clip.hypothesis
    words = tuple(msgspec.structs.replace(word, text=clean(word.text)) for word in said.words)
    lang = None if clip.lang is None else clean(clip.lang, most=MOST_OF_A_LANGUAGE)
    kept = msgspec.structs.replace(clip, hypothesis=Hypothesis(clean(said.text), words), lang=lang)
    return msgspec.structs.replace(leased, clip=kept)
