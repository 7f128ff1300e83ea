"""What keys do, and do not do: other layouts, joined keys, pasted text, held keys, keys held back, keys that wake."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from earmark.queue.text import clean
from terminal.console import Console
from terminal.desk import QUICK, Desk, decide, leave, number, ready, shows, squeezed, wait_for

SECRET = "plugh-secret"
BLANK = "Blank and silent"


def verdicts(desk: Desk) -> list[str]:
    return [line["verdict"] for line in desk.journal() if line["kind"] == "decision"]


def past_the_first_moment(console: Console) -> None:
    """Wait until the clip on the screen may be decided."""
    console.settle(0.35, 0.6)


# -- keyboards -------------------------------------------------------------------------------------------------------


def test_a_review_key_answers_in_other_layouts(desk: Desk) -> None:
    c_key = {"Cyrillic": "с", "Greek": "ψ", "Hebrew": "ב", "Arabic": "ؤ", "Hangul": "ㅊ", "full width": "ｃ"}
    clips = desk.clips()
    with desk.review() as console:
        for i, letter in enumerate(c_key.values()):
            ready(console, clips[i])
            decide(console, letter)
        console.press("Р")  # noqa: RUF001 - Cyrillic, on the key of H
        console.wait("THIS SITTING")
        console.press("escape")
        console.wait(lambda text: "THIS SITTING" not in text)
        leave(console, "й")
    assert verdicts(desk) == ["critical"] * len(c_key)


@pytest.mark.parametrize("letter", ["w", "ц", "ｗ"])
def test_a_letter_without_action_names_the_nearest(desk: Desk, letter: str) -> None:
    with desk.review() as console:
        ready(console, desk.clips()[0])
        console.press(letter)
        told = console.wait("does nothing here. Near it:")
        assert letter in told
        assert re.search(r"Near it: .*\be edit\b", told), told
        leave(console)
    assert desk.run("status", "--json").stdout.count('"decided": 0') == 1


def test_escape_and_a_letter_joined_mean_leave_and_then_the_letter(desk: Desk) -> None:
    clips = desk.clips()
    with desk.review() as console:
        ready(console, clips[0])
        console.press("e")
        console.wait("EDITING")
        console.type(" quux")
        console.wait("quux")
        console.type("\x1bH")
        console.wait(lambda text: "YOUR TEXT" in text and "quux" in text and "Nothing decided" in text)
        console.press("escape", "e")
        console.wait(lambda text: "EDITING" in text and "quux" in text)
        past_the_first_moment(console)
        console.type("\x1bs")
        console.wait("Saved: skipped")
        wait_for(console, clips[1])
        leave(console)
    assert verdicts(desk) == ["skipped"]


# -- pasting ---------------------------------------------------------------------------------------------------------


def test_pasted_text_decides_nothing(desk: Desk) -> None:
    clip = desk.clips()[0]
    with desk.review() as console:
        ready(console, clip)
        past_the_first_moment(console)
        console.paste("suc\rsu\r")
        console.wait("Pasted text does nothing here")
        console.settle(0.5, 1)
        assert shows(console, clip)
        assert number(console, "saved") == 0
        leave(console)


def test_pasted_text_becomes_one_cleaned_line_of_the_text(desk: Desk) -> None:
    pasted = " first\r\nsecond\tthird\x1b\x07\u202e\u200f\x9b fourth"
    clip = desk.clips()[0]
    with desk.review() as console:
        ready(console, clip)
        console.press("e")
        console.wait("EDITING")
        console.paste(pasted)
        console.wait("fourth")
        decide(console, "enter")
        leave(console)
    (line,) = desk.journal()
    text = line["payload"]["text"]
    assert text == clean(clip.text + pasted).strip()
    assert text.isprintable()
    assert text.startswith(clip.text + " first second third")


def test_typed_text_that_is_the_machines_counts_as_accepted(desk: Desk) -> None:
    clip = desk.clips()[0]
    with desk.review() as console:
        ready(console, clip)
        console.press("e")
        console.wait("EDITING")
        console.type("x")
        console.wait(lambda text: squeezed(clip.text + "x") in squeezed(text))
        console.press("backspace")
        console.type("   ")
        decide(console, "enter")
        leave(console)
    assert verdicts(desk) == ["accepted"]


# -- too quick, or held ----------------------------------------------------------------------------------------------


def test_a_decision_just_after_the_clip_opened_is_ignored_with_a_hint(desk: Desk) -> None:
    clips = desk.clips()
    with desk.review() as console:
        for i in range(10):
            ready(console, clips[i])
            decide(console, "s")
            # Another key at once; on a machine that is busy it may come too late to be too early.
            wait_for(console, clips[i + 1])
            console.press("u")
            before = number(console, "saved")
            console.wait(lambda text, before=before: QUICK in text or number(console, "saved") > before)
            if QUICK in console.text():
                console.settle(0.5, 1)
                assert number(console, "saved") == before
                assert shows(console, clips[i + 1])
                break
            wait_for(console, clips[i + 2])
            return test_again(console, clips[i + 2 :])
        else:
            pytest.fail("no key was ignored")
        leave(console)
    assert "unintelligible" not in verdicts(desk)
