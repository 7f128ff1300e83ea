"""Work in the background of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Given = TypeVar("Given")


def begin(work: Coroutine[Any, Any, Given]) -> asyncio.Task[Given]:
    """Let a coroutine run beside everything else. When it dies of a fault, the loop's exception handler hears of it at
    once.

    Without this it would hear of it when the task is thrown away, which for one that is kept is never.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(_tell)
    return task


class Tasks:
    """Coroutines that were begun and must be finished before one may leave."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Let this run too; after `drain` nothing begins any more."""
        if self._closed:
            work.close()
            return
        task = begin(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def drain(self) -> None:
        """Wait until everything that was begun, and all that it began, is finished."""
        # Not those that are done and not known to be: to wait for these lets nothing else run, from Python 3.12 on.
        while others := {task for task in self._running if not task.done()} - {asyncio.current_task()}:
            await asyncio.wait(others)
        self._closed = True


def _tell(task: asyncio.Task[Any]) -> None:
    if task.cancelled():
        return
    error = task.exception()
    if error is not None:
        task.get_loop().call_exception_handler(
            {"message": "work in the background died", "exception": error, "task": task}
        )
