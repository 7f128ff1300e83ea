"""The panel below the transcript: help, history, the end of the queue. It never hides the text."""

from __future__ import annotations

from collections.abc import Sequence

from earmark.tui.widgets.lines import Lines, Piece

PAGE = 8
"""Lines that a page up or down moves by, where so many fit."""


class Panel(Lines):
    """Lines with a first one on top; `scroll` moves by lines, `select` marks one of them."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.lines: list[Sequence[Piece]] = []
        self.top = 0
        self.chosen: int | None = None

    def fill(self, lines: Sequence[Sequence[Piece]], *, chosen: int | None = None) -> None:
        """Show other lines, from the first; `chosen` is the index of the marked one."""
        self.lines = list(lines)
        self.top, self.chosen = 0, chosen
        self._paint()

    def scroll(self, by: int) -> None:
        """Move the lines, or the mark where there is one."""
        if self.chosen is not None:
            self.chosen = min(max(self.chosen + by, 1), len(self.lines) - 1)
        else:
            self.top += by
        self._paint()

    def page(self) -> int:
        """By how many lines to move so that none is passed over unread."""
        return min(PAGE, max(1, self._room() - 1))

    def on_resize(self) -> None:
        self._paint()

    def _room(self) -> int:
        return max(self.size.height, 1)

    def _paint(self) -> None:
        room = self._room()
        self.top = top_of(self.top, self.chosen, room, len(self.lines))
        shown: list[list[Piece]] = []
        for index in range(self.top, min(self.top + room, len(self.lines))):
            if self.chosen is None:
                shown.append(list(self.lines[index]))
                continue
            here = index == self.chosen
            mark: Piece = ("▸ " if here else "  ", "accent")
            shown.append([mark, *((text, "strong" if here and not look else look) for text, look in self.lines[index])])
        below = len(self.lines) - self.top - room
        if below > 0 and room > 1:
            shown[-1] = [(f"… {below + 1} more lines: ↓", "muted")]
        self.show(*shown)


def top_of(top: int, chosen: int | None, room: int, count: int) -> int:
    """The first of `count` lines to show in `room` rows, as near to `top` as may be: the chosen line is in sight, with
    the one above it where there is room, and not in the last row when that says how many more there are.
    """
    if chosen is not None:
        top = max(min(top, chosen - 1), chosen - max(room - 2, 0))
    return min(max(top, 0), max(0, count - room))
