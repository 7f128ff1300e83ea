"""A text field that closes while somebody types: the letters that follow command nothing on the next clip."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from earmark.keymaps.actions import Context
from earmark.queue.decision import Verdict
from earmark.tui.guard import PAUSE_FIRST

if TYPE_CHECKING:
    from unit.screen.conftest import Desk, Open

COMMANDS = ("s", "u", "c", "d", "enter", "backspace", "e", "p", "H", "?", "q", "escape", "l", "space")
"""What would decide, take back, open something or leave."""


def withdraw(desk: Desk) -> None:
    desk.withdraw("b")


def lose(desk: Desk) -> None:
    desk.on.news.leases_lost(desk.sitting.session.withdraw("b"))


WORDS = {withdraw: "The customer took this recording back", lose: "This clip's lease ran out"}


async def nothing_is_commanded(desk: Desk, here: str) -> None:
    """Type all that commands something: nothing comes of it, with words. After a pause keys act again."""
    before = len(desk.sitting.decisions)
    for key in COMMANDS:
        await desk.press(key, after=0.35)
        await desk.rest()
        assert PAUSE_FIRST in desk.notice, key
    assert len(desk.sitting.decisions) == before
    assert (desk.here, desk.on.context, desk.on.panels.open) == (here, Context.REVIEW, None)
    assert desk.sitting.session.current is not None
    assert desk.sitting.session.current.keys == 0
    await desk.decide("u")
    assert desk.verdicts[-1] == (here, Verdict.UNINTELLIGIBLE)


@pytest.mark.parametrize("vanish", WORDS, ids=["withdrawn", "lease lost"])
def test_what_is_typed_for_a_clip_that_vanished_commands_nothing(
    open_desk: Open, vanish: Callable[[Desk], None]
) -> None:
    async def typing() -> None:
        async with open_desk() as desk:
            await desk.decide("s")
            await desk.press("e", *"the c", after=0.1)
            vanish(desk)
            assert WORDS[vanish] in desk.notice
            assert PAUSE_FIRST in desk.notice
            await nothing_is_commanded(desk, "c")

    asyncio.run(typing())


@pytest.mark.parametrize("vanish", WORDS, ids=["withdrawn", "lease lost"])
def test_who_was_not_typing_goes_on_at_once(open_desk: Open, vanish: Callable[[Desk], None]) -> None:
    async def looking() -> None:
        async with open_desk() as desk:
            await desk.decide("s")
            vanish(desk)
            await desk.rest()
            assert PAUSE_FIRST not in desk.notice
            await desk.press("u", after=0.4)
            await desk.rest()
            assert desk.verdicts[-1] == ("c", Verdict.UNINTELLIGIBLE)

    asyncio.run(looking())


def test_the_keys_that_act_while_typing_act_still(open_desk: Open) -> None:
    async def typing() -> None:
        async with open_desk() as desk:
            await desk.decide("s")
            await desk.press("e", "x")
            withdraw(desk)
            await desk.press("y", "ctrl+t", after=0.4)
            await desk.rest()
            assert desk.verdicts[-1] == ("c", Verdict.CRITICAL)
            await desk.press("z", "ctrl+c", after=0.1)
            assert desk.on.ending

    asyncio.run(typing())


async def go_blank(desk: Desk) -> None:
    desk.now += 200.0
    desk.on._idle()
    assert desk.on.blank
    await desk.rest()


def test_what_is_typed_on_a_blank_screen_commands_nothing(open_desk: Open) -> None:
    async def typing() -> None:
        async with open_desk("ab") as desk:
            await desk.press("e", "x")
            await go_blank(desk)
            await desk.press("t")
            assert not desk.on.blank
            assert desk.notice.startswith("Your text is kept")
            for key in COMMANDS:
                await desk.press(key, after=0.35)
                await desk.rest()
            assert desk.sitting.decisions == []
            await desk.press("e", after=2.0)
            assert desk.app.editor.text == "machine text ax"

    asyncio.run(typing())


def test_a_clip_that_vanishes_from_a_blank_screen_takes_what_is_typed_with_it(open_desk: Open) -> None:
    async def typing() -> None:
        async with open_desk() as desk:
            await desk.decide("s")
            await desk.press("e", "x")
            await go_blank(desk)
            withdraw(desk)
            await desk.press("t", after=300.0)
            assert WORDS[withdraw] in desk.notice
            await nothing_is_commanded(desk, "c")

    asyncio.run(typing())


def test_a_blank_screen_on_which_nobody_typed_wakes_to_commands(open_desk: Open) -> None:
    async def looking() -> None:
        async with open_desk() as desk:
            await go_blank(desk)
            await desk.press("t")
            assert PAUSE_FIRST not in desk.notice
            await desk.press("u", after=0.4)
            await desk.rest()
            assert desk.verdicts == [("a", Verdict.UNINTELLIGIBLE)]

    asyncio.run(looking())
