"""Windows smaller than the screen is made for: what stays, and in which order the rest goes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from textual.app import App

import earmark.tui.app
from earmark.queue.session import Progress
from earmark.tui.screens.review import ReviewScreen
from earmark.tui.screens.status import status_line
from earmark.tui.sitting import SyncState
from earmark.tui.theme import THEMES
from earmark.tui.widgets.editor import Editor
from earmark.tui.widgets.lines import cells
from earmark.tui.widgets.transcript import Transcript

WORDS = "NOT SAVED: the disk is full. Make room on it. Then press the key again."


class Host(App[None]):
    """The review screen with a text field, and nobody behind it."""

    CSS_PATH = Path(earmark.tui.app.__file__).with_name("earmark.tcss")

    def __init__(self) -> None:
        super().__init__()
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = "dark"
        self.review_screen = ReviewScreen(lambda: None)

    def get_default_screen(self) -> ReviewScreen:
        return self.review_screen

    def on_ready(self) -> None:
        self.review_screen.mount(Editor(id="editor"), after=self.review_screen.transcript)


def in_sight(screen: ReviewScreen, name: str) -> int:
    """How many rows of a part can be seen."""
    part = screen.query_one(name)
    shown = part.region.intersection(screen.region) if part.display else None
    return shown.height if shown is not None and shown.width else 0


@pytest.mark.parametrize("classes", ["", "-editing", "-panel"])
@pytest.mark.parametrize("rows", [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 18, 19, 20, 24, 28, 50])
def test_text_and_notice_stay_in_sight_and_from_five_rows_on_the_hints_and_what_is_saved(
    rows: int, classes: str
) -> None:
    async def look() -> None:
        app = Host()
        async with app.run_test(size=(40, rows)) as pilot:
            screen = app.review_screen
            screen.add_class(*classes.split())
            screen.say(WORDS, "bad")
            await pilot.pause()
            assert in_sight(screen, "#editor" if classes == "-editing" else "#transcript")
            assert in_sight(screen, "#notice") == (1 if rows < 8 and classes == "-panel" else 2)
            if rows >= 5:
                assert in_sight(screen, "#status") == in_sight(screen, "#hints") == 1
            if rows >= 4 and classes == "-panel":
                assert in_sight(screen, "#panel")

    asyncio.run(look())


@pytest.mark.parametrize("columns", [1, 2, 3, 4, 7])
def test_a_window_of_no_width_takes_a_notice_and_a_text(columns: int) -> None:
    async def squeeze() -> None:
        app = Host()
        async with app.run_test(size=(columns, 5)) as pilot:
            app.review_screen.say(WORDS, "bad")
            app.review_screen.transcript.show([("日本語のテキスト", False), ("two", True)])
            app.review_screen.query_one(Editor).open("日本語のテキスト two", 3)
            await pilot.pause()
            app.review_screen.add_class("-editing")
            await pilot.pause()
            assert app.review_screen.inner >= 1

    asyncio.run(squeeze())


def test_a_text_with_one_row_is_cut_and_not_replaced_by_a_sentence() -> None:
    class One(App[None]):
        def compose(self) -> Any:
            yield Transcript(id="transcript")

    async def look() -> None:
        app = One()
        async with app.run_test(size=(12, 1)):
            transcript = app.query_one(Transcript)
            transcript.show([("one", False), ("two", False), ("three", False), ("four", False)])
            assert transcript.render_line(0).text == "one two    …"

    asyncio.run(look())


# -- the status line -------------------------------------------------------------------------------------------------

GROUPS = {
    "name": "Earmark",
    "counts": "12 decided · 34 to go",
    "pace": "120 clips/h",
    "sign in": "! sign in again",
    "offline": "offline until Sat",
    "saved": "saved 12 · unsent 3",
    "sound": "sink",
}


def told(width: int, look: str, *, away: bool = True, sign_in: bool = True) -> str:
    pieces = status_line(
        Progress(12, 34, 120.0),
        12,
        SyncState(3, sign_in=sign_in),
        ("sink", look),
        100,
        "offline until Sat" if away else "",
        width,
    )
    if width >= len(GROUPS["saved"]):
        assert cells(pieces) <= width
    return "".join(text for text, _ in pieces)


@pytest.mark.parametrize(
    ("look", "order"),
    [
        ("muted", ["pace", "sound", "name", "counts", "offline", "sign in", "saved"]),
        ("warn", ["pace", "name", "counts", "offline", "sound", "sign in", "saved"]),
    ],
)
def test_what_is_saved_and_unsent_stays_longest(look: str, order: list[str]) -> None:
    narrowest = len(GROUPS["saved"])
    shown = {
        name: [width for width in range(narrowest, 200) if words in told(width, look)] for name, words in GROUPS.items()
    }
    assert all(widths == list(range(min(widths), 200)) for widths in shown.values())
    assert sorted(order, key=lambda name: -min(shown[name])) == order
    assert min(shown["saved"]) == narrowest
    for width in range(1, narrowest):
        assert told(width, look) == GROUPS["saved"]


def test_saved_and_unsent_are_there_from_twenty_columns_on() -> None:
    for width in range(19, 120):
        assert GROUPS["saved"] in told(width, "warn", away=False, sign_in=False)
