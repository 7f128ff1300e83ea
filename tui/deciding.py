"""From a decision key to a durable decision: what is held back, what is said, and what comes next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from earmark.keymaps.actions import Context
from earmark.queue.decision import HAS_TEXT, Verdict
from earmark.queue.journal import JournalError
from earmark.queue.session import Place
from earmark.queue.store.interface import StoreError
from earmark.tui.guard import REPEAT_GAP, Guard
from earmark.tui.screens.panels import shown

if TYPE_CHECKING:
    from earmark.tui.reviewing import Reviewing

DECISIONS = {
    "review.accept": Verdict.ACCEPTED,
    "review.unintelligible": Verdict.UNINTELLIGIBLE,
    "review.skip": Verdict.SKIPPED,
    "review.escalate": Verdict.ESCALATED,
    "review.critical": Verdict.CRITICAL,
    "anywhere.critical": Verdict.CRITICAL,
    "edit.save": Verdict.CORRECTED,
}
"""Actions that give a verdict. An accepted text that was edited counts as corrected, and the other way round."""

SAID = {
    Verdict.ACCEPTED: "Saved: accepted. {undo} takes it back.",
    Verdict.CORRECTED: "Saved: corrected. {undo} takes it back.",
    Verdict.CRITICAL: "Saved: critical; the clip is closed. {undo} takes it back.",
    Verdict.UNINTELLIGIBLE: "Saved: unintelligible. {undo} takes it back.",
    Verdict.SKIPPED: "Saved: skipped; somebody else gets it. {undo} takes it back.",
    Verdict.ESCALATED: "Saved: nobody else is given it. Take your time; {play} plays the next clip.",
    Verdict.RETRACTED: "Taken back. What stood before stands again.",
}


SOUND_FIRST = 0.004
"""Seconds that painting the next clip waits for its sound to begin."""


class Deciding:
    """Gives verdicts on the clip on the screen and takes them back, one at a time."""

    def __init__(self, reviewing: Reviewing) -> None:
        self._on = reviewing
        self._session = reviewing.session
        self._sitting = reviewing.sitting
        self.busy = False
        """A decision is on its way to the disk: until it is there, no key acts on the clip."""
        self.moved = asyncio.Event()
        """Unset for the moment between a durable decision and the next clip's picture: a key waits for it, since it is
        meant for what then can be seen.
        """
        self.moved.set()
        self.guard = Guard()
        # Taking back goes at once, however new the clip on the screen is, but a key held down takes one decision back.
        self._undo_guard = Guard()
        self._undo_guard.painted(float("-inf"))

    def press(self, action: str) -> None:
        """A decision key was pressed: decide, unless the key is held down or the clip has only just opened."""
        here = self._session.current
        if self.busy or here is None:
            return
        verdict = DECISIONS[action]
        judged = self.guard.judge(_hand(verdict), time.monotonic())
        if judged == "ignore":
            if self.guard.fresh(time.monotonic()):
                self._on.app.say("That was quick: the clip has only just opened. Press again to decide.", "warn")
        elif judged == "wait":
            self._on.later(self._unless_held(verdict, here))
        else:
            self.decide(verdict)

    def spent(self, action: str) -> None:
        """A key did something else than its action, such as to wake the screen: held down, it decides nothing."""
        now = time.monotonic()
        if action in DECISIONS:
            self.guard.judge(_hand(DECISIONS[action]), now)
        elif action == "review.undo":
            self._undo_guard.judge("undo", now)

    async def _unless_held(self, verdict: Verdict, meant: Place) -> None:
        await asyncio.sleep(REPEAT_GAP)
        # Meanwhile another key may have decided the clip or left it, or its customer taken it back.
        if self.guard.confirmed() and self._session.current is meant:
            self.decide(verdict)

    def decide(self, verdict: Verdict) -> None:
        """Give the verdict on the clip on the screen, unless something holds it back."""
        on, here = self._on, self._session.current
        if self.busy or on.ending or here is None:
            return
        heard = on.hearing.heard()
        text = None
        if verdict in HAS_TEXT:
            text = (on.typed() if on.context is Context.EDIT else here.shown).strip()
            if self._session.settled(text) and here.kept is None:
                on.leave_field()
                on.visit(self._session.advance(time.monotonic()))
                return
        if self._session.held_back(verdict, heard) is not None:
            done, wanted = f"{heard.share:.0%}", f"{self._session.must_hear:.0%}"
            on.app.say(
                f"Hear {wanted} of the clip first ({done} so far). Critical, skip and disturbing always go.", "warn"
            )
            return
        self.busy = True
        if verdict is Verdict.CRITICAL:
            # Silence and a blank text come before the disk: the mark is pressed because every word is one too many.
            here.kept, here.caret = None, 0
            on.forget_clip()
        on.hearing.silence()
        decision = self._session.decide(verdict, heard, self._sitting.stamp(), text=text)
        on.later(self._save(decision.clip, decision.verdict, self._sitting.save(decision)))

    def undo(self) -> None:
        """Take the last decision back, unless the key is held down."""
        judged = self._undo_guard.judge("undo", time.monotonic())
        if judged == "wait":
            self._on.later(self._undo_unless_held(self._session.last))
        elif judged == "go":
            self._take_back()

    async def _undo_unless_held(self, meant: str | None) -> None:
        await asyncio.sleep(REPEAT_GAP)
        if self._undo_guard.confirmed() and self._session.last == meant:
            self._take_back()

    def _take_back(self) -> None:
        if self.busy or self._on.ending:
            return
        decision = self._session.retract(self._sitting.stamp())
        if decision is None:
            self._on.app.say("There is nothing to take back" + (" any more." if self._session.sealed() else "."))
            return
        self.busy = True
        self._on.hearing.silence()
        self._on.later(self._save(decision.clip, Verdict.RETRACTED, self._sitting.save(decision, taking_back=True)))

    async def _save(self, clip: str, verdict: Verdict, saving: Coroutine[Any, Any, Place | None]) -> None:
        on, keymap = self._on, self._on.keymap
        try:
            place = await saving
        except (JournalError, OSError) as error:
            self.busy = False
            on.app.say(f"NOT SAVED: {error} Then press the key again.", "bad")
            return
        if not self._session.has(clip):
            # It went while its decision was on its way to the disk: what took it away has said so, and shown the next.
            self.busy = False
            return
        self.moved.clear()
        on.sound(place, play=verdict is not Verdict.ESCALATED)
        # The player's thread wants the interpreter before painting takes it: the ear notices sooner than the eye.
        await asyncio.sleep(SOUND_FIRST)
        self.busy = False
        self.moved.set()
        said = SAID[verdict].format(undo=shown(keymap, "review.undo"), play=shown(keymap, "review.play_pause"))
        on.app.say(said, "good")
        on.leave_field()
        on.panels.close()
        on.show(self._session.current)
        on.later(self._top_up())

    async def _top_up(self) -> None:
        try:
            came = await self._sitting.top_up()
        except (JournalError, StoreError):
            came = 0  # the background sync says what is wrong
        if came:
            self._on.news.clips_came(came)
        self._on.fetch_ahead()


def _hand(verdict: Verdict) -> str:
    """What the guard knows a verdict's key by. Saving and accepting are one key in every keymap of ours: held down, it
    saves and accepts nothing more.
    """
    return "text" if verdict in HAS_TEXT else verdict.value
