"""Journal to store, withdrawals to batch. The store's cursor is the truth; sending anything twice changes nothing."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from earmark.queue.store.interface import Head, Quarantined, ReviewStore, StoreError

if TYPE_CHECKING:
    from earmark.queue.journal.line import Entry


class HasNumber(Protocol):
    """Something about a journal line, by the line's number."""

    @property
    def seq(self) -> int: ...


class HasClip(Protocol):
    """Something about a journal line, by its clip."""

    @property
    def clip(self) -> str: ...


class SendableJournal(Protocol):
    """What sync needs of a journal."""

    device: str
    reviewer: str

    @property
    def head(self) -> Head: ...

    def chain_at(self, seq: int) -> str | None: ...

    def lines(self, after: int, *, most: int = ..., most_bytes: int = ...) -> list[bytes]: ...

    def set_aside(self, quarantined: Sequence[Quarantined]) -> None: ...

    def quarantine(self) -> Sequence[HasNumber]: ...

    def renew_device(self) -> None: ...


class Sent(msgspec.Struct, frozen=True):
    """What one sync did: lines that arrived, lines still unsent, the store's cursor, lines that it set aside, and
    whether the journal went on under a new device number because the store knew other lines under the old one.
    """

    arrived: int = 0
    unsent: int = 0
    head: Head = Head()
    quarantined: tuple[Quarantined, ...] = ()
    renewed: bool = False


MOST_ROUNDS = 10_000
"""Pushes in one sync: an end for a store that never moves its cursor."""


def send(
    journal: SendableJournal,
    store: ReviewStore,
    *,
    since: Head | None = None,
    noted: bool = False,
    rounds: int = MOST_ROUNDS,
) -> Sent:
    """Push everything the store has not got, one batch in flight, going on each time from the store's own cursor.

    A cursor that went back (the store was restored) makes us send again; one that is ahead of us, or stands on another
    line than ours (our journal was restored, or is a copy), makes the journal go on as a new device with every
    decision's own id, so that the store takes each once. Raises `StoreError`.

    `since` is the cursor as it was last told: where there is something to send, it is not asked for first. Should it
    have moved, the answer to the push says so. `noted` says that all that was set aside up to there has been noted.
    """
    arrived = 0
    renewed = False
    told: list[Quarantined] = []
    # As another device, and before that could be told: nothing is known of what the store set aside under the new one.
    went_on = since is not None and forked(journal, since)
    waits = since is not None and not went_on and journal.lines(since.seq, most=1)
    head = since if since is not None and waits else store.head(journal.device)
    for _ in range(rounds):
        if forked(journal, head):
            if renewed:
                raise StoreError(
                    "the store holds other lines under this journal's number, and under a new one as well: "
                    "ask a supervisor"
                )
            journal.renew_device()
            renewed = True
            head = store.head(journal.device)
            continue
        lines = journal.lines(head.seq)
        if not lines:
            break
        pushed = store.push(journal.device, journal.reviewer, lines)
        if pushed.fork:
            head = Head(journal.head.seq + 1, "")
            continue
        if pushed.head.seq <= head.seq and pushed.head == head:
            raise StoreError("the store takes no more lines; nothing is lost, they stay in the journal")
        arrived += max(0, pushed.head.seq - head.seq)
        head = pushed.head
        told += pushed.quarantined
    if not noted or renewed or went_on:
        # The store keeps what it set aside: a note that was lost to a crash after the push is written now.
        told = list(store.quarantined(journal.device))
    known = {one.seq for one in journal.quarantine()} if told else set()
    aside = [one for one in told if one.seq not in known]
    if aside:
        journal.set_aside(aside)
    return Sent(arrived, max(0, journal.head.seq - head.seq), head, tuple(aside), renewed or went_on)


def forked(journal: SendableJournal, head: Head) -> bool:
    """Whether the store's cursor stands on a line that is not ours."""
    return head.seq > 0 and journal.chain_at(head.seq) != head.chain


class ErasableJournal(Protocol):
    """What the erasure of withdrawn clips needs of a journal."""

    def holding(self, clips: Collection[str]) -> set[str]: ...

    def erase(self, clip: str, reason: str) -> int: ...


def erase_withdrawn(journal: ErasableJournal, withdrawn: Iterable[str]) -> int:
    """Erase what the journal holds of withdrawn clips; says of how many it held something. Raises what `erase`
    raises.
    """
    return sum(journal.erase(clip, "withdrawal") > 0 for clip in sorted(journal.holding(set(withdrawn))))


class RetainingJournal(Protocol):
    """What the retention rule needs of a journal."""

    def entries(self) -> Iterator[Entry]: ...

    def drafts(self) -> dict[str, str]: ...

    def quarantine(self) -> Sequence[HasClip]: ...

    def retire(self, clips: Iterable[str]) -> int: ...


def retire(journal: RetainingJournal, arrived: int, before: str) -> int:
    """Erase the texts of clips that have arrived in the store and were last touched before a told time (RFC 3339, UTC).

    `arrived` is the store's cursor. It passes lines that were set aside as well: they must all have been noted by now.
    Texts of their clips stay, and unfinished ones: they are nowhere else. Says how many lines lost theirs; raises what
    the journal raises.
    """
    last: dict[str, tuple[int, str]] = {}
    texts: set[str] = set()
    sealed: dict[str, bool] = {}
    for entry in journal.entries():
        last[entry.clip] = (entry.seq, entry.at)
        sealed[entry.clip] = entry.sealed and entry.verdict is None  # unfinished, and open to its batch alone
        if entry.payload is not None:
            texts.add(entry.clip)
    only_here = {*journal.drafts(), *(one.clip for one in journal.quarantine())}
    only_here.update(clip for clip, draft in sealed.items() if draft)
    old = [clip for clip, (seq, at) in last.items() if clip in texts and seq <= arrived and at < before]
    return journal.retire(clip for clip in old if clip not in only_here)


class Backoff:
    """Waits that grow after failures, drawn evenly between nothing and the bound (full jitter), in seconds."""

    def __init__(self, first: float = 1.0, most: float = 60.0, draw: random.Random | None = None) -> None:
        self._first = first
        self._most = most
        self._failures = 0
        self._draw = draw or random.Random()  # noqa: S311 - spreads clients out, guards nothing

    def failed(self) -> float:
        """The wait after one more failure."""
        bound = min(self._most, self._first * 2**self._failures)
        self._failures = min(self._failures + 1, 32)
        return self._draw.uniform(0, bound)

    def succeeded(self) -> None:
        """The next failure starts from the smallest bound."""
        self._failures = 0
