"""What the screens look like, against `goldens/`.

`EARMARK_GOLDENS=write` writes them anew: look at each before keeping it.

A golden of a size holds the characters; every theme must show the same ones, for what is told by colour is told by a
sign or a word too. A golden of a theme holds the styles at 80×24.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from earmark.tui.settings import THEMES
from terminal.console import Console
from terminal.desk import Desk, decide, leave, number, ready

GOLDENS = Path(__file__).with_name("goldens")
WRITE = os.environ.get("EARMARK_GOLDENS") == "write"
SIZES = ((80, 24), (100, 30), (160, 50))
TIME = re.compile(r"\d\d:\d\d(?=  (accepted|corrected))")

Shot = dict[str, list[str]]


def walk(desk: Desk, theme: str, columns: int, rows: int) -> Iterator[tuple[str, Console]]:
    """The screens of a sitting with one clip, one after the other, each at rest."""
    clip = desk.clips()[0]
    arguments = ("--sound", "none", "--theme", theme, "--limit", "1")
    with desk.review(*arguments, columns=columns, rows=rows) as console:

        def at_rest(*wanted: str, gone: str | None = None) -> Console:
            console.wait(lambda text: all(each in text for each in wanted) and not (gone and gone in text))
            console.settle(0.15)
            return console

        ready(console, clip)
        yield "review", at_rest("MACHINE HEARD", "no sound", "Sound is off", "space play")
        console.press("e")
        yield "edit", at_rest("EDITING", "enter save")
        console.press("escape")
        at_rest("MACHINE HEARD")
        console.press("?")
        yield "help", at_rest("KEYS", "↑ ↓ move")
        console.press("pagedown")
        yield "help, further down", at_rest("accept the text", gone="KEYS  keymap")
        console.press("escape")
        at_rest("space play")
        console.press("e")
        at_rest("EDITING")
        console.type(" them")
        at_rest("for them")
        console.press("escape")
        yield "kept text", at_rest("YOUR TEXT")
        decide(console, "enter")
        yield "summary", at_rest("NOTHING IS LEFT HERE", "unsent 0", "Saved: corrected")
        console.press("p")
        yield "decided", at_rest("DECIDED corrected")
        console.press("H")
        yield "history", at_rest("THIS SITTING", "enter open")
        console.press("escape")
        at_rest("space play")
        leave(console)


def characters(console: Console) -> list[str]:
    return [TIME.sub("hh:mm", line) for line in console.lines()]


def styles(console: Console) -> list[str]:
    """Runs of equal style, a line of the screen a line: foreground/background, attributes, and the text."""
    told = []
    for y in range(console.rows):
        cells = [console.screen.buffer[y][x] for x in range(console.columns)]
        runs = []
        for style, run in groupby(cells, key=style_of):
            text = "".join(cell.data for cell in run)
            runs.append(f"{style} {TIME.sub('hh:mm', text)!r}" if text.strip() else f"{style} {len(text)} blank")
        told.append(f"{y:2} " + " | ".join(runs))
    return told


def style_of(cell: object) -> str:
    names = ("bold", "italics", "underscore", "strikethrough", "reverse", "blink")
    attributes = [name for name in names if getattr(cell, name)]
    return " ".join([f"{getattr(cell, 'fg')}/{getattr(cell, 'bg')}", *attributes])  # noqa: B009 - pyte has no types


def compare(name: str, screens: Shot) -> None:
    """Compare with a golden, or write it."""
    told = "".join(f"== {title}\n" + "".join(line + "\n" for line in lines) for title, lines in screens.items())
    file = GOLDENS / f"{name}.txt"
    if WRITE:
        file.write_text(told, encoding="utf-8")
    assert told.splitlines() == file.read_text(encoding="utf-8").splitlines(), f"see {file}"


@pytest.mark.parametrize(("columns", "rows"), SIZES)
@pytest.mark.parametrize("theme", THEMES)
def test_every_screen_looks_as_it_should(desk: Desk, theme: str, columns: int, rows: int) -> None:
    shown: Shot = {}
    styled: Shot = {}
    for title, console in walk(desk, theme, columns, rows):
        shown[title], styled[title] = characters(console), styles(console)
        doubt(console, title)
    compare(f"{columns}x{rows}", shown)
    if (columns, rows) == SIZES[0]:
        compare(f"styles-{theme}", styled)


def doubt(console: Console, title: str) -> None:
    """Where the machine's text is shown, a doubtful word is underlined and stands in brackets; nothing else does."""
    underlined = {
        "".join(cell.data for cell in run)
        for y in range(console.rows)
        for marked, run in groupby(
            (console.screen.buffer[y][x] for x in range(console.columns)), lambda c: c.underscore
        )
        if marked
    }
    doubtful = {"‹and›", "‹at›", "‹to›", "‹prickly›", "‹in›", "‹his›"}
    assert underlined == (doubtful if title in ("review", "help", "help, further down") else set()), title


@pytest.mark.parametrize(("columns", "rows"), [(80, 16), (60, 10), (40, 12), (30, 5)])
def test_a_small_window_shows_the_text_the_notice_and_what_is_saved(desk: Desk, columns: int, rows: int) -> None:
    clips = desk.clips()
    with desk.review(columns=columns, rows=rows) as console:
        console.wait(lambda text: "Sound is off" in text and clips[0].text[7:12] in text and "? help" in text, 20)
        assert number(console, "saved") == number(console, "unsent") == 0
        console.press("e")
        console.wait("enter save")
        console.type(" quux")
        console.wait("quux")
        console.press("ctrl+g", "?")
        console.wait(lambda text: "KEYS" in text and "esc close" in text)
        assert "mr john" in console.text()
        console.press("escape")
        console.wait("? help")
        decide(console, "s")
        console.wait("Saved: skipped")
        assert clips[1].text[:6] in console.text()
        console.press("z")
        console.wait("z does nothing")
        leave(console, "ctrl+c")


@pytest.mark.parametrize(("columns", "rows"), [(2, 5), (1, 1)])
def test_a_window_that_shows_next_to_nothing_ends_nothing(desk: Desk, columns: int, rows: int) -> None:
    clips = desk.clips()
    with desk.review() as console:
        ready(console, clips[0])
        console.resize(columns, rows)
        for key in ("z", "e", "x", "ctrl+g", "?", "pagedown", "ctrl+g", "H", "ctrl+g", "s", "z"):
            console.press(key)
            console.settle(0.2, 0.6)
        console.resize(80, 24)
        console.wait(lambda text: number(console, "saved") == 1 and "z does nothing here. Near it" in text)
        ready(console, clips[1])
        leave(console)


def test_nothing_blinks_and_no_key_is_asked_of_a_mouse(desk: Desk) -> None:
    with desk.review() as console:
        ready(console, desk.clips()[0])
        console.press("e")
        console.wait("EDITING")
        leave(console, "ctrl+c")
        assert not re.search(rb"\x1b\[(?:[0-9;]*;)?[56](?:;[0-9;]*)?m", bytes(console.raw)), "SGR 5 or 6: blinking"
        assert not re.search(rb"\x1b\[\?100[0236]h", bytes(console.raw)), "mouse reports"
