"""What was begun in the background is finished before one leaves."""

from __future__ import annotations

import asyncio

from earmark.tui.tasks import Tasks


def test_all_that_was_begun_is_waited_for_and_what_that_begins() -> None:
    async def leave() -> list[str]:
        tasks, done = Tasks(), list[str]()

        async def first() -> None:
            await asyncio.sleep(0.01)
            tasks.begin(second())
            done.append("first")

        async def second() -> None:
            await asyncio.sleep(0.01)
            done.append("second")

        async def fails() -> None:
            raise ValueError

        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        tasks.begin(first())
        tasks.begin(fails())
        await tasks.drain()
        tasks.begin(second())
        await asyncio.sleep(0.03)
        return done

    assert asyncio.run(leave()) == ["first", "second"]


def test_what_has_only_just_ended_holds_nobody_up() -> None:
    async def leave() -> None:
        tasks = Tasks()
        tasks.begin(asyncio.sleep(0))
        for _ in range(2):
            await asyncio.sleep(0)
        # Done, and nobody has been told: whoever waited for that without letting the loop go on would wait for ever.
        assert [task.done() for task in tasks._running] == [True]
        await tasks.drain()

    asyncio.run(leave())
