"""Keeping a sitting in step with its store, in the background: withdrawals, their erasure, leases, journal lines, more
clips.

They go one after the other. What one cannot do keeps none of the others from being tried; but while one waits, for a
store or a disk that does not answer, those behind it wait as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from earmark.queue.journal import JournalError
from earmark.queue.store.interface import Offline, Refused, SignInAgain, StoreError
from earmark.queue.sync import Backoff, Sent
from earmark.tui.tasks import begin

if TYPE_CHECKING:
    from earmark.tui.sitting import Sitting

RENEW_EVERY = 60.0
"""Seconds between signs of life for the leases; far below the shortest sensible lease."""

SETTLE = 0.4
"""Seconds that a sync waits after a decision, so that quick decisions travel together."""


class Watcher(Protocol):
    """What the background tells the screen, always on the event loop."""

    def sync_changed(self) -> None: ...

    def clips_withdrawn(self, on_screen: bool) -> None: ...

    def leases_lost(self, on_screen: bool) -> None: ...

    def clips_came(self, count: int) -> None: ...

    def has_sent(self, sent: Sent) -> None: ...

    def disk_trouble(self, words: str) -> None: ...


class InStep:
    """The background of a sitting. `poke` makes it go round soon."""

    def __init__(self, sitting: Sitting, watcher: Watcher, *, every: float, lease_seconds: float) -> None:
        self._sitting = sitting
        self._watcher = watcher
        self._every = every
        self._renew_every = min(RENEW_EVERY, lease_seconds / 3)
        self._renewed = time.monotonic()
        self._no_more: str | None = None
        self._poke = asyncio.Event()
        self._task = begin(self._go_round())

    def poke(self) -> None:
        """There is something to send."""
        self._poke.set()

    async def stop(self) -> None:
        """End, without finishing the round."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _go_round(self) -> None:
        backoff = Backoff(most=60.0)
        steps: tuple[Callable[[], Awaitable[None]], ...] = (
            self._withdraw,
            self._sitting.erase_withdrawn,
            self._renew,
            self._push,
            self._top_up,
        )
        while True:
            # Before the steps: what is asked for while they go on may have come too late for them.
            self._poke.clear()
            trouble, sign_in = None, False
            for step in steps:
                try:
                    await step()
                except Offline:
                    continue  # what is unsent waits for the checkin, and that is no trouble
                except (JournalError, StoreError) as error:
                    trouble = trouble or str(error)
                    sign_in = sign_in or isinstance(error, SignInAgain)
            self._sitting.trouble(trouble, sign_in=sign_in, no_more=self._no_more)
            if trouble is None:
                backoff.succeeded()
            wait = self._every if trouble is None else max(backoff.failed(), 0.5)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._poke.wait(), wait)
                await asyncio.sleep(SETTLE)

    async def _withdraw(self) -> None:
        gone, on_screen = await self._sitting.fetch_withdrawals()
        # At once: while anything is waited for, the disk above all, a decision may put another clip on the screen.
        if gone:
            self._watcher.clips_withdrawn(on_screen)

    async def _renew(self) -> None:
        if time.monotonic() - self._renewed < self._renew_every:
            return
        lost, on_screen = await self._sitting.renew()
        self._renewed = time.monotonic()
        if lost:
            self._watcher.leases_lost(on_screen)

    async def _push(self) -> None:
        self._watcher.has_sent(await self._sitting.push())

    async def _top_up(self) -> None:
        self._no_more = None
        try:
            came = await self._sitting.top_up()
        except Refused as error:
            # A store that knows this reviewer no more refuses the other steps too.
            self._no_more = str(error)
            return
        if came:
            self._watcher.clips_came(came)
