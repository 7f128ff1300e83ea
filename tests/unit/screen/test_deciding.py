"""A decision falls on the clip that it was meant for, once, and is told as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from earmark.queue.decision import Decision, Verdict
from earmark.queue.heard import Heard as SoFar
from earmark.queue.journal import JournalError, NotSaved
from earmark.queue.store.interface import StoreError

if TYPE_CHECKING:
    from unit.screen.conftest import Desk, Open


def lose(desk: Desk) -> None:
    desk.on.news.leases_lost(desk.sitting.session.withdraw("b"))


# -- what waits to be told from a held key ---------------------------------------------------------------------------


def test_a_quick_second_press_decides_the_clip_on_which_it_was_pressed(open_desk: Open) -> None:
    async def quick() -> None:
        async with open_desk() as desk:
            await desk.decide("s")
            await desk.press("s", after=0.5)
            await desk.rest()
            assert desk.verdicts == [("a", Verdict.SKIPPED), ("b", Verdict.SKIPPED)]

    asyncio.run(quick())


def test_a_decision_that_waits_does_not_fall_on_the_clip_after_the_one_it_was_meant_for(open_desk: Open) -> None:
    async def overtaken() -> None:
        async with open_desk() as desk:
            await desk.decide("s")
            await desk.press("s", after=0.5)
            await desk.press("c", after=0.07)
            await desk.rest()
            assert desk.verdicts == [("a", Verdict.SKIPPED), ("b", Verdict.CRITICAL)]
            assert desk.here == "c"

    asyncio.run(overtaken())


@pytest.mark.parametrize("vanish", [lambda desk: desk.withdraw("b"), lose], ids=["withdrawn", "lease lost"])
def test_a_decision_that_waits_goes_with_its_clip(open_desk: Open, vanish: Callable[[Desk], None]) -> None:
    async def gone() -> None:
        async with open_desk() as desk:
            await desk.decide("s")
            await desk.press("s", after=0.5)
            vanish(desk)
            await desk.rest()
            assert desk.verdicts == [("a", Verdict.SKIPPED)]
            assert desk.here == "c"

    asyncio.run(gone())


def test_a_clip_that_goes_while_its_decision_is_being_saved_is_not_offered_back(open_desk: Open) -> None:
    async def gone() -> None:
        async with open_desk() as desk:
            save, there = desk.sitting.save, asyncio.Event()

            async def slowly(decision: Decision, **more: Any) -> Any:
                await there.wait()
                return await save(decision, **more)

            desk.sitting.save = slowly  # type: ignore[method-assign]
            await desk.press("s", after=2.0)
            desk.withdraw("a")
            assert desk.here == "b"
            there.set()
            await desk.rest()
            assert desk.verdicts == [("a", Verdict.SKIPPED)]
            assert "The customer took this recording back" in desk.notice
            await desk.press("backspace", after=2.0)
            await desk.rest()
            assert "There is nothing to take back" in desk.notice
            await desk.decide("s")
            assert desk.here == "c"

    asyncio.run(gone())


async def hold(desk: Desk, key: str) -> None:
    """What a keyboard does after the press: it repeats the key, after half a second for the first time."""
    await desk.press(key, after=0.5)
    await desk.press(*[key] * 6, after=0.03)
    await desk.rest()


@pytest.mark.parametrize("key", ["s", "enter", "c", "backspace"])
def test_a_held_key_that_woke_the_screen_decides_nothing(open_desk: Open, key: str) -> None:
    async def held() -> None:
        async with open_desk("abcd", must_hear=0.0, idle_blank=60.0) as desk:
            await desk.decide("u")
            desk.now += 100.0
            desk.on._idle()
            assert desk.on.blank
            await desk.press(key)
            await hold(desk, key)
            assert not desk.on.blank
            assert desk.verdicts == [("a", Verdict.UNINTELLIGIBLE)]

    asyncio.run(held())


def test_a_held_key_that_closed_a_panel_decides_nothing(open_desk: Open) -> None:
    async def held() -> None:
        async with open_desk() as desk:
            await desk.press("question_mark", after=2.0)
            assert desk.on.panels.open == "help"
            await desk.press("s", after=2.0)
            await hold(desk, "s")
            assert desk.on.panels.open is None
            assert desk.verdicts == []
            assert "only just opened" not in desk.notice

    asyncio.run(held())


def test_a_held_key_that_chose_a_clip_in_the_history_accepts_nothing(open_desk: Open) -> None:
    async def held() -> None:
        async with open_desk(must_hear=0.0) as desk:
            await desk.decide("u")
            await desk.press("H", after=2.0)
            await desk.press("enter", after=2.0)
            assert desk.here == "a"
            await hold(desk, "enter")
            assert desk.verdicts == [("a", Verdict.UNINTELLIGIBLE)]

    asyncio.run(held())


def test_taking_back_that_waits_takes_back_what_was_the_last_when_it_was_pressed(open_desk: Open) -> None:
    async def overtaken() -> None:
        async with open_desk("abcd") as desk:
            for _ in range(3):
                await desk.decide("u")
            await desk.press("backspace", after=2.0)
            await desk.rest()
            assert desk.here == "c"
            await desk.press("backspace", after=0.5)
            await desk.press("s", after=0.07)
            await desk.rest()
            assert desk.verdicts[-2:] == [("c", Verdict.RETRACTED), ("c", Verdict.SKIPPED)]
            assert desk.here == "d"

    asyncio.run(overtaken())


def test_taking_back_twice_takes_two_back(open_desk: Open) -> None:
    async def twice() -> None:
        async with open_desk() as desk:
            await desk.decide("u")
            await desk.decide("s")
            await desk.press("backspace", after=2.0)
            await desk.rest()
            await desk.press("backspace", after=0.5)
            await desk.rest()
            assert desk.verdicts[2:] == [("b", Verdict.RETRACTED), ("a", Verdict.RETRACTED)]

    asyncio.run(twice())


def test_a_held_enter_saves_the_text_and_does_not_accept_the_next_clip(open_desk: Open) -> None:
    async def held() -> None:
        async with open_desk() as desk:
            await desk.press("e", "x")
            await desk.decide("enter")
            await desk.press("enter", after=0.46)
            for _ in range(30):
                await desk.press("enter", after=0.033)
            await desk.rest()
            assert desk.verdicts == [("a", Verdict.CORRECTED)]
            assert desk.here == "b"

    asyncio.run(held())


@pytest.mark.parametrize("trouble", [StoreError("away"), JournalError("cannot be read")], ids=["store", "journal"])
def test_no_more_clips_after_a_decision_end_nothing(open_desk: Open, trouble: Exception) -> None:
    async def away() -> None:
        async with open_desk() as desk:
            desk.sitting.gives = trouble
            await desk.decide("s")
            desk.sitting.gives = None
            await desk.decide("u")

    asyncio.run(away())


def test_a_critical_mark_that_was_not_saved_keeps_the_second_at_which_it_was_first_pressed(open_desk: Open) -> None:
    async def refused() -> None:
        async with open_desk("ab", silent=False) as desk:
            player = desk.player
            player.configure_mock(clip="a", position=1.7, heard=0.5, starts=1)
            player.heard_so_far.return_value = SoFar()
            player.stop.side_effect = lambda: player.configure_mock(clip=None, position=0.0, heard=0.0, starts=0)
            desk.sitting.refuses = NotSaved("the disk is full.")
            await desk.press("c", after=2.0)
            await desk.rest()
            assert desk.notice.startswith("NOT SAVED")
            assert player.clip is None
            desk.sitting.refuses = None
            await desk.decide("c")
            await desk.decide("c")
            assert [(one.clip, one.pressed) for one in desk.sitting.decisions] == [("a", 1.7), ("b", 0.0)]

    asyncio.run(refused())
