"""How keys are spelled, and which of them a terminal can send."""

from __future__ import annotations

import pytest

from earmark.keymaps.keys import display, quote, spell, typed
from earmark.keymaps.terminals import why_not


@pytest.mark.parametrize(
    "key", ["a", "H", ",", "[", "?", "+", "ö", "space", "enter", "f2", "ctrl+t", "ctrl+g", "shift+tab"]
)
def test_right_spelling_stays(key: str) -> None:
    assert spell(key) == key


def test_control_characters_get_the_toolkits_name() -> None:
    assert spell("ctrl+_") == spell("ctrl+underscore") == "ctrl+underscore"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("esc", "escape"),
        ("return", "enter"),
        ("ctrl-t", "ctrl+t"),
        ("Ctrl+T", "ctrl+t"),
        ("C-t", "ctrl+t"),
        ("^t", "ctrl+t"),
        ("<c-t>", "ctrl+t"),
        ("control+c", "ctrl+c"),
        ("ctrl+е", "ctrl+t"),  # the Cyrillic letter
        ("F2", "f2"),
        ("Space", "space"),
        (" ", "space"),
        ("comma", ","),
        ("full_stop", "."),
        ("left_square_bracket", "["),
        ("question mark", "?"),
        ("page-up", "pageup"),
        ("del", "delete"),
        ("bakspace", "backspace"),
        ("e\u0301", "é"),
    ],
)
def test_misspelt_key_names_the_right_one(written: str, meant: str) -> None:
    with pytest.raises(ValueError, match="is no key") as caught:
        spell(written)
    assert str(caught.value).endswith(f'did you mean "{meant}"?')


@pytest.mark.parametrize("written", ["ctrl++", "wrzlbrmft", "ctrl+", "+", "漢字", "\x1b", "alt+ctrl+x", "f25"])
def test_nonsense_is_no_key(written: str) -> None:
    if written == "+":
        assert spell(written) == "+"
        return
    with pytest.raises(ValueError, match="is no key"):
        spell(written)


def test_empty_key_says_how_to_unbind() -> None:
    with pytest.raises(ValueError, match=r"write \[\]"):
        spell("")


@pytest.mark.parametrize(
    ("key", "character", "spelled"),
    [
        ("comma", ",", ","),
        ("left_square_bracket", "[", "["),
        ("space", " ", "space"),
        ("H", "H", "H"),
        ("shift+h", "H", "H"),
        ("enter", "\r", "enter"),
        ("tab", "\t", "tab"),
        ("ctrl+t", "\x14", "ctrl+t"),
        ("ctrl+е", None, "ctrl+t"),  # the kitty protocol on a Russian layout
        ("alt+j", "j", "alt+j"),
        ("plus", "+", "+"),
        ("f2", None, "f2"),
    ],
)
def test_event_gets_the_same_spelling(key: str, character: str | None, spelled: str) -> None:
    assert typed(key, character) == spelled


@pytest.mark.parametrize(
    "key",
    [
        "ctrl+enter",
        "shift+enter",
        "ctrl+space",
        "ctrl+@",
        "ctrl+h",
        "ctrl+m",
        "ctrl+i",
        "ctrl+[",
        "alt+1",
        "alt+enter",
        "alt+x",
        "ctrl+shift+x",
        "shift+space",
        "ctrl+s",
        "ctrl+q",
        "ctrl+b",
        "ctrl+a",
        "f1",
        "f10",
        "f11",
        "f13",
        "ctrl+left",
        "ctrl+1",
        "super+x",
        "shift+a",
        "shift+left",
        "ctrl+f2",
    ],
)
def test_key_that_terminals_cannot_send_is_refused(key: str) -> None:
    assert why_not(spell(key))


@pytest.mark.parametrize(
    "key",
    [
        "f2",
        "f3",
        "f4",
        "f5",
        "f6",
        "f7",
        "f8",
        "f9",
        "f12",
        "ctrl+t",
        "ctrl+g",
        "ctrl+z",
        "ctrl+_",
        "shift+tab",
        "tab",
        "a",
        "?",
        "left",
    ],
)
def test_key_that_arrives_is_allowed(key: str) -> None:
    assert why_not(spell(key)) is None


def test_reasons_name_who_takes_the_key() -> None:
    assert "tmux" in str(why_not("ctrl+b"))
    assert "screen" in str(why_not("ctrl+a"))
    assert "backspace" in str(why_not("ctrl+h"))
    assert "flow control" in str(why_not("ctrl+s"))


def test_display_is_for_people() -> None:
    shown = [
        "space",
        "enter",
        "left",
        "right",
        "escape",
        "f2",
        "ctrl+t",
        "ctrl+underscore",
        "backspace",
        "tab",
        "shift+tab",
        "H",
        ",",
        "+",
        "pageup",
    ]
    assert [display(key) for key in shown] == [
        *("space", "enter", "←", "→", "esc", "F2", "Ctrl+T", "Ctrl+_", "backspace", "tab", "Shift+Tab"),
        *("H", ",", "+", "page up"),
    ]


def test_quote_lets_no_control_through() -> None:
    assert quote("a\x1b[31m\u202e\x9b\ud800").isprintable()
    assert len(quote("x" * 1000)) == 42
