"""The background of a sitting: what makes it go round."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from earmark.queue.sync import Sent
from earmark.tui.instep import InStep


class Paper:
    """A sitting of paper, which is poked while it pushes for the first time."""

    def __init__(self) -> None:
        self.background: InStep | None = None
        self.pushed = 0
        self.again = asyncio.Event()

    async def fetch_withdrawals(self) -> tuple[int, bool]:
        return 0, False

    async def erase_withdrawn(self) -> None:
        pass

    async def push(self) -> Sent:
        self.pushed += 1
        if self.pushed > 1:
            self.again.set()
        elif self.background is not None:
            self.background.poke()
        return Sent()

    async def top_up(self) -> int:
        return 0

    def trouble(self, words: str | None, **_: Any) -> None:
        pass


def test_what_is_asked_for_during_a_round_is_done_by_another_right_after_it() -> None:
    async def sit() -> None:
        sitting, watcher = Paper(), SimpleNamespace(has_sent=lambda sent: None)
        sitting.background = InStep(sitting, watcher, every=3600.0, lease_seconds=900.0)  # type: ignore[arg-type]
        try:
            await asyncio.wait_for(sitting.again.wait(), 10)
        finally:
            await sitting.background.stop()

    asyncio.run(sit())
