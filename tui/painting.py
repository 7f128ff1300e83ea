"""Send the terminal only the cells that changed, and never a control character that came from data.

Textual repaints whole widgets: a letter typed costs some two kilobytes, which a reviewer on a slow line feels. The
painter remembers what each row of the terminal shows and writes the difference, as curses does. It is also the last
filter before the driver: every cell's text passes through it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""What must never reach the terminal from data: C0, DEL, C1, bidi controls, lone surrogates, invisible tags."""

SIMPLE = re.compile(
    "[\x20-\x7e\xa0-\xac\xae-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e\u2190-\u21ff\u2500-\u25ff\u266a\u2713\u2801-\u28ff]*"
)
"""Characters that take one cell each and never join with a neighbour: rows of them are compared cell by cell, others
whole.
"""

GAP = 6
"""Unchanged cells that are cheaper to write again than to step over (a cursor move takes 6 to 8 bytes)."""

Cell = tuple[str, Style | None]
"""A character, or a text of several, with its style."""

Piece = tuple[int, tuple[Cell, ...]]
"""A stretch of a row from a column on."""


def harmless(text: str) -> str:
    """The text with every control character replaced by U+FFFD, one for one."""
    return CONTROL.sub("\ufffd", text) if CONTROL.search(text) else text


class Painter:
    """What the terminal shows now, row by row, and how to get from there to what it should show."""

    def __init__(self) -> None:
        self._cells: dict[int, dict[int, Cell]] = {}
        self._pieces: dict[int, Piece] = {}

    def forget(self) -> None:
        """The terminal's content is unknown (resized, resumed, cleared): the next update is written whole."""
        self._cells.clear()
        self._pieces.clear()

    def thin(self, update: CompositorUpdate) -> CompositorUpdate:
        """The same update, to be written as the difference to what the terminal shows."""
        return _Thin(self, update)

    def write(self, update: CompositorUpdate, console: Console) -> str:
        """The characters for the driver."""
        out: list[str] = []
        for y, x, strip in _spans(update):
            segments = [(harmless(segment.text), segment.style) for segment in strip if not segment.control]
            if all(SIMPLE.fullmatch(text) for text, _ in segments):
                out.extend(self._write_cells(y, x, segments, console))
            else:
                out.extend(self._write_piece(y, x, segments, console))
        return "".join(out)

    def _write_cells(self, y: int, x: int, segments: list[Cell], console: Console) -> Iterator[str]:
        shown = self._cells.setdefault(y, {})
        cells = [(char, style) for text, style in segments for char in text]
        changed = [i for i, cell in enumerate(cells) if shown.get(x + i) != cell]
        if changed:
            self._pieces.pop(y, None)
        for first, last in _runs(changed):
            yield _move(x + first, y)
            yield from _write_run(cells[first : last + 1], console)
        for i in changed:
            shown[x + i] = cells[i]

    def _write_piece(self, y: int, x: int, segments: list[Cell], console: Console) -> Iterator[str]:
        # Wide, joined or right-to-left text: where each character lands is the terminal's affair, so the row is
        # compared as one piece, and nothing is taken for known of the row but that piece.
        piece = (x, tuple(segments))
        if self._pieces.get(y) == piece:
            return
        self._cells.pop(y, None)
        self._pieces[y] = piece
        yield _move(x, y)
        for text, style in segments:
            yield _styled(text, style, console)


class _Thin(CompositorUpdate):
    def __init__(self, painter: Painter, update: CompositorUpdate) -> None:
        self._painter = painter
        self._update = update

    def render_segments(self, console: Console) -> str:
        return self._painter.write(self._update, console)


def _spans(update: CompositorUpdate) -> Iterator[tuple[int, int, Iterable[Segment]]]:
    """The pieces of an update: row, first column, and the segments from there on."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            yield y, update.region.x, [segment for strip in strips for segment in strip]
    elif isinstance(update, ChopsUpdate):
        for y, x1, x2 in update.spans:
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if strip is None or x >= x2 or end <= x1:
                    continue
                yield y, max(x, x1), _crop(strip, max(x1 - x, 0), min(end, x2) - x)


def _crop(strip: Strip, start: int, end: int) -> Strip:
    return strip if start == 0 and end >= strip.cell_length else strip.crop(start, end)


def _runs(changed: list[int]) -> Iterator[tuple[int, int]]:
    """Changed columns gathered into runs, first and last, across small gaps."""
    if not changed:
        return
    first = last = changed[0]
    for i in changed[1:]:
        if i - last > GAP:
            yield first, last
            first = i
        last = i
    yield first, last


def _write_run(cells: list[Cell], console: Console) -> Iterator[str]:
    text, style = cells[0]
    for char, next_style in cells[1:]:
        if next_style == style:
            text += char
        else:
            yield _styled(text, style, console)
            text, style = char, next_style
    yield _styled(text, style, console)


def _styled(text: str, style: Style | None, console: Console) -> str:
    return style.render(text, color_system=console._color_system) if style else text


def _move(x: int, y: int) -> str:
    """CUP, move the cursor (ECMA-48, 8.3.21); columns and rows count from 1."""
    return f"\x1b[{y + 1};{x + 1}H"
