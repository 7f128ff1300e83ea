"""The plainest widget: one or more lines of styled pieces, each line fitted to the width. Nothing here reads markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

Piece = tuple[str, str]
"""A text and the name of its look: a component class of the widget, or an empty string for the plain one."""


class Lines(Widget):
    """Lines of pieces from the top; what does not fit is cut. `show` repaints only when something changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "lines--muted",
        "lines--accent",
        "lines--good",
        "lines--warn",
        "lines--bad",
        "lines--strong",
    }

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.content: tuple[tuple[Piece, ...], ...] = ()

    def show(self, *lines: Sequence[Piece]) -> None:
        """Put these lines in place of what is there."""
        content = tuple(tuple(line) for line in lines)
        if content == self.content:
            return
        before, self.content = self.content, content
        changed = [y for y, line in enumerate(content) if y >= len(before) or before[y] != line]
        if len(content) == len(before) and self.size.width:
            for y in changed:
                self.refresh(Region(0, y, self.size.width, 1))
        else:
            self.refresh()

    def look(self, name: str) -> Style:
        """The style of a piece."""
        return self.get_component_rich_style(f"lines--{name}") if name else self.rich_style

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        pieces = self.content[y] if y < len(self.content) else ()
        return fitted([(text, self.look(name)) for text, name in pieces], width, self.rich_style)


def fitted(pieces: Sequence[tuple[str, Style]], width: int, plain: Style) -> Strip:
    """The pieces cut or padded to exactly `width` cells; a cut ends in an ellipsis."""
    segments: list[Segment] = []
    room = width
    for text, style in pieces:
        cells = cell_len(text)
        if cells > room:
            if room > 0:
                segments.append(Segment(set_cell_size(text, room - 1) + "…", style))
            room = 0
            break
        segments.append(Segment(text, style))
        room -= cells
    if room > 0:
        segments.append(Segment(" " * room, plain))
    return Strip(segments, width)


def spread(left: Sequence[Piece], right: Sequence[Piece], width: int) -> list[Piece]:
    """Two groups at the two ends of a line; the right one goes when there is no room for both."""
    used, wanted = cells(left), cells(right)
    if used + wanted + 1 > width:
        return list(left)
    return [*left, (" " * (width - used - wanted), ""), *right]


def cells(pieces: Sequence[Piece]) -> int:
    """How many cells the pieces take."""
    return sum(cell_len(text) for text, _ in pieces)
