"""Every fault of a keymap is named, with its file and line, and never becomes an exception of another kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.keymaps.actions import ACTIONS
from earmark.keymaps.check import check
from earmark.keymaps.files import BUILT_IN, built_in, from_disk, parse


def messages(text: str, base: str = "default") -> list[str]:
    return [fault.message for fault in check([built_in(base), parse(text, "mine.toml")])]


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_keymap_is_complete_and_sound(name: str) -> None:
    layer = built_in(name)
    assert check([layer]) == ()
    assert set(layer.keys) == set(ACTIONS)
    assert all(layer.keys.values())


@pytest.mark.parametrize(
    "text",
    [
        "",
        'base = "vim"',
        '[review]\naccept = ["a", "enter"]\nloop = []',
        '[review]\n"review.accept" = "a"',
        'review.accept = "a"',
        '"review.accept" = "a"',
        '[edit]\nsave = ["f6", "enter"]\nhear_again = "shift+tab"',
        '[review]\nedit = "a"\naccept = "e"',
        '[review]\naccept = ["ö", "ж", "ctrl+o", "end"]',
    ],
)
def test_sound_files(text: str) -> None:
    assert messages(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[review]\nacept = "a"', 'line 2: "review.acept" is no action; did you mean review.accept?'),
        (
            '[reviw]\naccept = "a"',
            'line 2: "reviw.accept" is no action (actions stand in [review], [edit], [anywhere]); did you mean '
            "review.accept?",
        ),
        ('[review]\n\n# so\nedit = "esc"', 'line 4: review.edit: "esc" is no key; did you mean "escape"?'),
        (
            '[review]\nedit = ""',
            "line 2: review.edit: an empty key is no key; write [] to leave the action without one",
        ),
        (
            '[review]\naccept = "e"',
            'line 2: "e" is the key of review.accept and of review.edit; give one of them another key, or [] for none',
        ),
        (
            '[anywhere]\ncritical = "f4"',
            'line 2: "f4" is the key of edit.play_pause and of anywhere.critical; give one of them another key, or [] '
            "for none",
        ),
        (
            '[review]\nhelp = "ctrl+t"',
            'line 2: "ctrl+t" is the key of review.help and of anywhere.critical; give one of them another key, or [] '
            "for none",
        ),
        (
            '[edit]\nreplay = "r"',
            'line 2: edit.replay: "r" is text while the text is edited; choose a function key or a ctrl key',
        ),
        (
            '[edit]\nplay_pause = "space"',
            'line 2: edit.play_pause: "space" is text while the text is edited; choose a function key or a ctrl key',
        ),
        (
            '[anywhere]\ncritical = "x"',
            'line 2: anywhere.critical: "x" is text while the text is edited; choose a function key or a ctrl key',
        ),
        (
            '[edit]\nback = "left"',
            'line 2: edit.back: "left" moves or deletes in the text while it is edited; choose a function key or a '
            "ctrl key",
        ),
        (
            '[review]\nhelp = "f1"',
            'line 2: review.help: "f1" cannot be relied on in a terminal: many terminal windows keep it for their own '
            "help; choose another key",
        ),
        (
            "[review]\naccept = []",
            "line 2: review.accept has no key, and the screen cannot be worked without it; give it one",
        ),
        ("[review]\naccept = 5", 'line 2: review.accept: keys are written in quotes, as "a" or ["a", "enter"]'),
        ("[review]\naccept = {a = 1}", 'line 2: review.accept: keys are written in quotes, as "a" or ["a", "enter"]'),
        ('[review]\naccept = [["a"]]', 'line 2: review.accept: keys are written in quotes, as "a" or ["a", "enter"]'),
        (
            '[review]\nedit = "a"\n"review.edit" = "b"',
            "line 2: review.edit is given keys twice; keep one of the two",
        ),
        ("review = 3", "line 1: [review] must be a table of actions and keys"),
        (
            "base = 3",
            "line 1: base must be the name of a built-in keymap in quotes (default, vim, emacs, transcriber)",
        ),
        (
            'base = "emcas"',
            'line 1: there is no keymap "emcas" (built in are default, vim, emacs, transcriber); did you mean emacs?',
        ),
    ],
)
def test_each_fault_is_one_sentence_with_its_place(text: str, message: str) -> None:
    assert messages(text) == [f"mine.toml, {message}"]


@pytest.mark.parametrize(
    "action", ["review.accept", "review.critical", "review.quit", "edit.save", "edit.leave", "anywhere.critical"]
)
def test_action_that_must_have_a_key(action: str) -> None:
    assert [action in message for message in messages(f'"{action}" = []')] == [True]


def test_all_faults_are_told_at_once() -> None:
    assert len(messages('[review]\nacept = "a"\nedit = "F2"\nhelp = "f1"\nskip = "c"\n[edit]\nreplay = "r"\n')) == 5


def test_misspelt_key_causes_no_second_fault() -> None:
    assert len(messages('[review]\naccept = "entr"')) == 1


def test_broken_toml_names_the_line() -> None:
    (message,) = messages('[review]\naccept = "a"\nedit = = "b"\n')
    assert message.startswith("mine.toml, line 3: this is not TOML: ")


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 10_000])
def test_absurd_toml_is_a_fault(text: str) -> None:
    assert messages(text)


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    (fault,) = from_disk(tmp_path / "none.toml").faults
    assert f"{tmp_path}/none.toml: cannot be read (No such file or directory)" in fault.message
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "is not UTF-8 text" in from_disk(binary).faults[0].message


def test_signature_of_a_windows_editor_is_no_fault(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_bytes(b'\xef\xbb\xbf[review]\r\naccept = "a"\r\n')
    assert from_disk(mine).keys == {"review.accept": ("a",)}
    assert from_disk(mine).faults == ()


VALUES = st.recursive(
    st.one_of(
        st.text(max_size=8), st.sampled_from(["a", "enter", "f2", "ctrl+e", "\x1b[31m"]), st.integers(), st.booleans()
    ),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


def as_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" for c in value if not 0xD800 <= ord(c) < 0xE000) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    return str(value)


@given(st.dictionaries(st.one_of(st.sampled_from(list(ACTIONS)), st.text(max_size=12)), VALUES, max_size=6))
def test_whatever_a_file_says_is_read_without_exception_or_control_character(entries: dict[str, object]) -> None:
    text = "".join(f"{as_toml(name)} = {as_toml(value)}\n" for name, value in entries.items())
    for message in messages(text):
        assert message.isprintable()


@given(st.text(max_size=60))
def test_any_text_at_all_is_read(text: str) -> None:
    for message in messages(text):
        assert message.isprintable()
