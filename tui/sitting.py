"""A sitting with its disk and its store: what must be durable, fetched or sent happens here, off the event loop.

One thread writes the journal, so that lines keep their order; others fetch sound and talk to the store. The screen
hears of what happened through `Watcher`, always on the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from earmark.queue.batch import Batch, Sound
from earmark.queue.decision import Decision, Draft, Verdict
from earmark.queue.journal import Journal, JournalError, NotSaved
from earmark.queue.session import Place, Session, Stamp
from earmark.queue.stamp import new_id, told_time
from earmark.queue.store.interface import Refused, ReviewStore, StoreError
from earmark.queue.sync import Backoff, Sent, send
from earmark.tui.tasks import begin

Given = TypeVar("Given")

RENEW_EVERY = 60.0
"""Seconds between signs of life for the leases; far below the shortest sensible lease."""

SETTLE = 0.4
"""Seconds that a sync waits after a decision, so that quick decisions travel together."""


class SyncState(msgspec.Struct, frozen=True):
    """How the journal stands to the store: lines not yet there, and what is wrong, in words, when something is."""

    unsent: int = 0
    trouble: str | None = None


class Watcher(Protocol):
    """What a sitting tells the screen."""

    def sync_changed(self) -> None: ...

    def clips_withdrawn(self, on_screen: bool) -> None: ...

    def clips_came(self, count: int) -> None: ...

    def set_aside(self, count: int) -> None: ...


class Sitting:
    """A session joined to its journal, batch and store."""

    def __init__(
        self,
        session: Session,
        journal: Journal,
        batch: Batch,
        store: ReviewStore,
        *,
        sync_seconds: float = 10.0,
        lease_seconds: float = 900.0,
    ) -> None:
        self.session = session
        self.journal = journal
        self.batch = batch
        self.store = store
        self.saved = 0
        self.sync = SyncState()
        self._sync_seconds = sync_seconds
        self._renew_every = min(RENEW_EVERY, lease_seconds / 3)
        self._disk = ThreadPoolExecutor(1, "journal")
        self._fetch = ThreadPoolExecutor(2, "fetch")
        self._wire = ThreadPoolExecutor(1, "sync")
        self._poke = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._broken = False
        self._erased: set[str] = set()
        self._arrived = 0
        self._watcher: Watcher | None = None
        self._step: asyncio.Task[None] | None = None

    def stamp(self) -> Stamp:
        """A fresh name and time for a decision."""
        return Stamp(new_id(), told_time(), time.monotonic())

    # -- what must be durable ----------------------------------------------------------------------------------------

    async def save(self, decision: Decision, *, taking_back: bool = False) -> Place | None:
        """Make the decision durable, then move; says which place is on the screen now. Raises `NotSaved`; then nothing
        moved.

        After a failure the journal is read-only: the next save opens it anew first, which reads back what really is on
        disk.
        """
        await self._on(self._disk, partial(self._append, decision))
        self.saved += 1
        place = self.session.commit(decision, time.monotonic(), taking_back=taking_back)
        self.batch.drop(self.session.sealed())
        if decision.verdict is Verdict.CRITICAL:
            self._later(self._erase(decision.clip, "critical"))
        self._count_unsent()
        self._poke.set()
        return place

    async def save_drafts(self) -> None:
        """Make every text that was typed and not saved durable as a draft, and spend drafts that are no more."""
        known = await self._on(self._disk, self.journal.drafts)
        for place in list(self.session.places):
            clip = place.clip.id
            text = "" if place.sealed or place.kept is None else place.kept
            if text != known.get(clip, ""):
                draft = Draft(id=new_id(), at=told_time(), reviewer=self.session.reviewer, clip=clip, text=text)
                await self._on(self._disk, partial(self._append, draft))

    def _append(self, entry: Decision | Draft) -> None:
        if self._broken:
            self.journal.reopen()
            self._broken = False
        try:
            self.journal.append(entry)
        except NotSaved:
            self._broken = True
            raise

    async def _erase(self, clip: str, reason: str) -> None:
        try:
            await self._on(self._disk, partial(self.journal.erase, clip, reason))
        except (JournalError, OSError):
            # The journal finishes a started erasure when it is next opened; until then the screen says that something
            # is wrong.
            self._broken = True
            self._told(SyncState(self.sync.unsent, "the disk refuses: an erasure will be finished at the next start"))

    # -- sound and clips ---------------------------------------------------------------------------------------------

    async def sound(self, clip: str) -> Sound:
        """The clip's sound, ready to play. Raises `Refused` when it is withdrawn, `StoreError` when it cannot be
        had.
        """
        return await self._on(self._fetch, partial(self.batch.sound, clip))

    def fetch_ahead(self) -> None:
        """Decode the next clips in the background."""
        here = self.session.current
        last = self.session.history()[:1]
        keep = [place.clip.id for place in ([here] if here else []) + list(last)]
        ahead = [place.clip.id for place in self.session.waiting() if place is not here][:4]
        self._later(self._quietly(partial(self.batch.fetch_ahead, ahead, keep)))

    async def top_up(self) -> int:
        """Lease more clips when few are left; says how many came. Raises `StoreError`."""
        waiting = len(self.session.waiting())
        leased = await self._on(self._fetch, partial(self.batch.fill, waiting, self.sync.unsent))
        before = await self._on(self._disk, partial(self.journal.latest, [item.clip.id for item in leased]))
        return self.session.extend(leased, revisions={clip: entry.revision for clip, entry in before.items()})

    async def _quietly(self, work: Callable[[], object]) -> None:
        try:
            await self._on(self._fetch, work)
        except (Refused, StoreError):
            return  # asked for again, with words, when the clip is opened

    # -- the store, in the background --------------------------------------------------------------------------------

    def start(self, watcher: Watcher) -> None:
        """Begin to send, to fetch withdrawals and to renew leases. Call it on the event loop, once."""
        self._watcher = watcher
        self._step = begin(self._keep_in_step())

    async def _keep_in_step(self) -> None:
        backoff = Backoff(most=60.0)
        renewed = time.monotonic()
        while True:
            wait = self._sync_seconds
            try:
                await self._withdraw()
                await self._push()
                if time.monotonic() - renewed >= self._renew_every:
                    await self._on(self._wire, self.batch.renew)
                    renewed = time.monotonic()
                came = await self.top_up()
                if came and self._watcher:
                    self._watcher.clips_came(came)
                backoff.succeeded()
            except (JournalError, StoreError) as error:
                self._told(SyncState(self._unsent_at_least(), str(error)))
                wait = max(backoff.failed(), 0.5)
            self._poke.clear()
            try:
                await asyncio.wait_for(self._poke.wait(), wait)
                await asyncio.sleep(SETTLE)
            except TimeoutError:
                pass

    async def _withdraw(self) -> None:
        await self._on(self._wire, self.batch.refresh_withdrawn)
        gone = [place.clip.id for place in self.session.places if self.batch.is_withdrawn(place.clip.id)]
        if gone:
            on_screen = self.session.withdraw(gone)
            if self._watcher:
                self._watcher.clips_withdrawn(on_screen)
        for clip in sorted(self.journal.clips() - self._erased):
            if self.batch.is_withdrawn(clip):
                self._erased.add(clip)
                await self._erase(clip, "withdrawal")

    async def _push(self) -> None:
        sent: Sent = await self._on(self._wire, partial(send, self.journal, self.store))
        if sent.quarantined and self._watcher:
            self._watcher.set_aside(len(sent.quarantined))
        self._arrived = self.journal.head.seq - sent.unsent
        self._told(SyncState(sent.unsent, None))

    def _unsent_at_least(self) -> int:
        return max(0, self.journal.head.seq - self._arrived)

    def _count_unsent(self) -> None:
        self._told(SyncState(self._unsent_at_least(), self.sync.trouble))

    def _told(self, state: SyncState) -> None:
        if state != self.sync:
            self.sync = state
            if self._watcher:
                self._watcher.sync_changed()

    # -- the end -----------------------------------------------------------------------------------------------------

    async def end(self) -> None:
        """Keep drafts, send what can be sent at once, give the leases back, close. Never raises for a store that is
        away.
        """
        if self._step is not None:
            self._step.cancel()
        # What has begun is finished: among it may be the erasure that a critical mark asked for.
        await asyncio.gather(*filter(None, [self._step, *self._tasks]), return_exceptions=True)
        try:
            await self.save_drafts()
        finally:
            with suppress(JournalError, StoreError, TimeoutError):
                await asyncio.wait_for(self._on(self._wire, self._last_words), 5.0)
            for pool in (self._disk, self._fetch, self._wire):
                pool.shutdown(wait=True, cancel_futures=True)
            self.journal.close()
            self.store.close()

    def _last_words(self) -> None:
        self.sync = SyncState(send(self.journal, self.store).unsent)
        # A lease that is being fetched now would outlast the sitting.
        self._fetch.shutdown(wait=True, cancel_futures=True)
        self.batch.give_back()

    # -- threads -----------------------------------------------------------------------------------------------------

    async def _on(self, pool: ThreadPoolExecutor, work: Callable[[], Given]) -> Given:
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = begin(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def waiting_words(places: Sequence[Place]) -> str:
    """How many clips wait, in words."""
    count = len(places)
    return "no clip waits" if not count else f"{count} clip{'s' if count != 1 else ''} to go"
