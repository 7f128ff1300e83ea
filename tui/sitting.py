"""A sitting with its disk and its store: what must be durable, fetched or sent happens here, off the event loop.

One thread writes the journal, so that lines keep their order; others fetch sound and talk to the store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from earmark.queue.batch import Batch
from earmark.queue.decision import Decision, Draft, Verdict
from earmark.queue.journal import Journal, JournalError
from earmark.queue.journal.retiring import Retirement
from earmark.queue.session import Place, Session, Stamp
from earmark.queue.stamp import new_id, told_time
from earmark.queue.store.interface import Head, OfflineReviewStore, Refused, RemoteReviewStore, ReviewStore, StoreError
from earmark.queue.sync import Sent, retire, send
from earmark.tui.instep import InStep, Watcher
from earmark.tui.tasks import Tasks

if TYPE_CHECKING:
    from earmark.tui.sound.track import Track

Given = TypeVar("Given")

LAST_WORDS = 5.0
"""Seconds that leaving waits for the store: what is unsent then is sent by the next sitting, and leases run out."""

RETIRE = 1.0
"""Seconds of one round in which old texts are erased: the next withdrawals must not wait for all of them."""


class SyncState(msgspec.Struct, frozen=True):
    """How the journal stands to the store: lines not yet there, and what is wrong, in words, when something is.

    With `sign_in` nothing goes on before somebody has signed in at the store's host. `no_more` is why the store gives
    no more clips, such as a day's cap: that is no trouble. `again` is right after a trouble has passed.
    """

    unsent: int = 0
    trouble: str | None = None
    sign_in: bool = False
    no_more: str | None = None
    again: bool = False

    @property
    def words(self) -> str | None:
        """What the reviewer is told of it; None when there is nothing to tell."""
        if self.trouble:
            return f"Not in step with the store: {self.trouble.rstrip('.')}. What you decide is safe on disk."
        if self.no_more:
            return f"{self.no_more[0].upper()}{self.no_more[1:].rstrip('.')}."
        # Or the words of the trouble would stand there until something else is said.
        return "In step with the store again." if self.again else None


class Sitting:
    """A session joined to its journal, batch and store."""

    def __init__(
        self,
        session: Session,
        journal: Journal,
        batch: Batch[Track],
        store: ReviewStore,
        *,
        sync_seconds: float = 10.0,
        lease_seconds: float = 900.0,
        keep_days: float = 0.0,
        head: Head | None = None,
    ) -> None:
        """`head` is the store's cursor, where it has been told already."""
        self.session = session
        self.journal = journal
        self.batch = batch
        self.store = store
        self.saved = 0
        self.sync = SyncState()
        self._every = sync_seconds
        self._lease_seconds = lease_seconds
        self._keep_days = keep_days
        self._retirement = Retirement(journal)
        self._disk = ThreadPoolExecutor(1, "journal")
        self._fetch = ThreadPoolExecutor(2, "fetch")
        self._wire = ThreadPoolExecutor(1, "sync")
        self._tasks = Tasks()
        self._named: set[str] = set()  # withdrawn clips that the journal may not have at all
        self._to_erase: set[str] = set()  # and those of which it may hold something still
        self._batch = store if isinstance(store, OfflineReviewStore) else None
        self._head = head
        self._arrived = head.seq if head is not None else self._batch.arrived if self._batch is not None else 0
        self.untold = Sent()
        """What was sent of which nobody has been told: at the very end there is no screen any more to say it."""

        self.offline = "" if self._batch is None else _offline_words(self._batch.until)
        """Until when an offline sitting's clips are leased, for the status line; "" where there is a store."""

        self._watcher: Watcher | None = None
        self._background: InStep | None = None
        self._hanging_up: asyncio.TimerHandle | None = None

    def start(self, watcher: Watcher) -> None:
        """Begin to keep in step with the store. Call it on the event loop, once."""
        self._watcher = watcher
        self._background = InStep(self, watcher, every=self._every, lease_seconds=self._lease_seconds)

    @property
    def why_lost(self) -> str:
        """Why a lease is gone, in words."""
        if self.offline:
            return "The time of the clips checked out is over: they are gone from here. What you decided is safe."
        return "This clip's lease ran out and somebody else has it now. Here is the next."

    def poke(self) -> None:
        """There is something to send, or a reason to try again."""
        if self._background is not None:
            self._background.poke()

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
        await self._append(decision)
        self.saved += 1
        place = self.session.commit(decision, time.monotonic(), taking_back=taking_back)
        self.batch.drop(self.session.sealed())
        if self._batch is not None:
            if taking_back:
                self._tasks.begin(self._bring_back(self._batch, decision.clip))
            else:
                self._batch.forget()
        if decision.verdict is Verdict.CRITICAL:
            self._tasks.begin(self._erase_critical(decision.clip))
        self._told(msgspec.structs.replace(self.sync, unsent=self._unsent(), again=False))
        self.poke()
        return place

    async def save_drafts(self) -> None:
        """Make every text that was typed and not saved durable as a draft, and spend drafts that are no more."""
        known = await self._on(self._disk, self.journal.drafts)
        for place in list(self.session.places):
            clip = place.clip.id
            text = "" if place.sealed or place.kept is None else place.kept
            if text != known.get(clip, "") and not self.batch.is_withdrawn(clip):
                draft = Draft(id=new_id(), at=told_time(), reviewer=self.session.reviewer, clip=clip, text=text)
                await self._append(draft)

    async def _append(self, entry: Decision | Draft) -> None:
        await self._on(self._disk, partial(self._write, partial(self.journal.append, entry)))
        if self.batch.is_withdrawn(entry.clip):
            # While the line was on its way, and perhaps after the journal was looked through for the clip.
            self._to_erase.add(entry.clip)

    async def _erase_critical(self, clip: str) -> None:
        await self._erase(clip, "critical")

    async def _erase(self, clip: str, reason: str) -> bool:
        """Whether it could be done."""
        try:
            await self._on(self._disk, partial(self._erase_here, clip, reason))
        except (JournalError, StoreError, OSError) as error:
            # The journal finishes a started erasure when it is next opened; a withdrawal is tried again before that.
            if self._watcher is not None:
                self._watcher.disk_trouble(f"An erasure waits for the disk: {error}")
            return False
        return True

    def _erase_here(self, clip: str, reason: str) -> None:
        try:
            if self._batch is not None:
                self._batch.destroy(clip)
        finally:
            self._write(partial(self.journal.erase, clip, reason))

    def _write(self, work: Callable[[], object]) -> None:
        """Let the journal write something; after a failure it is opened anew first."""
        if self.journal.stopped:
            self.journal.reopen()
        work()

    async def _bring_back(self, batch: OfflineReviewStore, clip: str) -> None:
        try:
            await self._on(self._disk, partial(batch.bring_back, clip))
        except StoreError as error:
            if self._watcher is not None:
                self._watcher.disk_trouble(f"The clip can be heard in this sitting only: {error}")

    # -- sound and clips ---------------------------------------------------------------------------------------------

    async def sound(self, clip: str) -> Track:
        """The clip's sound, ready to play. Raises `Refused` when it is withdrawn, `StoreError` when it cannot be
        had.
        """
        return await self._on(self._fetch, partial(self.batch.sound, clip))

    def fetch_ahead(self, then: Callable[[list[Track]], None]) -> None:
        """Decode the next clips in the background, and tell which are there, in order."""
        here = self.session.current
        last = self.session.history()[:1]
        keep = [place.clip.id for place in ([here] if here else []) + list(last)]
        ahead = [place.clip.id for place in self.session.waiting() if place is not here][:4]
        self._tasks.begin(self._fetch_ahead(ahead, keep, then))

    async def _fetch_ahead(self, ahead: list[str], keep: list[str], then: Callable[[list[Track]], None]) -> None:
        with suppress(Refused, StoreError):  # asked for again, with words, when the clip is opened
            await self._on(self._fetch, partial(self.batch.fetch_ahead, ahead, keep))
        # A clip marked critical meanwhile is kept for its mark to be taken back; it must not go to a speaker elsewhere.
        here = self.session.current
        waiting = {place.clip.id for place in self.session.waiting() if place is not here}
        sounds = (self.batch.sound_at_hand(clip) for clip in ahead if clip in waiting)
        then([sound for sound in sounds if sound is not None])

    # -- keeping in step with the store ------------------------------------------------------------------------------

    async def top_up(self) -> int:
        """Lease more clips when few are left; says how many came. Raises `StoreError`."""
        waiting = len(self.session.waiting())
        # Not all that is unsent: texts that the retention rule erased are lines, too.
        undelivered = min(self._unsent(), len(self.session.places) - waiting)
        leased = await self._on(self._fetch, partial(self.batch.fill, waiting, undelivered))
        if not leased:
            return 0
        before = await self._on(self._disk, partial(self.journal.latest, [item.clip.id for item in leased]))
        drafts = await self._on(self._disk, self.journal.drafts)
        revisions = {clip: entry.revision for clip, entry in before.items()}
        return self.session.extend(leased, drafts=drafts, revisions=revisions)

    async def fetch_withdrawals(self) -> tuple[int, bool]:
        """Fetch the list of withdrawals and drop what it names: how many clips of this sitting went, and whether the
        one on the screen was among them. What the journal holds of them goes with `erase_withdrawn`. Raises
        `StoreError`.
        """
        await self._on(self._wire, self.batch.refresh_withdrawn)
        gone = [place.clip.id for place in self.session.places if self.batch.is_withdrawn(place.clip.id)]
        return len(gone), self.session.withdraw(gone)

    async def erase_withdrawn(self) -> None:
        """Erase what the journal holds of withdrawn clips; what the disk refused before is tried again. Raises
        `JournalError`.
        """
        self._named |= self.batch.take_named()
        if self._named:
            self._to_erase |= await self._on(self._wire, partial(self.journal.holding, frozenset(self._named)))
            self._named.clear()
        await self._erase_due()

    async def _erase_due(self) -> None:
        for clip in sorted(self._to_erase):
            if not await self._erase(clip, "withdrawal"):
                break  # the others would meet the same disk
            self._to_erase.discard(clip)

    async def renew(self) -> tuple[int, bool]:
        """Prolong the leases; clips not decided yet whose lease went to somebody else leave the sitting. Says how many
        and whether the one on the screen was among them. Raises `StoreError`.
        """
        lost = await self._on(self._wire, self.batch.renew)
        undecided = [place.clip.id for place in self.session.waiting() if place.clip.id in lost]
        return len(undecided), self.session.withdraw(undecided)

    async def push(self) -> Sent:
        """Send what is unsent. Raises `StoreError`, `JournalError`."""
        sent = await self._on(self._wire, self._send)
        if self._keep_days:
            before, self._keep_days = told_time(days_ago=self._keep_days), 0.0  # once a sitting is often enough
            self._retirement = Retirement(self.journal)
            # Not on the journal's own thread: a decision would wait until a long journal has been looked through.
            await self._on(self._wire, partial(retire, self._retirement, sent.head.seq, before))
        until = time.monotonic() + RETIRE
        while self._retirement.due and time.monotonic() < until:
            await self._on(self._disk, partial(self._write, self._retirement.go_on))
        sent, self.untold = self.untold, Sent()
        return sent

    def _send(self) -> Sent:
        """Send, and keep in mind what is to be told of it: whoever asked for it may not wait any more."""
        if self.journal.stopped:
            self.journal.reopen()
        sent = send(self.journal, self.store, since=self._head, noted=self._head is not None)
        self._head, self._arrived = sent.head, sent.head.seq
        before = self.untold
        aside, renewed = (*before.quarantined, *sent.quarantined), before.renewed or sent.renewed
        self.untold = msgspec.structs.replace(sent, quarantined=aside, renewed=renewed)
        return sent

    def trouble(self, words: str | None, *, sign_in: bool = False, no_more: str | None = None) -> None:
        """After a round: what is wrong between here and the store (None when nothing is), whether a sign-in would mend
        it, and why no more clips come.
        """
        again = words is None and self.sync.trouble is not None
        self._told(SyncState(self._unsent(), words, sign_in, no_more, again))

    def _unsent(self) -> int:
        return max(0, self.journal.head.seq - self._arrived)

    def _told(self, state: SyncState) -> None:
        if state != self.sync:
            self.sync = state
            if self._watcher is not None:
                self._watcher.sync_changed()

    # -- the end -----------------------------------------------------------------------------------------------------

    async def end(self, finish: Callable[[], Awaitable[None]]) -> None:
        """Keep drafts, let the screen `finish` what it has begun, send what can be sent at once, give the leases back,
        close. Never raises for a store that is away, and waits for it some seconds at most.
        """
        if isinstance(self.store, RemoteReviewStore):
            # The store has some seconds for all that is still being asked: a host that hangs holds nobody.
            self._hanging_up = asyncio.get_running_loop().call_later(LAST_WORDS, self.store.hang_up)
        # What is typed is safe before anything waits for the store. Below it is tried once more, and a failure told.
        with suppress(JournalError, OSError):
            await self.save_drafts()
        await finish()
        if self._background is not None:
            await self._background.stop()
        # What has begun is finished: among it may be the erasure that a critical mark asked for.
        await self._tasks.drain()
        try:
            await self.save_drafts()
            await self._erase_due()
        finally:
            done = asyncio.ensure_future(self._on(self._wire, self._last_words))
            await asyncio.wait([done], timeout=LAST_WORDS)
            for pool in (self._wire, self._fetch):
                pool.shutdown(wait=False, cancel_futures=True)
            self._disk.shutdown(wait=True)
            self.journal.close()
            if done.done():
                self.store.close()
            elif isinstance(self.store, RemoteReviewStore):
                self.store.hang_up()  # or the program would outlast its screen, waiting for a host that does not answer
            if self._hanging_up is not None:
                self._hanging_up.cancel()

    def _last_words(self) -> None:
        with suppress(JournalError, StoreError):
            self.sync = SyncState(self._send().unsent)
        # A lease that is being fetched now would outlast the sitting.
        self._fetch.shutdown(wait=True, cancel_futures=True)
        with suppress(StoreError):
            self.batch.give_back()

    async def _on(self, pool: ThreadPoolExecutor, work: Callable[[], Given]) -> Given:
        return await asyncio.get_running_loop().run_in_executor(pool, work)


def _offline_words(until: float) -> str:
    from earmark.tui.offline import short_words

    return f"offline until {short_words(until)}"
