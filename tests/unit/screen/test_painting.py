"""What the painter writes brings a terminal to the same screen as writing everything would, and holds no control."""

from __future__ import annotations

import random

import pyte
import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from earmark.tui.painting import Painter, harmless

WIDTH, HEIGHT = 30, 6
STYLES = [
    Style(),
    Style(bold=True),
    Style(color="#5cc8ff", bgcolor="#10151c"),
    Style(reverse=True),
    Style(underline=True),
]
NARROW = "abcdefgh  ▁▂▃━─◆é"
WIDE = "日本語한글"
JOINED = ["e\u0301", "שלום", "👩‍👩‍👧", "नि", "مرحبا"]


def console() -> Console:
    return Console(color_system="truecolor", force_terminal=True, width=WIDTH, height=HEIGHT, legacy_windows=False)


def row(draw: random.Random, *, simple: bool) -> Strip:
    segments: list[Segment] = []
    room = WIDTH
    while room:
        text = "".join(draw.choice(NARROW) for _ in range(draw.randint(1, 8)))
        if not simple and draw.random() < 0.3:
            text = draw.choice([draw.choice(WIDE), *JOINED])
        segment = Segment(text, draw.choice(STYLES))
        if segment.cell_length > room:
            segment = Segment(" " * room, draw.choice(STYLES))
        room -= segment.cell_length
        segments.append(segment)
    return Strip(segments, WIDTH)


class Terminal:
    def __init__(self) -> None:
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self.stream = pyte.Stream(self.screen)
        self.stream.feed("\x1b[?7l")  # as in the program: a row that is full does not wrap

    def cells(self) -> list[list[tuple[object, ...]]]:
        default = self.screen.default_char
        return [[tuple(self.screen.buffer[y].get(x, default)) for x in range(WIDTH)] for y in range(HEIGHT)]


def layout(strips: list[Strip]) -> CompositorUpdate:
    return LayoutUpdate([[strip] for strip in strips], Region(0, 0, WIDTH, HEIGHT))


def test_the_difference_leads_to_the_same_screen() -> None:
    for seed in range(60):
        draw = random.Random(seed)
        painter, thin, whole = Painter(), Terminal(), Terminal()
        strips = [row(draw, simple=True) for _ in range(HEIGHT)]
        thin.stream.feed(painter.write(layout(strips), console()))
        whole.stream.feed(layout(strips).render_segments(console()))
        for _ in range(20):
            y = draw.randrange(HEIGHT)
            new = row(draw, simple=True)
            if draw.random() < 0.5:
                strips[y] = new
                update = layout(strips)
            else:
                x1 = draw.randrange(WIDTH - 1)
                x2 = draw.randint(x1 + 1, WIDTH)
                strips[y] = Strip.join([strips[y].crop(0, x1), new.crop(x1, x2), strips[y].crop(x2, WIDTH)])
                update = ChopsUpdate([{0: strip} for strip in strips], [(y, x1, x2)], [[WIDTH] for _ in strips])
            thin.stream.feed(painter.write(update, console()))
            if draw.random() < 0.05:
                painter.forget()
            whole.stream.feed(update.render_segments(console()))
            assert thin.cells() == whole.cells(), seed


def test_rows_of_wide_or_joined_text_are_written_whole_and_only_when_they_change() -> None:
    draw = random.Random(4)
    painter, terminal, whole = Painter(), Terminal(), Terminal()
    for _ in range(40):
        strips = [row(draw, simple=False) for _ in range(HEIGHT)]
        terminal.stream.feed(painter.write(layout(strips), console()))
        whole.stream.feed(layout(strips).render_segments(console()))
        assert [line.rstrip() for line in terminal.screen.display] == [line.rstrip() for line in whole.screen.display]
        assert painter.write(layout(strips), console()) == ""


def test_one_changed_cell_costs_a_move_and_a_cell() -> None:
    painter = Painter()
    before = [Strip([Segment("x" * WIDTH, Style(bold=True))], WIDTH)] * HEIGHT
    after = [*before]
    after[2] = Strip([Segment("x" * 7 + "y" + "x" * (WIDTH - 8), Style(bold=True))], WIDTH)
    painter.write(layout(before), console())
    assert painter.write(layout(after), console()) == "\x1b[3;8H\x1b[1my\x1b[0m"


@pytest.mark.parametrize(
    "bad",
    [
        "\x1b[2J",
        "\x1b]52;c;aGk=\x07",
        "a\x07b",
        "\x9b2J",
        "\x7f",
        "\u202egnp",
        "\u2066x\u2069",
        "\r\n",
        "\udc80",
        "\U000e0041",
    ],
)
def test_no_control_character_of_a_text_is_written(bad: str) -> None:
    painter = Painter()
    text = f"{bad:<{WIDTH}}"[:WIDTH]
    written = painter.write(LayoutUpdate([[Strip([Segment(text, Style())])]], Region(0, 0, WIDTH, 1)), console())
    body = written.replace("\x1b[1;1H", "").replace("\x1b[0m", "")
    assert harmless(body) == body
    assert "\ufffd" in body
