"""What happens when the terminal goes away, on loops that take signals and on those that do not."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from earmark.tui.terminal import when_gone

SIGNALS = [getattr(signal, name) for name in ("SIGHUP", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]


class Deaf(asyncio.AbstractEventLoop):
    """A loop that takes no signals, as those of Windows."""

    def __init__(self) -> None:
        self.soon: list[Callable[..., Any]] = []

    def call_soon_threadsafe(self, callback: Callable[..., Any], *_: Any, **__: Any) -> Any:
        self.soon.append(callback)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def leave() -> None:
    """What is to be called."""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_loop_that_takes_no_signals_is_told_to_leave_all_the_same(number: int) -> None:
    loop = Deaf()
    when_gone(loop, leave)
    assert loop.soon == []
    signal.raise_signal(number)
    assert loop.soon == [leave]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_loop_that_takes_signals_leaves_by_itself(number: int) -> None:
    async def gone() -> None:
        left = asyncio.Event()
        when_gone(asyncio.get_running_loop(), left.set)
        signal.raise_signal(number)
        await asyncio.wait_for(left.wait(), 10)

    asyncio.run(gone())
