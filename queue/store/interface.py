"""The store as the rest of the program sees it. Each kind of store implements this in a module of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from earmark.queue.clip import Clip, Hypothesis


class StoreError(Exception):
    """The store cannot do what was asked; the message says what happened and what to do."""


class StoreUnreachable(StoreError):
    """The store did not answer; trying again later may help."""


class Offline(StoreUnreachable):
    """There is no store here but a batch that was checked out: what is decided goes when it is checked in."""


class SignInAgain(StoreUnreachable):
    """The store's host lets nobody in before somebody has signed in again, at a prompt: `RemoteReviewStore.sign_in`."""


class Refused(StoreError):
    """The store will not: the clip is withdrawn, or not leased to this reviewer."""


class Unknown(StoreError):
    """The store knows none of `clips`; what else was asked has been done."""

    def __init__(self, clips: tuple[str, ...]) -> None:
        shown = ", ".join(clips[:3]) + (f" and {len(clips) - 3} more" if len(clips) > 3 else "")
        super().__init__(f"the store has no clip {shown}")
        self.clips = clips


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
    """The store's answer to a push: its cursor now, and which of the lines are set aside, since now or since an earlier
    push, whose answer may have been lost.

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
    """How much is in the store, and how much of it this reviewer could review now (open, or leased to them).

    `clips` are those not withdrawn; `decided` counts the escalated and critical ones among them too.
    """

    clips: int
    at_hand: int
    decided: int
    withdrawn: int


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A clip on its way into the store.

    `audio` is FLAC, one channel, 16 bit. `identity` says which sound this is, whatever the file is called: a digest of
    the decoded samples with their rate. `subject` is who spoke, in the clear: the store keeps a keyed pseudonym only.
    `source` is the corpus's own name of the file (with offset and duration where it is a part), for supervisors.
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


class Judged(msgspec.Struct, frozen=True):
    """What judging all clips anew has changed: how many that were done are open again, and how many are done now."""

    reopened: int
    done: int


MOST_OPINIONS = 9
"""Opinions that a store can want of a clip."""


class ReviewStore(Protocol):
    """What a reviewer's program may ask of a store. Methods raise `StoreError`; none is called on the event loop."""

    id: str
    """The store's own name, drawn at random when it was made: a journal belongs to one store."""

    def public_key(self) -> bytes:
        """The X25519 key (32 bytes, RFC 7748) to which the payloads of offline sittings are sealed."""
        ...

    def head(self, device: str) -> Head: ...

    def push(self, device: str, reviewer: str, lines: Sequence[bytes]) -> Pushed:
        """Take journal lines (with their line feeds), in order. Lines that have arrived before change nothing. Payloads
        that are sealed to the store are kept in the clear.

        Where lines are missing before the first, nothing is taken: go on at the returned head. Raises `StoreError` when
        the lines do not follow from each other, `Refused` when the device's journal is another reviewer's.
        """
        ...

    def quarantined(self, device: str) -> tuple[Quarantined, ...]:
        """The lines of a device's journal that were set aside."""
        ...

    def withdrawn(self, after: int = 0) -> tuple[int, tuple[str, ...]]:
        """The epoch now, and the ids of the clips withdrawn since epoch `after` (all of them where that is not yet)."""
        ...

    def lease(
        self,
        reviewer: str,
        count: int,
        *,
        lang: str | None = None,
        first: Sequence[str] = (),
        seconds: float | None = None,
    ) -> list[Leased]:
        """Up to `count` clips for this reviewer and nobody else; those named in `first` before the others.

        `count` includes the clips still leased to the reviewer, which are handed out again, undecided ones only, before
        any new one. So a program that was killed gets its clips back, and to get more one asks for more than one has.
        No clip is given to a reviewer who skipped it or has decided it, whatever becomes of it; one that wants more
        opinions, and that somebody who decided it may still hear, comes when there is no other.

        `seconds` is how long the leases are to last, None for the store's usual time; the store grants no more than its
        policy allows. No lease is shortened, and clips held for longer than is asked for now (they are checked out) are
        handed out again only where `first` names them.
        """
        ...

    def reopen(self, reviewer: str, clips: Sequence[str]) -> list[Leased]:
        """Lease clips again that this reviewer decided, to be heard and revised; those that cannot be had are left out.

        Left out are clips withdrawn, marked critical, held by somebody else, or decided last by somebody else; where
        the store wants several opinions of a clip, each reviewer's own is theirs whoever decided last.
        """
        ...

    def renew(self, reviewer: str, clips: Sequence[str]) -> frozenset[str]:
        """Prolong leases from now on; says which of the clips the reviewer holds: the others went to somebody else.

        Not prolonged are those of clips that the reviewer has decided and that want more opinions.
        """
        ...

    def release(self, reviewer: str, clips: Sequence[str]) -> None:
        """Give leases back; decided clips stay decided, and can no longer be heard."""
        ...

    def audio(self, reviewer: str, clip: str) -> bytes:
        """The clip's sound as FLAC, decrypted. Raises `Refused` when it is withdrawn or not leased to the reviewer."""
        ...

    def counts(self, reviewer: str) -> Counts: ...

    def close(self) -> None: ...


@runtime_checkable
class PersonalStore(Protocol):
    """A store that itself knows in whose name one comes, by the login."""

    reviewer: str | None
    """The only name in which decisions are taken over this login; None where it may decide in nobody's."""


@runtime_checkable
class RemoteReviewStore(ReviewStore, Protocol):
    """A store at another host, reached over a connection that somebody signed in for.

    Methods may raise `SignInAgain` too: until `sign_in`, nothing more is tried.
    """

    reviewer: str
    """In whose name alone this way leads to the store; the host says so."""

    def sign_in(self) -> None:
        """Sign in again. It may ask on the terminal, which must be its own meanwhile. Raises `StoreError`."""
        ...

    def hang_up(self) -> None:
        """End the connection from any thread, whatever is being asked: that ends with `StoreUnreachable`."""
        ...


@runtime_checkable
class OfflineReviewStore(ReviewStore, Protocol):
    """A batch that was checked out, in the store's place. What would go to the store raises `Offline`."""

    reviewer: str
    until: float
    """When the leases run out (Unix seconds)."""

    arrived: int
    """How many lines of the journal the store had at the last contact."""

    def clips(self) -> list[str]:
        """The clips that are here, in order."""
        ...

    def destroy(self, clip: str) -> None:
        """A critical mark: destroy what is here of the clip, durably. Raises `StoreError`."""
        ...

    def bring_back(self, clip: str) -> None:
        """The critical mark on the clip was taken back. Raises `StoreError`."""
        ...

    def forget(self) -> None:
        """The last critical mark can no longer be taken back."""
        ...


class Store(ReviewStore, Protocol):
    """What a supervisor may ask as well."""

    def add(self, clips: Iterable[Incoming]) -> Iterator[str]:
        """Take clips in, durably, in transactions of bounded size; yields an outcome for each, in order.

        `added`; `known` (the same sound and hypothesis); `other text` (the same sound with another
        hypothesis: the first stays); `withdrawn` (the clip or its subject is: refused). Of a clip that is here already
        the person is noted where none was, and it is withdrawn where that person has opted out.
        """
        ...

    def withdraw(self, clips: Sequence[str]) -> int:
        """Erase clips for good, by their ids; says how many were not withdrawn before.

        Raises `Unknown` for ids that the store does not have, after withdrawing the others.
        """
        ...

    def withdraw_subject(self, subject: str) -> int:
        """Erase all clips of a person and refuse any later one; says how many clips there were."""
        ...

    def check_withdrawals(self) -> None:
        """Return when all withdrawals that were ever written down are in force. Raises `StoreError`: see `replay`."""
        ...

    def replay(self) -> tuple[int, int]:
        """Put in force what the log of withdrawals outside the database knows, and a database that was restored from
        an older copy has forgotten; says how many withdrawals those were, and how many clips they took. Until then
        `lease`, `reopen`, `renew`, `audio`, `withdraw` and `results` raise `StoreError`.
        """
        ...

    def results(
        self, verdicts: frozenset[str] | None = None, *, every_revision: bool = False, source: bool = False
    ) -> Iterator[Result]:
        """Each reviewer's latest decision on each clip, of the given verdicts (default accepted and corrected).

        `every_revision` gives every decision that still has a payload instead (of all verdicts by default), `source`
        fills in the corpus's own names. Nothing of a withdrawn clip comes out, and of a critical one only the mark.
        """
        ...

    def opinions(self) -> int:
        """How many different reviewers must have decided a clip before it is done."""
        ...

    def want_opinions(self, opinions: int) -> Judged:
        """Set that, from 1 to `MOST_OPINIONS`, and judge all clips anew by it, in steps of bounded size: what is done
        and has fewer opinions is open again, what is open and has as many is done. Asking again finishes what was
        stopped.
        """
        ...

    def purge(self, now: float | None = None) -> int:
        """Destroy the keys and texts of critical clips whose hold is over; says how many."""
        ...
