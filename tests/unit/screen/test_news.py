"""What the background says: once, and never over what must be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from earmark.queue.journal import NotSaved
from earmark.queue.sync import Sent
from earmark.tui.sitting import SyncState
from earmark.tui.sound.player import SinkChanged

if TYPE_CHECKING:
    from unit.screen.conftest import Desk, Open

CAP = "the day's cap is reached"


def tell(desk: Desk, state: SyncState) -> None:
    """The background came round."""
    desk.sitting.sync = state
    desk.on.news.sync_changed()


def test_why_no_more_clips_come_is_said_once(open_desk: Open) -> None:
    async def capped() -> None:
        async with open_desk() as desk:
            tell(desk, SyncState(no_more=CAP))
            assert desk.notice == "The day's cap is reached."
            await desk.decide("s")
            tell(desk, SyncState(unsent=1, no_more=CAP))
            tell(desk, SyncState(unsent=0, no_more=CAP))
            assert desk.notice.startswith("Saved: skipped")
            tell(desk, SyncState())
            tell(desk, SyncState(no_more=CAP))
            assert desk.notice == "The day's cap is reached."

    asyncio.run(capped())


def test_what_an_alarm_kept_from_being_said_is_said_after_it(open_desk: Open) -> None:
    async def capped() -> None:
        async with open_desk() as desk:
            desk.on.news.disk_trouble("An erasure waits for the disk.")
            tell(desk, SyncState(no_more=CAP))
            assert desk.notice == "An erasure waits for the disk."
            await desk.decide("s")
            tell(desk, SyncState(unsent=1, no_more=CAP))
            assert desk.notice == "The day's cap is reached."

    asyncio.run(capped())


def test_a_trouble_that_passes_is_said_to_have_passed(open_desk: Open) -> None:
    async def away() -> None:
        async with open_desk() as desk:
            tell(desk, SyncState(trouble="no route"))
            assert desk.notice.startswith("Not in step")
            tell(desk, SyncState(again=True))
            assert desk.notice == "In step with the store again."

    asyncio.run(away())


@pytest.mark.parametrize("over", ["", "help", "history"])
def test_a_withdrawal_elsewhere_leaves_what_is_said_at_the_end(open_desk: Open, over: str) -> None:
    async def done() -> None:
        async with open_desk("ab") as desk:
            await desk.decide("s")
            await desk.decide("u")
            assert desk.on.panels.open == "summary"
            if over:
                getattr(desk.on.panels, over)()
            desk.withdraw("a")
            assert desk.on.panels.open == "summary"
            assert desk.app.review_screen.has_class("-panel")

    asyncio.run(done())


def test_help_and_history_close_to_what_is_said_at_the_end(open_desk: Open) -> None:
    async def done() -> None:
        async with open_desk("a") as desk:
            await desk.decide("s")
            for key in ("?", "H"):
                await desk.press(key, after=1.0)
                assert desk.on.panels.reading
                await desk.press("escape", after=1.0)
                assert desk.on.panels.open == "summary"
            await desk.press("p", after=1.0)
            assert (desk.here, desk.on.panels.open) == ("a", None)

    asyncio.run(done())


# -- alarms ----------------------------------------------------------------------------------------------------------


def another_sink(desk: Desk) -> None:
    desk.app.hearing.player_says(SinkChanged("pulse", "the speaker is gone"), desk.on.paint_status)


def no_sink(desk: Desk) -> None:
    desk.app.hearing.player_says(SinkChanged(None, "No sound card."), desk.on.paint_status)


def a_sink_again(desk: Desk) -> None:
    desk.app.hearing.player_says(SinkChanged("pulse", None), desk.on.paint_status)


def more_clips(desk: Desk) -> None:
    desk.sitting.lease("z")
    desk.on.news.clips_came(1)
    assert desk.here == "z"


def a_draft_of_more_clips(desk: Desk) -> None:
    desk.sitting.lease("z", z="left unfinished")
    desk.on.news.clips_came(1)


def renewed(desk: Desk) -> None:
    desk.on.news.has_sent(Sent(renewed=True))


@pytest.mark.parametrize("news", [another_sink, no_sink, a_sink_again, more_clips, a_draft_of_more_clips, renewed])
def test_an_alarm_stands_until_a_key_ends_it(open_desk: Open, news: Callable[[Desk], None]) -> None:
    async def refused() -> None:
        async with open_desk("a") as desk:
            await desk.decide("s")
            desk.sitting.refuses = NotSaved("the disk is full.")
            await desk.press("backspace", after=2.0)
            await desk.rest()
            assert desk.notice.startswith("NOT SAVED: the disk is full.")
            news(desk)
            assert desk.notice.startswith("NOT SAVED: the disk is full.")
            await desk.press("left")
            assert "NOT SAVED" not in desk.notice

    asyncio.run(refused())
