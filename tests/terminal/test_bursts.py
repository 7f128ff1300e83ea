"""Keys that arrive in one piece, as from a slow line or a quick hand: each acts on what those before it have done."""

from __future__ import annotations

from pathlib import Path

import pytest

from terminal.home import Home, decide, leave, opened


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.fill(["one", "two", "three"])
    return home


@pytest.mark.parametrize(
    ("burst", "saved"),
    [
        ("e more\r", "one more"),
        ("e moro\x7fe\r", "one more"),
        ("e \x1b[200~pasted\x1b[201~ more\r", "one pasted more"),
        ("e more\x1b[H\x1b[200~at last \x1b[201~\x1b[F !\r", "at last one more !"),
        ("e more\x1a\x1a\x1a\x1a\x1a\x1a!\r", "one!"),
    ],
)
def test_the_text_is_saved_whole(burst: str, saved: str, home: Home) -> None:
    with home.console("review") as console:
        opened(console)
        console.type(burst)
        console.wait("saved 1")
        console.settle()
        assert leave(console) == 0
    (line,) = home.decisions()
    assert line["payload"]["text"] == saved


def test_the_text_is_kept_whole(home: Home) -> None:
    with home.console("review") as console:
        opened(console)
        console.type("e more\x07")
        console.wait("YOUR TEXT")
        assert "one more" in console.text()
        console.type("e and more\x03")
        assert console.wait_exit() == 0
    (line,) = home.lines()
    assert (line["kind"], line["payload"]["text"]) == ("draft", "one more and more")


def test_nothing_typed_outlives_a_critical_mark(home: Home) -> None:
    with home.console("review") as console:
        opened(console)
        console.type("e secretly\x14")
        console.wait("saved 1")
        console.press("e")
        console.wait("EDITING")
        assert "secretly" not in console.text() and "two" in console.text()
        console.settle(0.4)
        decide(console, "enter")
        assert leave(console) == 0
    assert not home.holding("secretly")
