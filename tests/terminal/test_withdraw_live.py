"""A customer takes a recording back while it is on a reviewer's screen."""

from __future__ import annotations

import subprocess
import time

from terminal.console import earmark
from terminal.desk import Desk, decide, leave, number, ready, shows, squeezed, wait_for

WITHDRAWN = "The customer took this recording back"
CORRECTED = "plugh corrected"
TYPED = "xyzzy half typed"


def test_a_withdrawn_clip_leaves_the_screen_the_journal_and_every_file(desk: Desk) -> None:
    desk.settings["EARMARK_SYNC_SECONDS"] = "1"
    decided, shown, following = desk.clips()[:3]
    with desk.review() as console:
        ready(console, decided)
        console.press("e")
        console.wait("EDITING")
        console.type(f" {CORRECTED}")
        console.wait(CORRECTED)
        decide(console, "enter")
        wait_for(console, shown)
        console.wait(lambda _: number(console, "unsent") == 0)
        console.press("e")
        console.wait("EDITING")
        console.type(f" {TYPED}")
        console.wait(TYPED)

        nobody_to_ask = desk.run("withdraw", decided.id, shown.id, code=2)
        assert "--yes" in nobody_to_ask.stderr
        told = desk.run("withdraw", "--yes", decided.id, shown.id)
        assert told.stdout == "2 clips withdrawn.\n"
        assert "review screen is open" in told.stderr

        console.wait(WITHDRAWN, 15)
        wait_for(console, following)
        for text in (TYPED, CORRECTED, shown.text[:20], decided.text[:20]):
            assert squeezed(text) not in squeezed(console.text())
        end = time.monotonic() + 15
        while any(desk.files_with(text) for text in (decided.text, shown.text, CORRECTED, TYPED)):
            assert time.monotonic() < end, [desk.files_with(text) for text in (CORRECTED, TYPED, decided.text)]
            console.settle(0.2, 0.3)
        # What came before is gone from the sitting too, and the next clip can be decided, once the hand has paused.
        console.settle(1.2, 1.5)
        console.press("p")
        console.wait("This is the first clip of the sitting.")
        assert shows(console, following)
        decide(console, "enter")
        leave(console)
    lines = desk.journal()
    assert [(line["kind"], line["clip"]) for line in lines] == [
        ("decision", decided.id),
        ("erasure", decided.id),
        ("decision", following.id),
    ]
    assert lines[0]["payload"] is None
    for text in (decided.text, shown.text, CORRECTED, TYPED):
        assert desk.files_with(text) == []
    assert [result.clip for result in desk.results()] == [following.id]
    desk.run("withdraw", "--yes", shown.id)


def test_what_is_typed_while_the_clip_vanishes_commands_nothing_on_the_next(desk: Desk) -> None:
    desk.settings["EARMARK_SYNC_SECONDS"] = "1"
    shown, following = desk.clips()[:2]
    with desk.review() as console:
        ready(console, shown)
        console.press("e")
        console.wait("EDITING")
        command = earmark("withdraw", "--yes", shown.id)
        withdrawing = subprocess.Popen(command, env=desk.environment(), stdout=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while WITHDRAWN not in console.text():
            assert time.monotonic() < end, console.text()
            console.press("x", pause=0.05)
        assert withdrawing.wait(20) == 0
        for letter in "the customer asked us to use dice, enqueue pups" * 2:
            console.press(letter, pause=0.05)
            assert WITHDRAWN in console.text(), (letter, console.text())
        assert "Keys act again after a second without one." in " ".join(console.text().split())
        assert shows(console, following)
        assert number(console, "saved") == 0
        console.settle(1.2, 1.5)
        decide(console, "s")
        leave(console)
    assert [(line["clip"], line["verdict"]) for line in desk.journal()] == [(following.id, "skipped")]
