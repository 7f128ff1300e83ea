"""Sequences of keys and events that once lost, leaked or mixed something up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from terminal.console import Console
from terminal.desk import Desk, leave, shows
from terminal.desk import decide as press_until_decided

SECRET = "zebra4711"


def ready(console: Console) -> None:
    """A clip is on the screen and the program listens."""
    console.wait(lambda text: "heard" in text and "opening" not in text and "fetching" not in text)


def decide(console: Console, key: str) -> None:
    ready(console)
    press_until_decided(console, key)


def shown_clip(desk: Desk, console: Console) -> str:
    """The id of the clip whose text is on the screen."""
    ready(console)
    (clip,) = [clip.id for clip in desk.clips() if clip.text and shows(console, clip)]
    return clip


def edit(console: Console, text: str) -> None:
    ready(console)
    console.press("e")
    console.wait("EDITING")
    console.type(text)
    console.wait(text.strip().split()[-1])


def test_taking_a_critical_mark_back_never_writes_an_earlier_text_again(desk: Desk) -> None:
    with desk.review() as console:
        edit(console, f" {SECRET}")
        decide(console, "enter")
        console.press("p")
        console.wait("DECIDED corrected")
        decide(console, "c")
        console.press("backspace")
        console.wait("Taken back")
        ready(console)
        assert SECRET not in console.text()
        leave(console)
    verdicts = [entry["verdict"] for entry in desk.journal() if entry["kind"] == "decision"]
    assert verdicts == ["corrected", "critical", "retracted"]
    assert desk.files_with(SECRET) == []


def test_an_open_history_forgets_a_critical_clip(desk: Desk) -> None:
    with desk.review() as console:
        edit(console, f" {SECRET}")
        decide(console, "enter")
        console.press("p")
        console.wait("DECIDED corrected")
        console.press("H")
        console.wait("THIS SITTING")
        decide(console, "ctrl+t")
        console.wait("critical; the clip is closed")
        assert SECRET not in console.text()
        leave(console)


def test_a_history_that_shrank_opens_what_it_showed_or_nothing(desk: Desk) -> None:
    with desk.review() as console:
        decide(console, "s")
        console.press("H")
        console.wait("THIS SITTING")
        console.press("backspace")  # closes the panel: a decision is not taken back by a key that is being read about
        console.wait("Closed.")
        console.settle(0.2, 1.0)  # quicker than a hand would be a key held down
        console.press("backspace")
        console.wait("Taken back")
        console.press("H")
        console.wait("Nothing decided in this sitting yet")
        console.press("enter")
        leave(console)


def test_help_shields_the_clip_from_keys_that_are_being_read_about(desk: Desk) -> None:
    with desk.review() as console:
        ready(console)
        for key in ("c", "s", "enter", "u", "d"):
            console.press("?")
            console.wait("KEYS")
            console.press(key)
            console.wait("Closed. Press the key again")
            assert "0 decided" in console.text(), key
        console.press("?")
        console.wait("KEYS")
        decide(console, "ctrl+t")
        console.wait("1 decided")
        leave(console)


@pytest.mark.parametrize("keys", ["s", "c", "d", "u"])
def test_leaving_right_after_a_decision_keeps_it(desk: Desk, keys: str) -> None:
    with desk.review() as console:
        ready(console)
        console.settle(0.5, 1.0)
        console.press(keys, pause=0.0)
        console.press("q", pause=0.0)
        assert console.wait_exit(20) == 0
        assert "fault" not in console.text()
    assert len([entry for entry in desk.journal() if entry["kind"] == "decision"]) == 1


def test_a_withdrawal_wakes_no_blank_screen(desk: Desk) -> None:
    desk.settings.update(EARMARK_IDLE_BLANK="2", EARMARK_SYNC_SECONDS="1")
    with desk.review() as console:
        clip = shown_clip(desk, console)
        console.wait("Blank and silent", 15)
        desk.run("withdraw", "--yes", clip)
        console.settle(1.5, 4.0)
        assert "Blank and silent" in console.text()
        assert "▶" not in console.text()
        console.press("x")
        console.wait("took this recording back")
        leave(console)


def test_a_draft_outlives_a_sitting_in_which_somebody_else_had_its_clip(desk: Desk) -> None:
    with desk.review() as console:
        edit(console, f" {SECRET}")
        console.press("ctrl+c")
        console.wait_exit()
    with desk.review(reviewer="bob") as bob:
        ready(bob)
        with desk.review() as console:
            ready(console)
            leave(console)
        leave(bob)
    with desk.review() as console:
        console.wait("left this text unfinished")
        assert SECRET in console.text()
        leave(console)


def test_undoing_a_revision_gives_the_earlier_verdict_back(desk: Desk) -> None:
    with desk.review() as console:
        decide(console, "enter")
        console.press("p")
        console.wait("DECIDED accepted")
        edit(console, " more")
        decide(console, "enter")
        console.press("backspace")
        console.wait("Taken back")
        console.wait("DECIDED accepted")
        assert "1 decided" in console.text()
        leave(console)
    assert [result.verdict for result in desk.results()] == ["accepted"]


def test_after_a_disturbing_clip_help_and_critical_act_and_space_plays(desk: Desk) -> None:
    with desk.review() as console:
        decide(console, "d")
        console.wait("plays the next clip")
        console.press("?")
        console.wait("KEYS")
        console.press("escape")
        console.wait(lambda text: "KEYS" not in text)
        decide(console, "c")
        console.wait("2 decided")
        leave(console)


def test_options_of_all_commands_may_stand_behind_the_command(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "earmark.tui", "status", "--home", str(tmp_path / "h"), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"store": 0' in said.stdout
    assert (tmp_path / "h" / "store").is_dir()
