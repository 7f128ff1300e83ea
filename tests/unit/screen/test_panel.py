"""Which lines a panel shows: the chosen one always, and none is passed over by a page."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from earmark.tui.widgets.panel import Panel, top_of

WIDTH = 30


class Host(App[None]):
    """A panel alone on the screen."""

    def compose(self) -> ComposeResult:
        yield Panel(id="panel")

    def on_mount(self) -> None:
        self.query_one(Panel).styles.height = "1fr"


def shown(panel: Panel) -> list[str]:
    """The panel's rows as they stand on the screen."""
    return [panel.render_line(y).text.rstrip() for y in range(panel.size.height)]


def fill(panel: Panel, count: int, *, chosen: int | None = 1) -> None:
    panel.fill([[(f"line {i}", "")] for i in range(count)], chosen=chosen)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("count", [2, 4, 5, 7, 20])
def test_the_chosen_line_is_always_in_sight(rows: int, count: int) -> None:
    async def walk() -> None:
        app = Host()
        async with app.run_test(size=(WIDTH, rows)):
            panel = app.query_one(Panel)
            fill(panel, count)
            assert "▸ line 1" in shown(panel)
            steps = [1] * count + [-1] * count + [8, 8, -8, -8, 10_000, -1, -1, -10_000]
            for by in steps:
                panel.scroll(by)
                assert f"▸ line {panel.chosen}" in shown(panel)
            assert panel.chosen == 1
            if rows > 2 or count <= rows:
                assert shown(panel)[0] == "  line 0"
            if count <= rows:
                assert "more lines" not in " ".join(shown(panel))
            elif rows > 1:
                last = int(shown(panel)[-2].rpartition(" ")[2])
                assert shown(panel)[-1] == f"… {count - 1 - last} more lines: ↓"

    asyncio.run(walk())


def test_the_chosen_line_stays_in_sight_in_a_window_that_shrinks_and_the_first_comes_back_when_it_grows() -> None:
    async def resize() -> None:
        app = Host()
        async with app.run_test(size=(WIDTH, 10)) as pilot:
            panel = app.query_one(Panel)
            fill(panel, 10)
            panel.scroll(6)
            for rows in (3, 1, 10):
                await pilot.resize_terminal(WIDTH, rows)
                await pilot.pause()
                assert "▸ line 7" in shown(panel)
            assert shown(panel)[0] == "  line 0"

    asyncio.run(resize())


@pytest.mark.parametrize("rows", [2, 3, 5, 9, 15])
def test_a_page_passes_over_no_line(rows: int) -> None:
    async def read() -> None:
        app = Host()
        async with app.run_test(size=(WIDTH, rows)):
            panel = app.query_one(Panel)
            fill(panel, 40, chosen=None)
            seen = set(shown(panel))
            for _ in range(40):
                panel.scroll(panel.page())
                seen |= set(shown(panel))
            assert {f"line {i}" for i in range(40)} <= seen

    asyncio.run(read())


@given(st.integers(-50, 50), st.integers(1, 30), st.integers(1, 60), st.data())
def test_no_row_is_left_empty_that_a_line_could_fill(top: int, room: int, count: int, data: st.DataObject) -> None:
    chosen = data.draw(st.none() | st.integers(0, count - 1))
    top = top_of(top, chosen, room, count)
    assert 0 <= top <= max(0, count - room)
    assert chosen is None or top <= chosen < top + room
