"""The panel below the transcript: help, history, the end of the queue. It never hides the text."""

from __future__ import annotations

from collections.abc import Sequence

from earmark.tui.widgets.lines import Lines, Piece


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
        last = len(self.lines) - 1
        if self.chosen is not None:
            self.chosen = min(max(self.chosen + by, 1), last)
            if self.chosen < self.top + 1:
                self.top = self.chosen - 1
            self.top = max(self.top, self.chosen - self._room() + 1)
        else:
            self.top = min(max(self.top + by, 0), max(0, len(self.lines) - self._room()))
        self._paint()

    def on_resize(self) -> None:
        self._paint()

    def _room(self) -> int:
        return max(self.size.height, 1)

    def _paint(self) -> None:
        shown: list[list[Piece]] = []
        for index in range(self.top, min(self.top + self._room(), len(self.lines))):
            if self.chosen is None:
                shown.append(list(self.lines[index]))
                continue
            here = index == self.chosen
            mark: Piece = ("▸ " if here else "  ", "accent")
            shown.append([mark, *((text, "strong" if here and not look else look) for text, look in self.lines[index])])
        below = len(self.lines) - self.top - self._room()
        if below > 0 and shown:
            shown[-1] = [(f"… {below + 1} more lines: ↓", "muted")]
        self.show(*shown)
