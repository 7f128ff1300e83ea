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
        console.press("Р")  # the Cyrillic letter on the key of H
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


def test_enter_that_saves_nothing_puts_no_line_feed_into_the_text(desk: Desk) -> None:
    clip = desk.clips()[0]
    keymap = desk.folder / "mine.toml"
    keymap.write_text('base = "default"\n\n[edit]\nsave = "ctrl+o"\n')
    with desk.review("--sound", "none", "--keymap", str(keymap)) as console:
        ready(console, clip)
        console.press("e")
        console.wait("EDITING")
        console.type(" one\r two")
        console.wait(lambda text: squeezed(f"{clip.text} one two") in squeezed(text))
        # Left and taken up again, the caret stands where it stood.
        console.press("enter", "escape")
        console.wait("YOUR TEXT")
        console.press("e")
        console.wait("EDITING")
        console.type("!")
        console.wait("two!")
        past_the_first_moment(console)
        decide(console, "ctrl+o")
        leave(console)
    assert desk.journal()[0]["payload"]["text"] == f"{clip.text} one two!"


# -- bytes that are no text --------------------------------------------------------------------------------------------


def test_a_terminal_that_is_not_set_to_utf_8_ends_nothing(desk: Desk) -> None:
    """What it sends for an umlaut stands as U+FFFD in the text, where one sees it, and the sitting goes on."""
    clips = desk.clips()
    with desk.review() as console:
        ready(console, clips[0])
        console.press("e")
        console.wait("EDITING")
        console.type_bytes(" än".encode("latin-1"))
        console.type_bytes(" über".encode("latin-1"))
        console.wait("ber")
        decide(console, "enter")
        wait_for(console, clips[1])
        past_the_first_moment(console)
        console.type_bytes("ä".encode("latin-1"))
        decide(console, "s")
        assert "2 saved, 0 not sent yet." in leave(console)
    assert verdicts(desk) == ["corrected", "skipped"]
    assert desk.journal()[0]["payload"]["text"] == f"{clips[0].text} \ufffdn \ufffdber"


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
    pasted = " first\r\nsecond\tthird\u202e\u200f\x9b fourth"
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
    clips = iter(desk.clips())
    with desk.review() as console:
        for _ in range(8):
            ready(console, next(clips))
            decide(console, "s")
            opened = next(clips)
            wait_for(console, opened)
            before = number(console, "saved")
            console.press("u")
            console.wait(lambda text, before=before: QUICK in text or number(console, "saved") > before)
            if QUICK in console.text():
                console.settle(0.5, 1)
                assert number(console, "saved") == before
                assert shows(console, opened)
                break
            # On a busy machine the key comes too late to be too early: once more.
        else:
            pytest.fail("no key was ignored")
        leave(console)


@pytest.mark.parametrize("key", ["s", "enter", "backspace"])
def test_a_key_held_down_decides_one_clip_and_takes_one_decision_back(desk: Desk, key: str) -> None:
    for _ in range(5):
        with desk.review() as console:
            console.wait("MACHINE HEARD")
            console.wait(lambda text: "opening" not in text and "fetching" not in text)
            for _ in range(3 if key == "backspace" else 0):
                decide(console, "u")
            past_the_first_moment(console)
            before = number(console, "saved")
            steady = hold(console, key)
            console.settle(0.5, 1.5)
            saved = number(console, "saved") - before
            leave(console)
        if steady:
            assert saved == 1
            return
        # The machine was too busy to press keys as a keyboard does: once more.
    pytest.fail("this machine is too busy to hold a key down")


def hold(console: Console, key: str) -> bool:
    """Hold a key down as keyboards do: again after 0.5 s, then 30 times a second for 3 s. False when it was uneven."""
    console.press(key, pause=0.5)
    began = last = time.monotonic()
    steady = True
    while last - began < 3:
        console.press(key, pause=1 / 30)
        now = time.monotonic()
        steady = steady and now - last < 0.1
        last = now
    return steady


# -- what must be heard ----------------------------------------------------------------------------------------------


def test_what_was_not_heard_is_not_judged_but_marked_and_skipped(desk: Desk, pulse: Any) -> None:
    clips = desk.clips()
    with desk.review("--sound", "auto") as console:
        console.wait("▶ playing", 20)
        console.press("space")
        console.wait("‖ paused")
        past_the_first_moment(console)
        for key in ("enter", "u"):
            console.press(key)
            console.wait("Hear 80% of the clip first")
            console.press("up")
            console.wait(lambda text: "Hear 80%" not in text)
        console.press("e")
        console.wait("EDITING")
        console.type("x")
        console.press("enter")
        console.wait(lambda text: "Hear 80% of the clip first" in text and "EDITING" in text)
        assert number(console, "saved") == 0
        console.press("escape")
        console.wait("YOUR TEXT")
        decide(console, "s")
        # The second clip is heard out, and so can be judged.
        wait_for(console, clips[1])
        console.wait(lambda text: "‖ paused" in text and "✓" in text, 20)
        decide(console, "enter")
        wait_for(console, clips[2])
        decide(console, "c")
        wait_for(console, clips[3])
        decide(console, "d")
        # After a disturbing clip nothing sounds until a key, and that key does nothing else.
        wait_for(console, clips[4])
        console.wait("waits for a key")
        console.settle(1.0, 1.2)
        assert "0:00.0 /" in console.text()
        console.press("s")
        console.wait("▶ playing")
        assert shows(console, clips[4])
        assert number(console, "saved") == 4
        leave(console)
    lines = desk.journal()
    assert [line["verdict"] for line in lines if line["kind"] == "decision"] == [
        "skipped",
        "accepted",
        "critical",
        "escalated",
    ]
    assert lines[0]["heard"] < 0.8 <= lines[1]["heard"] <= 1
    assert lines[1]["plays"] == 1
    critical = next(line for line in lines if line["verdict"] == "critical")
    assert 0 < critical["pressed"] <= clips[2].duration


# -- a screen that nobody looks at -----------------------------------------------------------------------------------


def is_blank(console: Console) -> bool:
    lines = [line.strip() for line in console.lines() if line.strip()]
    return len(lines) == 1 and lines[0].startswith(BLANK)


def test_an_idle_screen_goes_blank_and_the_key_that_wakes_it_does_nothing_else(desk: Desk) -> None:
    desk.settings["EARMARK_IDLE_BLANK"] = "1"
    clip = desk.clips()[0]
    with desk.review() as console:
        ready(console, clip)
        console.wait(lambda _: is_blank(console), 15)
        for wake in ("s", "\x03"):
            console.type(wake)
            wait_for(console, clip)
            assert number(console, "saved") == 0
            console.wait(lambda _: is_blank(console), 15)
        console.paste("s")
        wait_for(console, clip)
        console.press("e")
        console.wait("EDITING")
        console.type(" " + SECRET)
        console.wait(SECRET)
        console.wait(lambda _: is_blank(console), 15)
        console.type("s")
        console.wait(lambda text: "YOUR TEXT" in text and SECRET in text)
        # Whoever was typing types on: the letters are no commands before a pause.
        console.type("ques")
        console.wait("Keys act again after a second without one.")
        assert number(console, "saved") == 0
        console.wait(lambda _: is_blank(console), 15)
        console.type("s")
        console.wait("YOUR TEXT")
        leave(console)
    (draft,) = desk.journal()
    assert (draft["kind"], draft["payload"]["text"]) == ("draft", f"{clip.text} {SECRET}")


def test_a_playing_clip_keeps_the_screen_and_a_forgotten_loop_does_not(desk: Desk, pulse: Any) -> None:
    desk.settings["EARMARK_IDLE_BLANK"] = "1"
    clips = desk.clips()
    with desk.review("--sound", "auto") as console:
        console.wait("▶ playing", 20)
        decide(console, "s")
        # This clip lasts three times as long as an idle screen stays.
        wait_for(console, clips[1])
        console.wait(lambda text: "heard 100%" in text or is_blank(console), 20)
        assert not is_blank(console)
        console.press("l", ".", ".", ".", ".", ".", ".")
        console.wait("↻ loop")
        console.wait(lambda _: is_blank(console), 30)
        console.press("space")
        console.wait(lambda text: "‖ paused" in text and "↻ loop" in text)
        assert number(console, "saved") == 1
        leave(console)


# -- critical --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [("ctrl+t",), ("escape", "c")], ids=["while typing", "after it"])
def test_a_critical_mark_drops_what_was_typed_and_taking_it_back_brings_the_clip_only(
    desk: Desk, keys: tuple[str, ...]
) -> None:
    clips = desk.clips()
    with desk.review() as console:
        ready(console, clips[0])
        console.press("e")
        console.wait("EDITING")
        console.type(" " + SECRET)
        console.wait(SECRET)
        decide(console, *keys)
        console.wait(lambda text: SECRET not in text and clips[0].text[:20] not in text)
        wait_for(console, clips[1])
        assert desk.files_with(SECRET) == []
        decide(console, "backspace")
        wait_for(console, clips[0])
        assert "MACHINE HEARD" in console.text()
        assert SECRET not in console.text()
        console.press("e")
        console.wait("EDITING")
        for _ in range(3):
            console.press("ctrl+z")
        console.settle(0.3)
        assert SECRET not in console.text()
        console.press("escape")
        console.wait("MACHINE HEARD")
        leave(console)
    assert desk.files_with(SECRET) == []
    assert verdicts(desk) == ["critical", "retracted"]


def test_the_next_decision_seals_a_critical_mark(desk: Desk) -> None:
    clips = desk.clips()
    with desk.review() as console:
        ready(console, clips[0])
        decide(console, "c")
        wait_for(console, clips[1])
        decide(console, "s")
        wait_for(console, clips[2])
        console.press("H")
        console.wait(lambda text: "THIS SITTING" in text and "critical" in text)
        assert squeezed(clips[0].text[:20]) not in squeezed(console.text())
        console.press("escape")
        decide(console, "backspace")
        wait_for(console, clips[1])
        past_the_first_moment(console)
        console.press("backspace")
        console.wait("There is nothing to take back any more.")
        console.press("p")
        console.wait("This is the first clip of the sitting.")
        assert squeezed(clips[0].text[:20]) not in squeezed(console.text())
        leave(console)
    assert verdicts(desk) == ["critical", "skipped", "retracted"]
