"""The text field. Letters, arrows, undo and redo are the text's; every other key is ours."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import TextArea


class Editor(TextArea, inherit_bindings=False):
    """A text field for one clip's text.

    Of Textual's own bindings only movement and erasing are kept: copying would hand the text to the terminal's
    clipboard (OSC 52), and several keys are ours. A transcript is one line that wraps: line feeds do not enter it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor_up", show=False),
        Binding("down", "cursor_down", show=False),
        Binding("left", "cursor_left", show=False),
        Binding("right", "cursor_right", show=False),
        Binding("ctrl+left", "cursor_word_left", show=False),
        Binding("ctrl+right", "cursor_word_right", show=False),
        Binding("home,ctrl+a", "cursor_line_start", show=False),
        Binding("end,ctrl+e", "cursor_line_end", show=False),
        Binding("shift+left", "cursor_left(True)", show=False),
        Binding("shift+right", "cursor_right(True)", show=False),
        Binding("backspace", "delete_left", show=False),
        Binding("delete,ctrl+d", "delete_right", show=False),
        Binding("ctrl+w", "delete_word_left", show=False),
        Binding("ctrl+u", "delete_to_start_of_line", show=False),
        Binding("ctrl+k", "delete_to_end_of_line_or_delete_line", show=False),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, soft_wrap=True, show_line_numbers=False, compact=True, highlight_cursor_line=False)
        self.cursor_blink = False
        self.match_cursor_bracket = False

    def open(self, text: str, caret: int) -> None:
        """Start on a text with the caret after `caret` code points; its undo history is empty."""
        self.load_text(text)
        self.move_cursor((0, min(max(caret, 0), len(text))))

    @property
    def caret(self) -> int:
        """How many code points stand before the caret."""
        return self.cursor_location[1]

    async def take(self, event: events.Key | events.Paste) -> None:
        """Act on a key or a paste before anything else happens.

        Sent through the field's own queue, as Textual does, letters that a slow line delivers together with the enter
        behind them would come when the text is saved already, and a backspace after the letter that follows it.
        """
        with self._context():
            if isinstance(event, events.Paste):
                await self._on_paste(event)
                return
            if event.key == "enter":
                return  # where another key saves, this one would put a line feed into the text
            await self._on_key(event)
            if not event.is_printable:
                for binding in self._bindings.key_to_bindings.get(event.key, ()):
                    await self.run_action(binding.action)

    async def _on_paste(self, event: events.Paste) -> None:
        # What is pasted becomes one line: a line feed in a manifest's text would be a lie about what was said.
        from earmark.queue.text import clean

        event.stop()
        event.prevent_default()
        self.replace(clean(event.text), *self.selection)
