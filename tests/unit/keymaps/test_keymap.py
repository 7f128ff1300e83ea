"""What a key press does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from textual._xterm_parser import XTermParser
from textual.events import Key

from earmark.keymaps.actions import ACTIONS, Action, Context
from earmark.keymaps.fault import KeymapError
from earmark.keymaps.files import BUILT_IN
from earmark.keymaps.keymap import Keymap, load
from earmark.keymaps.keys import printable
from earmark.keymaps.layouts import distance

REVIEW, EDIT, ANYWHERE = Context.REVIEW, Context.EDIT, Context.ANYWHERE

# What a terminal sends for the keys that the keymaps use and that type no character.
BYTES = {
    "space": " ",
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "backspace": "\x7f",
    "left": "\x1b[D",
    "right": "\x1b[C",
    **{f"f{n}": f"\x1b[{code}~" for n, code in zip(range(1, 10), (11, 12, 13, 14, 15, 17, 18, 19, 20), strict=True)},
    **{f"ctrl+{letter}": chr(ord(letter) - 96) for letter in "cfgjnprtyz"},
    "ctrl+underscore": "\x1f",
}


def press(keymap: Keymap, context: Context, sent: str) -> str | None:
    """The action of what a terminal sends, read by Textual itself."""
    parser = XTermParser()
    (event,) = [event for event in (*parser.feed(sent), *parser.feed("")) if isinstance(event, Key)]
    action = keymap.lookup(context, event.key, event.character)
    return action.id if action else None


def ids(actions: tuple[Action, ...]) -> list[str]:
    return [action.id for action in actions]


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_key_of_a_built_in_keymap_works_as_the_terminal_sends_it(name: str) -> None:
    keymap = load(name)
    for context, bindings in keymap.bindings.items():
        for key, action in bindings.items():
            for heard in (REVIEW, EDIT) if context is ANYWHERE else (context,):
                assert press(keymap, heard, BYTES.get(key, key)) == action, (heard, key)


def test_default_keys_are_the_promised_ones() -> None:
    keys = {
        "review": "play_pause space replay r back left forward right slower ,[ faster .] loop l accept enter edit e "
        "critical c unintelligible u skip s escalate d undo backspace previous p history H sign_in L help ? quit q",
        "edit": "hear_again tab save enter leave escape/ctrl+g back f2 forward f3 play_pause f4 replay f5 slower f8 "
        "faster f9 undo ctrl+z redo ctrl+y",
        "anywhere": "critical ctrl+t quit ctrl+c",
    }
    expected = {}
    for context, row in keys.items():
        words = row.split()
        for name, key in zip(words[::2], words[1::2], strict=True):
            expected[f"{context}.{name}"] = tuple(key) if key in (",[", ".]") else tuple(key.split("/"))
    keymap = load()
    assert {action: keymap.keys_for(action) for action in ACTIONS} == expected
    assert keymap.name == "default"


@pytest.mark.parametrize(
    ("sent", "action"),
    [
        ("с", "critical"),  # Cyrillic es
        ("Р", "history"),  # Cyrillic capital er
        ("ю", "faster"),
        ("σ", "skip"),
        ("ב", "critical"),
        ("ת", "slower"),
        ("ي", "escalate"),
        ("ㄱ", "replay"),
        ("ｅ", "edit"),
        ("？", "help"),
        ("\u3000", "play_pause"),
    ],
)
def test_review_answers_to_other_layouts(sent: str, action: str) -> None:
    assert press(load(), REVIEW, sent) == f"review.{action}"


def test_a_key_bound_as_it_is_comes_before_the_layout(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('[review]\nskip = ["s", "с"]\n', encoding="utf-8")
    assert press(load(mine), REVIEW, "с") == "review.skip"


@pytest.mark.parametrize("sent", ["c", "с", "ｃ", "H", "?", " ", ",", "\u3000"])
def test_text_is_text_in_edit(sent: str) -> None:
    assert press(load(), EDIT, sent) is None


def test_text_is_text_in_edit_whatever_the_bindings() -> None:
    keymap = Keymap("unchecked", {REVIEW: {}, EDIT: {"c": "edit.save", "space": "edit.save"}, ANYWHERE: {}})
    assert keymap.lookup(EDIT, "c", "c") is keymap.lookup(EDIT, "space", " ") is None


def test_contexts_do_not_hear_each_other() -> None:
    assert press(load(), REVIEW, "\t") is None
    assert press(load(), EDIT, "\x7f") is None


@pytest.mark.parametrize("context", [REVIEW, EDIT])
def test_critical_and_quit_are_heard_in_every_context(context: Context) -> None:
    assert press(load(), context, "\x14") == "anywhere.critical"
    assert press(load(), context, "\x03") == "anywhere.quit"
    assert press(load(), context, "\x1b[1077;5u") == "anywhere.critical"  # ctrl and the T key, Russian, kitty protocol


def test_alt_and_a_letter_is_not_the_letter() -> None:
    assert press(load(), REVIEW, "\x1bj") is None
    assert load().lookup(REVIEW, "alt+c", "c") is None


def test_nearest_names_the_neighbours() -> None:
    keymap = load()
    assert ids(keymap.nearest("x")) == ["review.critical", "review.escalate"]
    assert ids(keymap.nearest("ч")) == ids(keymap.nearest("x"))
    assert ids(keymap.nearest("C"))[0] == "review.critical"
    assert ids(keymap.nearest("é"))[0] == "review.edit"
    assert keymap.nearest("漢") == keymap.nearest("7") == keymap.nearest("") == ()


def test_marks_lie_apart_from_accept_and_nothing_needs_altgr() -> None:
    altgr = set("[]{}|\\@#~`")
    for name in BUILT_IN:
        keymap = load(name)
        assert "enter" in keymap.keys_for("review.accept")
        for mark in ("critical", "unintelligible", "escalate"):
            for key in keymap.keys_for(f"review.{mark}"):
                # Enter lies three keys to the right of the L.
                width = distance(key, "l")
                assert width is not None, (name, mark)
                assert width >= 2, (name, mark)
        for action in ACTIONS:
            assert set(keymap.keys_for(action)) - altgr, (name, action)


def test_labels_fit_the_hint_line() -> None:
    assert max(len(action.label) for action in ACTIONS.values()) <= 12
    assert all(action.id == f"{action.context}.{action.id.split('.')[1]}" for action in ACTIONS.values())


def test_users_file_names_only_what_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('base = "vim"\n[review]\naccept = ["a", "enter"]\nloop = []\n', encoding="utf-8")
    keymap = load(mine)
    assert keymap.name == "mine"
    assert keymap.keys_for("review.accept") == ("a", "enter")
    assert keymap.keys_for("review.loop") == ()
    assert keymap.keys_for("review.undo") == ("u", "backspace")
    assert load(str(mine)) == keymap
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert load("~/mine.toml") == keymap


def test_users_file_lies_over_the_keymap_that_is_named(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('base = "vim"\n[review]\naccept = "a"\n', encoding="utf-8")
    assert load(None, mine).keys_for("review.undo") == ("u", "backspace")
    assert load(None, mine).name == "vim"
    over = load("transcriber", mine)
    assert over.keys_for("review.accept") == ("a",)
    assert over.keys_for("edit.back") == ("f7",)


def test_faulty_keymap_is_refused_with_all_faults(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('[review]\naccept = "e"\nhelp = "f1"\n', encoding="utf-8")
    with pytest.raises(KeymapError, match=r"mine.toml, line 2: .*\n?") as caught:
        load(mine)
    assert [fault.line for fault in caught.value.faults] == [3, 2]


def test_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(KeymapError, match=r'there is no keymap "vmi" .*; did you mean vim\?'):
        load("vmi")


def test_no_built_in_binds_text_in_edit() -> None:
    for name in BUILT_IN:
        for context in (EDIT, ANYWHERE):
            assert not [key for key in load(name).bindings[context] if printable(key)]


def test_loading_needs_the_standard_library_only() -> None:
    code = (
        "import sys; import earmark.keymaps.keymap as k; light = set(sys.modules); k.load('vim');"
        "print([m for m in sys.modules if m.split('.')[0] in ('textual', 'rich', 'click', 'msgspec', 'numpy')],"
        "[m for m in ('tomllib', 'difflib', 'dataclasses', 'inspect', 'importlib.resources') if m in light])"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {SOURCE!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[] []"


SOURCE = str(Path(__file__).resolve().parents[3] / ".src")
