"""The plainest Textual programs that do what a part of the screen does: `plain.py minimal|text|label|progress`."""

from __future__ import annotations

import sys

from textual.app import App, ComposeResult
from textual.widget import Widget
from textual.widgets import Static


class Plain(App[None]):
    """One widget, as Textual brings it."""

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget

    def compose(self) -> ComposeResult:
        yield self.widget


class Counting(Plain):
    """A label that counts keys."""

    count = 0

    def on_key(self) -> None:
        assert isinstance(self.widget, Static)
        self.count += 1
        self.widget.update(f"READY {self.count}")


def progress() -> App[None]:
    """A progress bar that moves five times a second, as the playhead does."""
    from textual.widgets import ProgressBar

    class Moving(Plain):
        def on_mount(self) -> None:
            assert isinstance(self.widget, ProgressBar)
            self.set_interval(0.2, self.widget.advance)

    return Moving(ProgressBar(total=100, show_eta=False))


def text() -> App[None]:
    """A text field, ready to be typed into."""
    from textual.widgets import TextArea

    return Plain(TextArea("READY "))


KINDS = {
    "minimal": lambda: Plain(Static("READY")),
    "text": text,
    "label": lambda: Counting(Static("READY 0")),
    "progress": progress,
}

if __name__ == "__main__":
    KINDS[sys.argv[1]]().run(mouse=False)
