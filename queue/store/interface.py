"""The store as the rest of the program sees it. Each kind of store implements this in a module of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from earmark.queue.clip import Clip, Hypothesis


class StoreError(Exception):
    """The store cannot do what was asked; the message says what happened and what to do."""


class StoreUnreachable(StoreError):
    """The store did not answer; trying again later may help."""


class Refused(StoreError):
    """The store will not: the clip is withdrawn, or not leased to this reviewer."""


class Head(msgspec.Struct, frozen=True):
    """How far a device's journal has arrived: the last sequence number and the chain value of that line.

    `seq` 0 with an empty `chain` means nothing.
    """

    seq: int = 0
    chain: str = ""


class Quarantined(msgspec.Struct, frozen=True):
    """A journal line that the store set aside, and why. The cursor has passed it."""

    seq: int
    reason: str


class Pushed(msgspec.Struct, frozen=True):
    """The store's answer to a push: its cursor now, and what it set aside.

    `fork` is true when the store holds other lines under this device's numbers: nothing was taken.
    """

    head: Head
    quarantined: tuple[Quarantined, ...] = ()
    fork: bool = False


class Leased(msgspec.Struct, frozen=True):
    """The right to review one clip until `expires` (Unix seconds, the store's clock)."""

    lease: str
    clip: Clip
    expires: float


class Counts(msgspec.Struct, frozen=True):
    """How much is in the store, and how much of it this reviewer could review now (open, or leased to them)."""

    clips: int
    at_hand: int
    decided: int
    withdrawn: int


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A clip on its way into the store.

    `audio` is FLAC, one channel, 16 bit. `identity` says which sound this is, whatever the file is called: a digest of the decoded
    samples with their rate. `subject` is who spoke, in the clear: the store keeps a keyed pseudonym only. `source` is the corpus's own
    name of the file (with offset and duration where it is a part), for supervisors.
    """

    identity: bytes
    audio: bytes
    duration: float
    rate: int
    hypothesis: Hypothesis
    lang: str | None
    peaks: bytes
    source: str
    subject: str | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One decision as it comes out of the store, with what the machine had heard."""

    clip: str
    reviewer: str
    verdict: str
    revision: int
    at: str
    text: str | None
    note: str | None
    machine: str | None
    lang: str | None
    duration: float
    heard: float
    plays: int
    seconds: float
    source: str | None = None


class ReviewStore(Protocol):
    """What a reviewer's program may ask of a store. Methods raise `StoreError`; none is called on the event loop."""

    id: str
    """The store's own name, drawn at random when it was made: a journal belongs to one store."""

    def head(self, device: str) -> Head: ...

    def push(self, device: str, reviewer: str, lines: Sequence[bytes]) -> Pushed:
        """Take journal lines (with their line feeds), in order. Lines that have arrived before change nothing."""
        ...

    def withdrawn(self, after: int = 0) -> tuple[int, tuple[str, ...]]:
        """The ids of clips withdrawn since epoch `after`, and the epoch now."""
        ...

    def lease(
        self, reviewer: str, count: int, *, lang: str | None = None, first: Sequence[str] = ()
    ) -> list[Leased]:
        """Up to `count` open clips for this reviewer and nobody else; those named in `first` before the others."""
        ...

    def renew(self, reviewer: str, clips: Sequence[str]) -> None: ...

    def release(self, reviewer: str, clips: Sequence[str]) -> None: ...

    def audio(self, reviewer: str, clip: str) -> bytes:
        """The clip's sound as FLAC, decrypted. Raises `Refused` when it is withdrawn or not leased to the reviewer."""
        ...

    def counts(self, reviewer: str) -> Counts: ...

    def close(self) -> None: ...


class Store(ReviewStore, Protocol):
    """What a supervisor may ask as well."""

    def add(self, clips: Iterable[Incoming]) -> Iterator[str]:
        """Take clips in, durably, in transactions of bounded size; yields for each `added`, `known`, `other text` or `withdrawn`."""
        ...

    def withdraw(self, clips: Sequence[str]) -> int: ...

    def withdraw_subject(self, subject: str) -> int: ...

    def results(
        self, verdicts: frozenset[str] | None = None, *, every_revision: bool = False, source: bool = False
    ) -> Iterator[Result]: ...

    def purge(self, now: float | None = None) -> int:
        """Destroy the keys and texts of critical clips whose hold is over; says how many."""
        ...
