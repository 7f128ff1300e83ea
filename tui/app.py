"""Wires a sitting, a player and a keymap to the review screen; nothing else."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from rich.segment import Segment
from textual import events
from textual._compositor import CompositorUpdate
from textual.app import App

from earmark.keymaps.actions import Context
from earmark.keymaps.keymap import Keymap
from earmark.tui.painting import Painter
from earmark.tui.reviewing import Reviewing
from earmark.tui.screens.review import ReviewScreen
from earmark.tui.settings import Settings
from earmark.tui.sitting import Sitting
from earmark.tui.terminal import forgiving, when_gone
from earmark.tui.theme import THEMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType
    from textual.driver import Driver

    from earmark.tui.sound.player import Player, PlayerEvent
    from earmark.tui.widgets.editor import Editor

MakePlayer: TypeAlias = "Callable[[Callable[[PlayerEvent], None]], Player]"


class EarmarkApp(App[None], inherit_bindings=False):
    """The program on the screen.

    What Textual does by itself and a tool for private recordings must not is off: no command palette (it saves
    screenshots), no clipboard (OSC 52), no crash screen with local variables, no mouse, no window title.
    """

    CSS_PATH = "earmark.tcss"
    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self,
        sitting: Sitting,
        make_player: MakePlayer,
        keymap: Keymap,
        settings: Settings,
        *,
        greeting: str = "",
        news: str = "",
        silent: str | None = None,
    ) -> None:
        super().__init__()
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = settings.theme
        self.animation_level = "none"
        self.painter = Painter()
        self.player: Player | None = None
        self._make_player = make_player
        self._silent = silent
        self.reviewing = Reviewing(self, sitting, keymap, settings, news or greeting)
        self.reviewing.told = bool(news)
        self.review_screen = ReviewScreen(self.reviewing.show_first)
        self.farewell = ""
        self._editor: Editor | None = None

    # -- beginning and end -------------------------------------------------------------------------------------------

    def get_default_screen(self) -> ReviewScreen:
        return self.review_screen

    def on_ready(self) -> None:
        # The first clip is on the screen by now: what is slow (decoding, the sound card, the store) begins here.
        from earmark.tui.hearing import Hearing

        gc.enable()
        self._own_context = contextvars.copy_context()
        self.player = self._make_player(self._player_says)
        self.hearing = Hearing(
            self, self.reviewing.sitting, self.player, self.reviewing.settings.must_hear, self._silent
        )
        self.reviewing.begin(self.hearing)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._stray)
        when_gone(loop, self._hung_up)

    def _stray(self, _: asyncio.AbstractEventLoop, said: dict[str, Any]) -> None:
        # A task that nobody awaits has died, and with it saving or sending: that must not pass in silence.
        error = said.get("exception")
        if isinstance(error, Exception):
            self._handle_exception(error)

    def _hung_up(self) -> None:
        # The line is gone: silence first, then the draft and the leases.
        if self.player is not None:
            self.player.rest()
        self.reviewing.leave_now()

    async def _on_exit_app(self) -> None:
        if self.player is not None:
            self.player.close()
        await super()._on_exit_app()

    # -- the text field, made when it is first needed ----------------------------------------------------------------

    @property
    def editor(self) -> Editor:
        """The text field."""
        if self._editor is None:
            from earmark.tui.widgets.editor import Editor

            self._editor = Editor(id="editor")
            self.review_screen.mount(self._editor, after=self.review_screen.transcript)
        return self._editor

    def open_editor(self, text: str, caret: int) -> None:
        """Put the text field in place of the transcript."""
        editor = self.editor
        editor.open(text, caret)
        self.review_screen.add_class("-editing")
        self.review_screen.set_focus(editor)

    def close_editor(self) -> None:
        """Put the transcript back; the field forgets its text."""
        self.review_screen.set_focus(None)
        self.review_screen.remove_class("-editing")
        self.editor.open("", 0)

    def say(self, text: str, look: str = "muted") -> None:
        """One line for the reviewer."""
        self.review_screen.say(text, look)

    def tell(self, text: str, look: str = "muted") -> None:
        """The same for what no key asked for: an alarm that stands goes on standing."""
        if not self.review_screen.alarmed:
            self.say(text, look)

    # -- input -------------------------------------------------------------------------------------------------------

    def get_driver_class(self) -> type[Driver]:
        """Textual's driver for this platform."""
        return forgiving(super().get_driver_class())

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key) and not event.is_forwarded:
            await self.reviewing.deciding.moved.wait()
            if not self.reviewing.key(event.key, event.character):
                await self.editor.take(event)
            return
        if isinstance(event, events.Paste) and not event.is_forwarded:
            if self.reviewing.context is Context.EDIT:
                await self.editor.take(event)
            else:
                self.reviewing.pasted()
            return
        if isinstance(event, events.Resize):
            self.painter.forget()
            self.call_after_refresh(self._resized)
        await super().on_event(event)

    def _resized(self) -> None:
        self.reviewing.paint_status()
        self.reviewing.paint_hints()
        self.review_screen.say_again()
        self.reviewing.panels.resized()
        if self.player is not None:
            self.hearing.paint()

    def _player_says(self, event: PlayerEvent) -> None:
        # Comes from a thread of the player's, whose context knows no app: a timer begun there would die of it.
        # The loop may be closing.
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(
                self.hearing.player_says, event, self.reviewing.paint_status, context=self._own_context
            )

    # -- what leaves for the terminal --------------------------------------------------------------------------------

    def _display(self, screen: Any, renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate):
            renderable = self.painter.thin(renderable)
        super()._display(screen, renderable)

    def _resume_signal(self) -> None:
        self.painter.forget()
        super()._resume_signal()

    def copy_to_clipboard(self, text: str) -> None:
        """Nothing of a clip leaves for a clipboard."""

    def panic(self, *renderables: RenderableType) -> None:
        """Something beside the event loop died, such as the thread that reads the keys: leave in order."""
        from rich.traceback import Traceback

        if self._exception is not None:
            self._fatal_error()
            return
        self._return_code = 1
        traces = [shown.trace.stacks[0] for shown in renderables if isinstance(shown, Traceback)]
        for trace in traces:
            self._tell_fault(trace.exc_type, ((at.filename, at.lineno, at.name) for at in trace.frames))
        if self.player is None:
            self._close_messages_no_wait()
        else:
            self._hung_up()

    def _fatal_error(self) -> None:
        import traceback

        error = self._exception
        places = traceback.extract_tb(error.__traceback__) if error is not None else []
        self._tell_fault(type(error).__name__, ((at.filename, at.lineno or 0, at.name) for at in places))
        if self.player is not None:
            self.player.close()
        self._close_messages_no_wait()

    def _tell_fault(self, kind: str, places: Iterable[tuple[str, int, str]]) -> None:
        # Only where it happened, never the values that were at hand: they may be somebody's words.
        told = [
            "Earmark stopped because of a fault of its own. Every decision shown as saved is in the journal.",
            f"{kind} at:",
            *(f"  {file}:{line} in {name}" for file, line, name in list(places)[-12:]),
        ]
        self._exit_renderables.append(_Plain("\n".join(told) + "\n"))


class _Plain:
    """Text for the terminal after the screen is gone, without markup or highlighting."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Any, options: Any) -> Any:
        yield Segment(self._text)
