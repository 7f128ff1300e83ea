"""Leaving in every way there is, coming back, and two programs at once."""

from __future__ import annotations

import os
import re
import signal
import sys
import termios
from typing import Any

import pytest

from terminal.console import Console
from terminal.desk import Desk, Loaded, decide, leave, number, ready, shows, squeezed, wait_for

TYPED = " and what I typed"


def leased(desk: Desk) -> int:
    """How many clips somebody holds."""
    return int(desk.sql("SELECT count(*) FROM clip WHERE owner IS NOT NULL")[0][0])


def start_typing(console: Console, clip: Loaded) -> None:
    ready(console, clip)
    console.press("e")
    console.wait("EDITING")
    console.type(TYPED)
    console.wait(lambda text: squeezed(clip.text + TYPED) in squeezed(text))


def check_draft(desk: Desk, clip: Loaded) -> None:
    """The draft is in the journal, nothing was decided, and nobody holds a clip."""
    (line,) = desk.journal()
    assert (line["kind"], line["clip"], line["payload"]["text"]) == ("draft", clip.id, clip.text + TYPED)
    assert desk.results() == []
    assert leased(desk) == 0


def test_what_was_being_typed_is_offered_again_before_all_else(desk: Desk) -> None:
    clips = desk.clips()
    german = next(clip for clip in clips if desk.sql(f"SELECT lang FROM clip WHERE id = '{clip.id}'") == [("de",)])
    assert german != clips[0]
    with desk.review("--sound", "none", "--lang", "de") as console:
        start_typing(console, german)
        leave(console, "ctrl+c")
    check_draft(desk, german)
    with desk.review() as console:
        console.wait("You left this text unfinished")
        console.wait(lambda text: "YOUR TEXT" in text and squeezed(german.text + TYPED) in squeezed(text))
        decide(console, "enter")
        wait_for(console, clips[0])
        leave(console)
    with desk.review() as console:
        ready(console, clips[0])
        assert "unfinished" not in console.text()
        leave(console)
    (result,) = desk.results()
    assert (result.clip, result.verdict, result.text) == (german.id, "corrected", german.text + TYPED)


def hang_up(console: Console) -> None:
    console.hang_up()


def send(number: signal.Signals) -> Any:
    def sent(console: Console) -> None:
        console.process.send_signal(number)

    return sent


@pytest.mark.parametrize(
    "go", [hang_up, send(signal.SIGHUP), send(signal.SIGTERM)], ids=["lost line", "SIGHUP", "SIGTERM"]
)
def test_a_lost_line_silences_keeps_the_draft_and_gives_clips_back(desk: Desk, pulse: Any, go: Any) -> None:
    clip = desk.clips()[0]
    with desk.review("--sound", "auto") as console:
        console.wait("▶ playing", 20)
        start_typing(console, clip)
        assert leased(desk) > 0
        go(console)
        console.process.wait(20)
        # The children that play are of its process group.
        with pytest.raises(ProcessLookupError):
            os.killpg(console.process.pid, 0)
    check_draft(desk, clip)


DEAF = """
from textual.drivers.linux_driver import LinuxDriver

process_message = LinuxDriver.process_message

def fail(self, message):
    if getattr(message, "key", "") == "f9":
        local = "what was " + "at hand"
        raise ValueError(local)
    process_message(self, message)

LinuxDriver.process_message = fail
from earmark.tui.commands import main
main()
"""
"""The program, in which the thread that reads the keys dies at F9."""


def test_when_the_keys_are_no_longer_read_the_draft_is_kept_and_the_fault_told_without_values(desk: Desk) -> None:
    clip = desk.clips()[0]
    script = desk.folder / "deaf.py"
    script.write_text(DEAF)
    with Console([sys.executable, str(script), "review", "--sound", "none"], desk.environment()) as console:
        start_typing(console, clip)
        said = leave(console, "f9", 1)
        assert "Earmark stopped because of a fault of its own" in said
        assert "ValueError" in said
        assert "deaf.py" in said
        assert "at hand" not in said
    check_draft(desk, clip)


@pytest.mark.parametrize("keys", [("ctrl+c",), ("q",), ("e", "ctrl+c"), ("?", "ctrl+c", "ctrl+c")])
def test_the_terminal_is_left_as_it_was(desk: Desk, keys: tuple[str, ...]) -> None:
    with desk.review() as console:
        before = termios.tcgetattr(console._fd)
        ready(console, desk.clips()[0])
        assert termios.tcgetattr(console._fd)[3] != before[3], "the screen took no keys of its own"
        for key in keys[:-1]:
            console.press(key)
            console.settle(0.2)
        leave(console, keys[-1])
        assert termios.tcgetattr(console._fd)[3] == before[3]
        raw = bytes(console.raw)
        for on, off in ((b"1049h", b"1049l"), (b"25l", b"25h"), (b"2004h", b"2004l"), (b"1004h", b"1004l")):
            assert raw.rfind(b"\x1b[?" + off) > raw.rfind(b"\x1b[?" + on) >= 0, on
        assert re.fullmatch(r"0 saved, 0 not sent yet\.", console.text().strip())
    assert leased(desk) == 0


def test_what_was_decided_last_is_sent_before_the_program_is_gone(desk: Desk) -> None:
    clips = desk.clips()
    with desk.review() as console:
        for clip in clips[:3]:
            ready(console, clip)
            decide(console, "enter")
        assert "3 saved, 0 not sent yet." in leave(console)
    assert [result.clip for result in desk.results()] == [clip.id for clip in clips[:3]]
    assert leased(desk) == 0


def test_a_window_may_change_its_size_in_the_middle_of_a_clip(desk: Desk, pulse: Any) -> None:
    clip = desk.clips()[0]
    with desk.review("--sound", "auto") as console:
        console.wait("▶ playing", 20)
        for columns, rows in ((160, 50), (80, 24), (100, 30), (80, 24)):
            if rows == 24:
                # Smaller than the screen is made for, on the way: nothing is promised but that it comes back.
                console.resize(30, 9)
                console.settle(0.2)
            console.resize(columns, rows)
            # The old hint line is gone from where it was, and the new one is at the foot.
            console.wait(lambda _, last=rows - 1: console.lines()[last].startswith(" space play"))
            console.wait(lambda text: shows(console, clip) and "Earmark" in console.lines()[0])
            head = next(line for line in console.lines() if "◆" in line)
            assert len(head.rstrip()) == columns - 1
        console.press("e")
        console.wait("EDITING")
        console.type(TYPED)
        console.resize(100, 30)
        console.wait(lambda text: squeezed(clip.text + TYPED) in squeezed(text) and "EDITING" in text)
        leave(console, "ctrl+c")
    assert desk.journal()[-1]["payload"]["text"] == clip.text + TYPED


# -- two at once -----------------------------------------------------------------------------------------------------


def test_a_second_screen_of_the_same_reviewer_is_refused_with_words(desk: Desk) -> None:
    clips = desk.clips()
    with desk.review() as console:
        ready(console, clips[0])
        with desk.review() as second:
            assert second.wait_exit(20) == 1
            said = " ".join(second.text().split())
            assert said.startswith("Error: ")
            assert "another Earmark is using the journal" in said
            assert "close it first" in said
            assert "Traceback" not in said
            assert clips[0].text[:20] not in said
        decide(console, "enter")
        wait_for(console, clips[1])
        # Syncing beside it is no error, and does nothing.
        told = desk.run("sync").stdout
        assert "review screen is open" in told
        console.wait(lambda text: number(console, "unsent") == 0, 20)
        leave(console)
    assert len(desk.journal()) == 1


# -- the demo --------------------------------------------------------------------------------------------------------


def test_the_demo_keeps_what_was_decided_until_it_is_reset(desk: Desk) -> None:
    with desk.open("demo", "--sound", "none") as console:
        console.wait("MACHINE HEARD", 20)
        console.wait(lambda text: "opening" not in text and "fetching" not in text)
        clips = number(console, "to go")
        assert 8 <= clips <= 12
        decide(console, "enter")
        decide(console, "u")
        console.wait(lambda text: number(console, "decided") == 2)
        leave(console)
    with desk.open("demo", "--sound", "none") as console:
        console.wait("2 decided", 20)
        assert number(console, "to go") == clips - 2
        console.wait("MACHINE HEARD")
        console.press("p")
        console.wait("DECIDED")
        with desk.open("demo", "--reset", "--sound", "none") as second:
            assert second.wait_exit(20) == 1, "a demo that is open must not be reset"
        leave(console)
    with desk.open("demo", "--reset", "--sound", "none") as console:
        console.wait("0 decided", 20)
        assert number(console, "to go") == clips
        leave(console)
    # Nothing of the demo is in the reviewer's own store.
    assert desk.results(verdicts=None, every_revision=True) == []
    assert len(desk.clips()) > clips


def test_the_demo_opens_without_a_sound_card_says_how_to_hear_and_lets_one_decide(desk: Desk, no_device: None) -> None:
    with desk.open("demo") as console:
        console.wait("MACHINE HEARD", 20)
        told = console.wait("unheard", 30)
        assert "no sound" in told
        console.wait(lambda text: "fetching" not in text)
        decide(console, "enter")
        leave(console)
