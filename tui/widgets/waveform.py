"""The waveform with its playhead."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

EIGHTHS = " ▁▂▃▄▅▆▇█"
"""Block elements, U+2581 to U+2588: bars grow upwards from the foot in eighths of a cell."""


class Waveform(Widget):
    """Bars of the clip's peaks, and under them a ruler: `━` up to the playhead `◆`, `─` from there on.

    The playhead has a row of its own so that moving it costs the terminal two cells and not a column of them.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"waveform--bar", "waveform--played", "waveform--head", "waveform--rest"}

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._peaks = b""
        self._heights: list[int] = []
        self._column = 0
        self._share = 0.0

    def show(self, peaks: bytes) -> None:
        """Another clip: its peaks, 0 to 255 a slice. The playhead goes to the start."""
        self._peaks = peaks
        self._heights = []
        self._share, self._column = 0.0, 0
        self.refresh()

    def playhead(self, share: float) -> None:
        """Move the playhead to this share (0 to 1) of the clip."""
        self._share = min(max(share, 0.0), 1.0)
        width = self.size.width
        column = min(int(self._share * width), width - 1) if width else 0
        if column == self._column:
            return
        first, last = sorted((column, self._column))
        self._column = column
        self.refresh(Region(first, self.size.height - 1, last - first + 1, 1))

    def on_resize(self) -> None:
        self._heights = []
        width = self.size.width
        self._column = min(int(self._share * width), width - 1) if width else 0
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        if y == height - 1:
            return self._ruler(width)
        if not self._heights:
            self._heights = bars(self._peaks, width, (height - 1) * 8)
        floor = (height - 2 - y) * 8
        text = "".join(EIGHTHS[min(max(high - floor, 0), 8)] for high in self._heights)
        return Strip([Segment(text, self.get_component_rich_style("waveform--bar"))], width)

    def _ruler(self, width: int) -> Strip:
        column = self._column
        rest: list[tuple[str, Style]] = [
            ("━" * column, self.get_component_rich_style("waveform--played")),
            ("◆", self.get_component_rich_style("waveform--head")),
            ("─" * (width - column - 1), self.get_component_rich_style("waveform--rest")),
        ]
        return Strip([Segment(text, style) for text, style in rest if text], width)


def bars(peaks: bytes, width: int, eighths: int) -> list[int]:
    """Bar heights in eighths of a cell, one a column.

    Each column takes the largest of its slices; heights are relative to the clip's loudest slice, so that quiet clips
    show their shape, and follow the square root, which is nearer to how loud speech sounds than the magnitude is.
    """
    if not peaks or not width:
        return [0] * width
    loudest = max(peaks)
    if loudest < 2:
        return [0] * width
    count = len(peaks)
    heights = []
    for column in range(width):
        first = column * count // width
        last = max(first + 1, (column + 1) * count // width)
        level = max(peaks[first:last]) / loudest
        heights.append(max(1, round(level**0.5 * eighths)) if level > 0.004 else 0)
    return heights
