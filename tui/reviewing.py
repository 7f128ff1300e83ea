"""The hand's side of the review screen: which key does what in which situation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.cells import cached_cell_len

from earmark.keymaps.actions import Action, Context
from earmark.keymaps.keymap import Keymap
from earmark.keymaps.keys import joined
from earmark.queue.journal import JournalError
from earmark.queue.session import Place
from earmark.tui.deciding import DECISIONS, Deciding
from earmark.tui.guard import Stray
from earmark.tui.news import News
from earmark.tui.panels import Panels
from earmark.tui.screens.panels import hint_line, shown
from earmark.tui.screens.review import Playing, ReviewScreen
from earmark.tui.settings import Settings
from earmark.tui.sitting import Sitting
from earmark.tui.tasks import Tasks

if TYPE_CHECKING:
    from earmark.tui.app import EarmarkApp
    from earmark.tui.hearing import Hearing


WHILE_WAITING = frozenset(
    f"review.{name}" for name in ("critical", "undo", "previous", "history", "sign_in", "help", "quit")
) | {
    "anywhere.critical",
    "anywhere.quit",
}
"""What keys do while a clip waits for one, after a disturbing one. Any other key starts it and does nothing else."""


class Reviewing:
    """Holds what is going on (reviewing, editing, a panel open, blank) and carries out actions."""

    def __init__(self, app: EarmarkApp, sitting: Sitting, keymap: Keymap, settings: Settings, greeting: str) -> None:
        self.app = app
        self.sitting = sitting
        self.session = sitting.session
        self.keymap = keymap
        self.settings = settings
        self.context = Context.REVIEW
        self.panels = Panels(self)
        self.blank = False
        self._greeting = greeting
        self.told = False  # something of which there is more need than of why there is no sound
        self.deciding = Deciding(self)
        self.news = News(self)
        self.stray = Stray()
        self.ending = False
        """The program is being left: nothing begins any more."""
        self._last_key_at = time.monotonic()
        self._tasks = Tasks()
        self._do: dict[str, Callable[[], None]] = {}

    @property
    def present(self) -> bool:
        """Whether somebody is there to hear and see: the screen is not blank, and not being left."""
        return not self.blank and not self.ending

    @property
    def screen(self) -> ReviewScreen:
        return self.app.review_screen

    # -- keys --------------------------------------------------------------------------------------------------------

    def key(self, key: str, character: str | None) -> bool:
        """A key was pressed. True when it was ours; False leaves it to the text field."""
        self._last_key_at = now = time.monotonic()
        if self.ending or not self._do:
            return True
        if self.blank:
            self._spend(key, character)
            self.wake()
            return True
        action = self.keymap.lookup(self.context, key, character)
        # What acts from the text field too was meant, whether or not there is one.
        if (action is None or action.context is not Context.ANYWHERE) and self.stray.caught(now):
            self.app.tell(self.stray.words, "warn")
            return True
        self.app.say("")
        if self.deciding.busy and (action is None or action.id not in ("review.quit", "anywhere.quit")):
            self.app.say("Saving …")
            return True
        here = self.session.current
        if here is not None:
            here.keys += 1
        letter = joined(key, character)
        if letter and action is None:
            if self.context is Context.EDIT:
                self.leave_edit()
            elif self.panels.reading:
                self.panels.close()
            return self.key(letter, letter)
        if self.context is Context.EDIT:
            if action is not None:
                self.run(action)
            return action is not None
        if self.panels.open is not None and self.panels.key(key):
            self._spend(key, character)
            return True
        if action is not None and self.panels.shields(action):
            self._spend(key, character)
            return True
        if self.hearing.held and (action is None or action.id not in WHILE_WAITING):
            self._spend(key, character)
            self.hearing.held = False
            self.hearing.play_pause()
        elif action is None:
            self._no_action(character)
        else:
            self.run(action)
        return True

    def _spend(self, key: str, character: str | None) -> None:
        """A key was pressed for something else than its action."""
        action = self.keymap.lookup(Context.REVIEW, key, character)
        if action is not None:
            self.deciding.spent(action.id)

    def run(self, action: Action) -> None:
        """Carry out an action."""
        if action.id in DECISIONS:
            self.deciding.press(action.id)
        else:
            self._do[action.id]()

    def _no_action(self, character: str | None) -> None:
        if character is None or not character.isprintable():
            return
        near = ", ".join(f"{shown(self.keymap, action.id)} {action.label}" for action in self.keymap.nearest(character))
        self.app.say(
            f"{character} does nothing here."
            + (f" Near it: {near}." if near else f" {shown(self.keymap, 'review.help')} shows the keys.")
        )

    def pasted(self) -> None:
        """Text was pasted where letters are commands."""
        self._last_key_at = time.monotonic()
        if self.blank:
            self.wake()
        else:
            self.app.say(f"Pasted text does nothing here; {shown(self.keymap, 'review.edit')} edits the text.", "warn")

    def _actions(self, hearing: Hearing) -> dict[str, Callable[[], None]]:
        return {
            "review.play_pause": hearing.play_pause,
            "review.replay": hearing.replay,
            "review.back": partial(hearing.seek, -1.0),
            "review.forward": partial(hearing.seek, 1.0),
            "review.slower": partial(hearing.change_speed, -1),
            "review.faster": partial(hearing.change_speed, 1),
            "review.loop": hearing.loop,
            "review.edit": self.edit,
            "review.undo": self.deciding.undo,
            "review.previous": self.previous,
            "review.history": self.panels.history,
            "review.sign_in": self.sign_in,
            "review.help": self.panels.help,
            "review.quit": self.quit,
            "edit.hear_again": partial(hearing.replay, 2.0),
            "edit.leave": self.leave_edit,
            "edit.back": partial(hearing.seek, -1.0),
            "edit.forward": partial(hearing.seek, 1.0),
            "edit.play_pause": hearing.play_pause,
            "edit.replay": hearing.replay,
            "edit.slower": partial(hearing.change_speed, -1),
            "edit.faster": partial(hearing.change_speed, 1),
            "edit.undo": lambda: self.app.editor.undo(),
            "edit.redo": lambda: self.app.editor.redo(),
            "anywhere.quit": self.quit,
        }

    # -- going from clip to clip -------------------------------------------------------------------------------------

    def show_first(self) -> None:
        """Put the first clip on the screen, silent yet: the player is made after the first paint."""
        place = self.session.advance(time.monotonic())
        self._show(place)
        self.screen.show_clock(Playing(duration=place.clip.duration, waiting="opening") if place else None, 0.0)
        self.paint_hints()
        if self._greeting and not self.screen.notice.content:
            self.app.say(self._greeting)

    def begin(self, hearing: Hearing) -> None:
        """The first clip was painted: let it sound, and begin what goes on in the background."""
        self.hearing = hearing
        self._do = self._actions(hearing)
        self.deciding.guard.painted(time.monotonic())
        self.paint_status()
        self.hearing.open(self.session.current)
        if not self.told:
            hearing.say_trouble()
        self.sitting.start(self.news)
        self.app.set_interval(1.0, self._idle)
        self.fetch_ahead()

    def fetch_ahead(self) -> None:
        """Have the next clips ready, and, where sound goes out at the other end of a line, already there."""
        self.sitting.fetch_ahead(self.hearing.ahead)

    def visit(self, place: Place | None, *, play: bool = True) -> None:
        """Let a place sound, and show it."""
        self.sound(place, play=play)
        self.show(place)

    def sound(self, place: Place | None, *, play: bool) -> None:
        """Let a place sound."""
        self.deciding.guard.opened()
        self.hearing.open(place, play=play)

    def show(self, place: Place | None) -> None:
        """Show the place that sounds."""
        self._show(place)
        self.app.call_after_refresh(lambda: self.deciding.guard.painted(time.monotonic()))

    def _show(self, place: Place | None) -> None:
        self.screen.show_clip(place, self.settings.doubt_below)
        if place is None:
            self.panels.summary()
        else:
            if self.panels.open == "summary":
                self.panels.close()
            if place.offered:
                place.offered = False
                self.told = True
                edit, accept = shown(self.keymap, "review.edit"), shown(self.keymap, "review.accept")
                self.app.tell(f"You left this text unfinished: {edit} goes on with it, {accept} saves it.", "warn")
        self.paint_status()

    def previous(self) -> None:
        """The clip before this one."""
        place = self.session.previous(time.monotonic())
        if place is None:
            self.app.say("This is the first clip of the sitting.")
        else:
            self.visit(place)

    def forget_clip(self) -> None:
        """Silence, and nothing of the clip stays on the screen, in the field, in a panel or in a cache."""
        self.hearing.forget()
        self.leave_field()
        self.panels.close()
        self.screen.hide_text()
        cached_cell_len.cache_clear()

    def sign_in(self) -> None:
        """Leave for the prompt of the store's host, and come back."""
        from earmark.tui.signing import sign_in

        sign_in(self)

    # -- the text field ----------------------------------------------------------------------------------------------

    def edit(self) -> None:
        """Open the text field where it was left."""
        here = self.session.current
        if here is None:
            return
        self.panels.close()
        self.context = Context.EDIT
        caret = here.caret if here.kept is not None else len(here.shown)
        self.app.open_editor(here.shown, caret)
        self.screen.label.show((("EDITING", "accent"), (f"  {here.clip.lang or ''}", "muted")))
        self.paint_hints()

    def leave_edit(self) -> None:
        """Back to review; the text and the caret are kept."""
        here = self.session.current
        if here is not None and self.context is Context.EDIT:
            self.session.keep(self.typed(), self.app.editor.caret)
        self.leave_field()
        if here is not None:
            self.screen.show_text(here, self.settings.doubt_below)

    def typed(self) -> str:
        """What stands in the text field, cleaned."""
        from earmark.queue.text import clean

        return clean(self.app.editor.text)

    def leave_field(self) -> None:
        """Close the text field, if it is open, without keeping anything."""
        if self.context is Context.EDIT:
            self.context = Context.REVIEW
            self.app.close_editor()
            self.paint_hints()

    # -- going blank -------------------------------------------------------------------------------------------------

    def _idle(self) -> None:
        if self.hearing.active:
            self._last_key_at = time.monotonic()
        limit = self.settings.idle_blank
        if limit and not self.blank and time.monotonic() - self._last_key_at >= limit:
            self.blank = True
            self.hearing.rest()
            if self.context is Context.EDIT:
                self.leave_edit()
                self.stray.closed(math.inf, "Your text is kept, not saved yet.")
            self.screen.add_class("-blank")
            self.later(self._keep_drafts())

    async def _keep_drafts(self) -> None:
        try:
            await self.sitting.save_drafts()
        except (JournalError, OSError) as error:
            self.app.say(f"The draft is NOT SAVED: {error}", "bad")

    def wake(self) -> None:
        """The key that wakes the screen does nothing else."""
        self.blank = False
        self.screen.remove_class("-blank")
        if self.stray.caught(time.monotonic()):
            self.app.tell(self.stray.words, "warn")
        self.fetch_ahead()

    # -- painting ----------------------------------------------------------------------------------------------------

    def paint_status(self) -> None:
        """Progress, saved and unsent counts, and the sound's way out."""
        self.screen.show_status(
            self.session.progress(),
            self.sitting.saved,
            self.sitting.sync,
            self.hearing.way_out if self._do else ("", ""),
            self.settings.unsynced_warn,
            self.sitting.offline,
        )

    def paint_hints(self) -> None:
        """The keys of what is going on."""
        self.screen.hints.show(hint_line(self.keymap, self.context, self.panels.open, self.screen.inner))

    # -- the end -----------------------------------------------------------------------------------------------------

    def quit(self) -> None:
        """Leave: what is typed becomes a draft, leases go back, the last lines are sent."""
        if self.panels.reading:
            self.panels.close()
        else:
            self.leave_now()

    def leave_now(self) -> None:
        """Leave whatever is open."""
        if self.ending:
            return
        self.ending = True
        self.hearing.rest()
        if self.context is Context.EDIT:
            self.leave_edit()
        self.app.say("Keeping drafts, giving clips back …")
        self.later(self._end())

    async def _end(self) -> None:
        try:
            await self.sitting.end(self._tasks.drain)
        except (JournalError, OSError) as error:
            self.app.farewell = f"The unfinished text is NOT SAVED: {error}"
        self.app.exit(return_code=self.app.return_code or 0)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Go on with this when there is time; what has begun is finished before the program is left."""
        self._tasks.begin(work)
