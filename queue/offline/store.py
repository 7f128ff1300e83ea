"""A checked-out batch in the store's place: everything that a sitting asks is answered here, without any network.

What it would send waits in the journal. When the leases run out while it is open, it forgets its key and destroys the
batch: from then on there is nothing to be had.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from earmark.queue.decision import Verdict
from earmark.queue.offline.batch_file import BatchError, BatchFolder, sound_in
from earmark.queue.offline.clock import Clocks, read_clocks
from earmark.queue.store.interface import Counts, Head, Leased, Offline, Pushed, Quarantined, Refused

if TYPE_CHECKING:
    from earmark.queue.journal.line import Entry

Latest = Callable[[Iterable[str]], Mapping[str, "Entry"]]
"""The last decision on each of some clips, as `Journal.latest` gives it."""


class OfflineStore:
    """`OfflineReviewStore` over a batch whose key is `key`. `latest` says what has been decided."""

    def __init__(
        self, batch: BatchFolder, key: bytes, latest: Latest, clocks: Callable[[], Clocks] = read_clocks
    ) -> None:
        self.id = batch.header.store
        self.reviewer = batch.header.reviewer
        self.until = batch.header.expires
        self.arrived = batch.seen.arrived
        self._batch = batch
        self._key: bytes | None = key
        self._latest = latest
        self._clocks = clocks
        self._lock = threading.RLock()
        self._taken: tuple[str, bytes] | None = None
        """The clip that was marked critical last, sealed as it was: the mark may be taken back."""
        self._finish_critical()

    # What a reviewer may ask

    def public_key(self) -> bytes:
        return self._batch.header.public_key

    def head(self, device: str) -> Head:
        _offline()

    def push(self, device: str, reviewer: str, lines: Sequence[bytes]) -> Pushed:
        _offline()

    def quarantined(self, device: str) -> tuple[Quarantined, ...]:
        _offline()

    def withdrawn(self, after: int = 0) -> tuple[int, tuple[str, ...]]:
        # What was withdrawn by the last contact is not in the batch any more.
        return after, ()

    def lease(
        self,
        reviewer: str,
        count: int,
        *,
        lang: str | None = None,
        first: Sequence[str] = (),
        seconds: float | None = None,
    ) -> list[Leased]:
        """Clips that are undecided, those of the sitting included, in the order of the batch."""
        if not self._alive():
            return []
        decided = self._decided()
        rank = {clip: place for place, clip in enumerate(first)}
        waiting = [slot.clip for slot in self._batch.held() if slot.clip not in decided]
        waiting.sort(key=lambda clip: rank.get(clip, len(rank)))
        found: list[Leased] = []
        for clip in waiting:
            if len(found) >= count:
                break
            leased = self._leased(clip)
            if leased is not None and lang in (None, leased.clip.lang):
                found.append(leased)
        return found

    def reopen(self, reviewer: str, clips: Sequence[str]) -> list[Leased]:
        if not self._alive():
            return []
        again = self._decided() & set(clips)
        found = [self._leased(slot.clip) for slot in self._batch.held() if slot.clip in again]
        return [leased for leased in found if leased is not None]

    def renew(self, reviewer: str, clips: Sequence[str]) -> frozenset[str]:
        """Nothing can be prolonged: says what is here still. Remembers the time, so that no clock set back prolongs it
        either.
        """
        if not self._alive():
            return frozenset()
        self._batch.note(self._clocks())
        taken = self._taken[0] if self._taken is not None else None
        return frozenset(clip for clip in clips if clip == taken or self._batch.has(clip))

    def release(self, reviewer: str, clips: Sequence[str]) -> None:
        """They stay in the batch until it is checked in."""

    def audio(self, reviewer: str, clip: str) -> bytes:
        key = self._key  # another thread may find the time over at any moment
        if not self._alive() or key is None:
            raise Refused("the batch's time is over: its clips are gone from here")
        taken = self._taken
        sealed = taken[1] if taken is not None and taken[0] == clip else self._batch.sealed(clip)
        if sealed is None:
            raise Refused(f"clip {clip} is not in the batch, or no longer")
        return sound_in(sealed, key, clip)

    def counts(self, reviewer: str) -> Counts:
        held = {slot.clip for slot in self._batch.held()} if self._alive() else set()
        decided = self._decided()
        return Counts(len(self._batch.plan.slots), len(held - decided), len(decided), 0)

    def close(self) -> None:
        # Leaving does not fail for a disk that is full: the time was noted a minute ago.
        with contextlib.suppress(BatchError):
            if self._alive():
                self._batch.note(self._clocks())
        self._key = self._taken = None

    # What only a batch needs

    def clips(self) -> list[str]:
        """The clips that are here, in order."""
        return [slot.clip for slot in self._batch.held()]

    def destroy(self, clip: str) -> None:
        """The clip is marked critical: destroy what is here of it, durably. Raises `BatchError`."""
        with self._lock:
            sealed = self._batch.sealed(clip)
            if sealed is not None:
                self._taken = (clip, sealed)
                self._batch.destroy(clip)

    def bring_back(self, clip: str) -> None:
        """The mark was taken back: the clip is here again as it was. Raises `BatchError`."""
        with self._lock:
            if self._taken is not None and self._taken[0] == clip and self._alive():
                self._batch.put(*self._taken)
                self._taken = None

    def forget(self) -> None:
        """The mark can no longer be taken back."""
        self._taken = None

    # How

    def _alive(self) -> bool:
        """Whether the leases still last. Once they do not, the batch is destroyed."""
        with self._lock:
            if self._key is not None and self._batch.left(self._clocks()) <= 0:
                self._key = self._taken = None
                self._batch.shred()
            return self._key is not None

    def _leased(self, clip: str) -> Leased | None:
        """The clip with its text; None where it is not here, or so damaged that only the checkin can give it back."""
        key = self._key
        with contextlib.suppress(BatchError):
            return None if key is None else self._batch.lease_of(key, clip)
        return None

    def _decided(self) -> set[str]:
        """Clips that were decided under the lease that they have now. What was decided under another was given back."""
        leases = {slot.clip: slot.lease for slot in self._batch.plan.slots}
        latest = self._latest(leases).items()
        return {
            clip
            for clip, entry in latest
            if entry.lease == leases[clip] and entry.verdict not in (None, Verdict.RETRACTED)
        }

    def _finish_critical(self) -> None:
        """Destroy what a crash between a critical mark and its erasure has left here."""
        leases = {slot.clip: slot.lease for slot in self._batch.held()}
        for clip, entry in self._latest(leases).items():
            if entry.verdict is Verdict.CRITICAL and entry.lease == leases[clip]:
                self._batch.destroy(clip)


def _offline() -> NoReturn:
    raise Offline("this sitting is offline: `earmark checkin` sends what was decided")
