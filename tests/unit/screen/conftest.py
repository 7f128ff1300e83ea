"""The review screen without a terminal, over a sitting and a player of paper and a clock that a test moves."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import SimpleNamespace
from typing import Any, TypeAlias
from unittest.mock import MagicMock

import pytest

from earmark.keymaps.keymap import load
from earmark.queue.clip import Clip, Hypothesis
from earmark.queue.decision import Decision, Verdict
from earmark.queue.session import Place, Session, Stamp
from earmark.queue.store.interface import Leased
from earmark.tui.app import EarmarkApp
from earmark.tui.settings import Settings
from earmark.tui.sitting import SyncState


class PaperSitting:
    """A sitting whose disk is a list, and whose store has no more clips. `refuses` is what the disk raises where it
    refuses, `gives` what comes of asking for more clips.
    """

    why_lost = "This clip's lease ran out and somebody else has it now. Here is the next."

    def __init__(self, names: str) -> None:
        self.session = Session("ann")
        self.lease(names)
        self.batch = MagicMock()
        self.batch.is_withdrawn.return_value = False
        self.batch.spent = False
        self.sync = SyncState()
        self.saved = 0
        self.offline = ""
        self.decisions: list[Decision] = []
        self.refuses: Exception | None = None
        self.gives: Exception | None = None
        self._ids = itertools.count()

    def lease(self, names: str, **drafts: str) -> None:
        """A clip for each letter, with what was left unfinished of it."""
        clips = [Clip(name, 3.0, 16000, Hypothesis(f"machine text {name}")) for name in names]
        self.session.extend((Leased(f"lease-{clip.id}", clip, 1e12) for clip in clips), drafts=drafts)

    def start(self, watcher: Any) -> None: ...

    def fetch_ahead(self, then: Any) -> None: ...

    def stamp(self) -> Stamp:
        return Stamp(f"id-{next(self._ids)}", "2026-11-23T12:00:00.000Z", 0.0)

    async def save(self, decision: Decision, *, taking_back: bool = False) -> Place | None:
        if self.refuses is not None:
            raise self.refuses
        self.decisions.append(decision)
        self.saved += 1
        return self.session.commit(decision, 0.0, taking_back=taking_back)

    async def save_drafts(self) -> None: ...

    async def top_up(self) -> int:
        if self.gives is not None:
            raise self.gives
        return 0

    async def end(self, finish: Callable[[], Awaitable[None]]) -> None:
        await finish()


class Desk:
    """The screen with a hand at it. `now` is the time of its clock (seconds)."""

    def __init__(self, sitting: PaperSitting, player: MagicMock, settings: Settings, *, silent: bool) -> None:
        self.now = 1000.0
        self.sitting = sitting
        self.player = player
        self.app = EarmarkApp(
            sitting,  # type: ignore[arg-type]
            lambda report: player,
            load("default"),
            settings,
            silent="Sound is off." if silent else None,
        )
        self.on = self.app.reviewing

    async def press(self, *keys: str, after: float = 0.0) -> None:
        """Press keys by name, each `after` so many seconds by the desk's clock."""
        for key in keys:
            self.now += after
            await self.pilot.press(key)

    async def sleep(self, seconds: float) -> None:
        """What the program waits by: the desk's clock. What is too short to press a key in passes by itself."""
        end = self.now + (seconds if seconds > 0.01 else 0.0)
        while self.now < end:  # noqa: ASYNC110 - a clock that is a number rings no bell
            await asyncio.sleep(0.002)

    async def rest(self) -> None:
        """Let time pass until all that keys began is finished."""
        while self.on._tasks._running:
            self.now += 0.01
            await asyncio.sleep(0.002)
        await self.pilot.pause()

    async def decide(self, key: str) -> None:
        """Press a key that decides, as somebody does who has seen the clip."""
        before = len(self.sitting.decisions)
        await self.press(key, after=2.0)
        await self.rest()
        assert len(self.sitting.decisions) == before + 1, self.notice

    def withdraw(self, *names: str) -> None:
        """Customers take clips back."""
        self.on.news.clips_withdrawn(self.sitting.session.withdraw(names))

    @property
    def here(self) -> str | None:
        """The clip on the screen."""
        place = self.sitting.session.current
        return place.clip.id if place is not None else None

    @property
    def verdicts(self) -> list[tuple[str, Verdict]]:
        return [(decision.clip, decision.verdict) for decision in self.sitting.decisions]

    @property
    def notice(self) -> str:
        """What the line for the reviewer says."""
        return " ".join(piece[0] for line in self.app.review_screen.notice.content for piece in line)


Open: TypeAlias = "Callable[..., AbstractAsyncContextManager[Desk]]"


@pytest.fixture
def open_desk(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens a desk with a clip for each letter, on which the first is seen already; without sound, unless `silent` is
    False: then the player is one that says what a test tells it to.
    """

    @asynccontextmanager
    async def opened(names: str = "abc", *, silent: bool = True, **settings: Any) -> AsyncIterator[Desk]:
        player = MagicMock(
            playing=False,
            sounding=False,
            loop=False,
            estimated=False,
            clip=None,
            awaited=None,
            sink_name=None,
            position=0.0,
            duration=0.0,
            speed=1.0,
        )
        desk = Desk(PaperSitting(names), player, Settings(**settings), silent=silent)
        for module in ("deciding", "news", "panels", "reviewing"):
            monkeypatch.setattr(f"earmark.tui.{module}.time", SimpleNamespace(monotonic=lambda: desk.now))
        monkeypatch.setattr("earmark.tui.deciding.asyncio", SimpleNamespace(sleep=desk.sleep))
        desk.on._last_key_at = desk.now
        async with desk.app.run_test(size=(80, 24)) as desk.pilot:
            desk.now += 1.0
            yield desk

    return opened
