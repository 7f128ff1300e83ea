"""What the machine heard, or what the reviewer made of it, with doubtful words marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from earmark.queue.clip import Word

Token = tuple[str, bool]
"""A word as it is shown, and whether it is doubtful."""

OPEN, CLOSE = "‹", "›"
"""What stands around a doubtful word, so that the mark is seen without colour and without underline."""


class Transcript(Widget):
    """The text, wrapped at words. Doubtful words stand in ‹ ›, underlined and in another colour."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"transcript--doubt", "transcript--muted"}

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._tokens: tuple[Token, ...] = ()
        self._empty = ""
        self._lines: list[list[Token]] | None = None
        self._wrapped_for = self.size

    def show(self, tokens: Sequence[Token], *, empty: str = "") -> None:
        """Another text; `empty` is said, muted, when there is none."""
        if (tuple(tokens), empty) == (self._tokens, self._empty):
            return
        self._tokens, self._empty, self._lines = tuple(tokens), empty, None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        plain = self.rich_style
        muted = self.get_component_rich_style("transcript--muted")
        if not self._tokens:
            text = self._empty if y == 0 else ""
            return _line([(text, muted)], width, plain)
        if self._lines is None or self._wrapped_for != self.size:
            # Another size may be painted before the widget is told of it.
            # A text of 100 kB must not be wrapped whole when some lines of it fit.
            self._wrapped_for = self.size
            self._lines = wrapped(self._tokens, width, height + 1)
        if y >= len(self._lines):
            return Strip.blank(width, plain)
        more = y == height - 1 and len(self._lines) > height
        if more and y:
            return _line([("… more text than fits here; edit shows it all", muted)], width, plain)
        doubt = self.get_component_rich_style("transcript--doubt")
        pieces: list[tuple[str, Style]] = []
        for i, (text, doubtful) in enumerate(self._lines[y]):
            if i:
                pieces.append((" ", plain))
            pieces.append((text, doubt if doubtful else plain))
        if more:  # in the only row the sentence would hide the text
            return Strip.join([_line(pieces, width - 1, plain), _line([("…", muted)], 1, plain)])
        return _line(pieces, width, plain)


def _line(pieces: Sequence[tuple[str, Style]], width: int, plain: Style) -> Strip:
    segments = [Segment(text, style) for text, style in pieces if text]
    return Strip(segments).adjust_cell_length(width, plain)


def tokens(text: str, words: Sequence[Word], doubt_below: float) -> list[Token]:
    """The text's words, those marked that the recogniser gave a confidence below `doubt_below` (0 to 1).

    `words` are used when they are the text's own, in its order; an edited text has no confidences.
    """
    shown = text.split()
    if [word.text for word in words] != shown:
        return [(word, False) for word in shown]
    doubtful = [word.confidence is not None and word.confidence < doubt_below for word in words]
    return [
        (f"{OPEN}{word}{CLOSE}", True) if doubt else (word, False) for word, doubt in zip(shown, doubtful, strict=True)
    ]


def wrapped(words: Sequence[Token], width: int, most: int) -> list[list[Token]]:
    """Words in lines of at most `width` cells, at most `most` lines; a word wider than a line is cut into several."""
    lines: list[list[Token]] = [[]]
    used = 0
    for text, doubtful in words:
        for part in _parts(text, width):
            cells = cell_len(part)
            if lines[-1] and used + 1 + cells > width:
                if len(lines) == most:
                    return lines
                lines.append([])
                used = 0
            used += cells + (1 if lines[-1] else 0)
            lines[-1].append((part, doubtful))
    return lines


LONG = re.compile(r".{1,4000}", re.DOTALL)


def _parts(text: str, width: int) -> list[str]:
    if len(text) <= width // 2 or (cell_len(text[:4000]) <= width and len(text) <= 4000):
        return [text]
    return [part for piece in LONG.findall(text[:40_000]) for part in chop_cells(piece, width)]
