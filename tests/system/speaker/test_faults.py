"""What goes wrong between a screen and its speaker, through real SSH: the screen goes on, no decision is lost, and the
sound goes on from its place.
"""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from farend import FarEnd, until
from line import Line
from needs import need
from terminal.console import Console
from terminal.desk import Desk, decide, leave, number, wait_for
from workstation import EARMARK, SHELLS, Host, Workstation

LONG = bool(os.environ.get("EARMARK_LONG"))
SEED = int(os.environ.get("EARMARK_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
CHANCE = random.Random(SEED)

FRAMES = 30
"""A clip's way there takes about so many."""
PLACES = [(count, rest) for count in range(FRAMES) for rest in (0, 1, 5)]
"""Frame boundaries, and places in the middle of a line and of what follows it."""
SOME = list(SHELLS) if LONG else [CHANCE.choice(list(SHELLS))]
"""What runs the receivers."""

STALL = 60.0 if LONG else 6.0


@pytest.fixture(autouse=True)
def _seed() -> None:
    need("dash", "bash", "paplay")
    print(f"EARMARK_SEED={SEED} EARMARK_LONG={LONG}")


@pytest.fixture
def station(host: Host, recording: Any, tmp_path: Path) -> Workstation:
    return Workstation(tmp_path / "station", host, recording.environment)


@pytest.fixture
def screen(long_desk: Desk) -> Iterator[Console]:
    """The review screen, before anybody listens."""
    long_desk.settings["EARMARK_MUST_HEAR"] = "0"
    with long_desk.review("--sound", "speaker") as console:
        wait_for(console, long_desk.clips()[0])
        console.wait("nobody plays at your end")
        yield console


def joined(station: Workstation, host: str = "far", **more: Any) -> FarEnd:
    """A receiver of the test's own behind real SSH."""
    command = ["ssh", "-T", host, f"{EARMARK} speaker"]
    return FarEnd(None, command=command, environment=station.environment, **more)


def answers(console: Console) -> None:
    """Keys do what they should."""
    console.press("e")
    console.wait("EDITING")
    console.press("escape")
    console.wait(lambda text: "EDITING" not in text)


def complete(desk: Desk, console: Console) -> None:
    """Leave; what the screen showed as saved is what the journal holds."""
    shown = number(console, "saved")
    leave(console)
    lines = [line for line in desk.journal() if line["kind"] == "decision"]
    assert len(lines) == shown > 0


def position(console: Console) -> float:
    """Where the clock stands, in seconds; -1 without one."""
    found = re.search(r"(\d+):(\d+)(\.\d)? / ", console.text())
    return int(found[1]) * 60 + float(found[2] + (found[3] or "")) if found else -1.0


# -- the connection ends ---------------------------------------------------------------------------------------------


def test_a_connection_cut_anywhere_loses_neither_the_place_nor_a_decision(
    long_desk: Desk, screen: Console, station: Workstation
) -> None:
    first = -1
    for place in PLACES if LONG else sorted(CHANCE.sample(PLACES, 5)):
        end = joined(station, begins=True, cut=place)
        until(partial(getattr, end, "over"), f"{place} never came", 60)
        screen.wait(lambda text: "♪ speaker" not in text.splitlines()[0])
        answers(screen)
        end.hang_up()
        for play in end.plays:
            assert play[2] >= first, "it went back"
            first = play[2]
    end = joined(station, begins=True)
    screen.wait("♪ speaker paper/test", 30)
    if not end.plays:
        screen.press("r")
    _, key, begins, last = end.asked_for(1)
    assert first <= begins < last
    assert len(end.frames(key)) >= 2 * last
    decide(screen, "enter")
    decide(screen, "u")
    complete(long_desk, screen)
    end.told("R")
    assert not end.pieces
    end.hang_up()


@pytest.mark.parametrize("shell", SOME)
def test_a_receiver_that_is_killed_is_missed_and_the_next_goes_on(
    shell: str, long_desk: Desk, screen: Console, station: Workstation, recording: Any
) -> None:
    kind = SHELLS[shell]
    with station.listen(shell, "paplay", answers=True) as listening:
        screen.wait(f"♪ speaker {kind}/paplay", 30)
        until(lambda: recording.samples.any())
        screen.wait(lambda _: position(screen) > 0)
        listening.signal(signal.SIGKILL)
        screen.wait("The speaker is gone")
        answers(screen)
        place = position(screen)
    with station.listen(shell, "paplay", answers=True):
        screen.wait(f"♪ speaker {kind}/paplay", 30)
        assert position(screen) >= place
        screen.wait(lambda _: position(screen) > place)
        decide(screen, "enter")
        complete(long_desk, screen)


@pytest.mark.parametrize("shell", SOME)
def test_a_receiver_that_is_ended_by_hand_is_silent(
    shell: str, long_desk: Desk, screen: Console, station: Workstation, recording: Any
) -> None:
    with station.listen(shell, "paplay", answers=True) as listening:
        screen.wait("♪ speaker", 30)
        until(lambda: recording.samples.any())
        listening.signal(signal.SIGINT)
        screen.wait("The speaker is gone")
        until(lambda: listening.process.poll() is not None, listening.process.args)
        gone = time.monotonic()
        assert not recording.between(gone + 0.5, gone + 1.0).any()
        decide(screen, "enter")
        complete(long_desk, screen)


def test_the_program_that_ends_in_any_way_leaves_the_far_end_silent_and_empty(
    long_desk: Desk, screen: Console, station: Workstation
) -> None:
    end = joined(station, begins=True)
    screen.wait("♪ speaker", 30)
    end.asked_for(1)
    screen.hang_up()
    end.told("R")
    assert not end.pieces
    screen.process.wait(20)
    before = len(end.lines)
    with long_desk.review("--sound", "speaker") as again:
        again.wait("♪ speaker", 30)
        until(lambda: any(line.startswith("P ") for line in end.lines[before:]))
        again.kill()
        until(lambda: "R" in end.lines[before:] and not end.pieces, lambda: end.lines)
    end.hang_up()


@pytest.mark.parametrize("shell", SOME)
@pytest.mark.parametrize("way", ["q", "hang up"])
def test_whoever_leaves_in_the_middle_of_a_clip_leaves_silence(
    way: str, shell: str, screen: Console, station: Workstation, recording: Any
) -> None:
    with station.listen(shell, "paplay", answers=True) as listening:
        screen.wait("♪ speaker", 30)
        until(lambda: recording.samples.any())
        if way == "q":
            leave(screen)
        else:
            screen.hang_up()
            screen.process.wait(20)
        gone = time.monotonic()
        assert not recording.between(gone + 0.2, gone + 0.7).any()
        assert listening.process.poll() is None  # it waits for the next sitting


@pytest.mark.parametrize("shell", SOME)
def test_a_loop_that_nobody_attends_to_ends_in_a_blank_screen_and_silence(
    shell: str, desk: Desk, station: Workstation, recording: Any
) -> None:
    desk.settings["EARMARK_IDLE_BLANK"] = "6"
    with (
        station.listen(shell, "paplay", answers=True),
        desk.review("--sound", "speaker") as console,
    ):
        console.wait("♪ speaker", 30)
        until(lambda: recording.samples.any())
        console.press("l")
        console.wait("Blank and silent", 60)
        blank = time.monotonic()
        assert not recording.between(blank + 0.2, blank + 0.7).any()
        console.press("up")
        leave(console)


def test_a_critical_clip_is_silenced_and_dropped_before_the_next_one_plays(
    screen: Console, station: Workstation
) -> None:
    end = joined(station, begins=True)
    screen.wait("♪ speaker", 30)
    _, key, _, _ = end.asked_for(1)
    before = len(end.lines)
    decide(screen, "c")
    end.asked_for(2)
    told = [line for line in end.lines[before:] if line == "S" or line[:2] in ("F ", "P ")]
    assert told.index("S") < told.index(f"F {key}") < next(i for i, line in enumerate(told) if line[0] == "P")
    assert key not in end.pieces
    leave(screen)
    end.hang_up()


# -- the connection stands still -------------------------------------------------------------------------------------


def test_a_network_that_is_gone_for_a_while_stops_the_count_and_the_sound_goes_on_from_its_place(
    long_desk: Desk, host: Host, screen: Console, station: Workstation
) -> None:
    line = Line(host.sshd.port)
    host.along("line", line.port)
    try:
        with station.listen("python3", "paplay", answers=True, host="line"):
            screen.wait("♪ speaker python", 30)
            screen.wait(lambda _: position(screen) >= 3)  # the last sign of life is well after the beginning then
            line.stall()
            stalled = time.monotonic()
            screen.wait("The speaker does not answer", 30)
            place = position(screen)
            answers(screen)
            while time.monotonic() < stalled + STALL:
                screen.pump(0.1)
            answers(screen)
            assert "♪ speaker" not in screen.lines()[0]
            line.go_on()
            screen.wait("♪ speaker python", 40)
            assert place > 0
            screen.wait(lambda _: position(screen) > place)
            decide(screen, "enter")
            complete(long_desk, screen)
    finally:
        line.close()


@pytest.mark.parametrize("shell", SOME)
def test_a_receiver_that_stands_still_holds_up_nobody(
    shell: str, long_desk: Desk, screen: Console, station: Workstation
) -> None:
    with station.listen(shell, "paplay", answers=True) as listening:
        screen.wait("♪ speaker", 30)
        screen.wait(lambda _: position(screen) > 0)
        listening.signal(signal.SIGSTOP)
        for key in ("enter", "s", "u"):
            decide(screen, key)
        answers(screen)
        screen.wait("The speaker does not answer", 30)
        decide(screen, "enter")
        listening.signal(signal.SIGCONT)
        screen.wait("♪ speaker", 30)
        screen.wait(lambda text: "playing" in text or position(screen) > 0)
        complete(long_desk, screen)


def test_somebody_who_never_reads_holds_up_nobody(long_desk: Desk, screen: Console, station: Workstation) -> None:
    end = joined(station, hello=None)
    until(lambda: end._begun, seconds=60)
    end.reading.clear()
    screen.wait("estimated", 30)
    for key in ("enter", "s", "u", "enter"):
        decide(screen, key)
    answers(screen)
    complete(long_desk, screen)
    end.hang_up()


def test_on_a_slow_line_the_screen_says_what_is_on_its_way(
    long_desk: Desk, host: Host, screen: Console, station: Workstation
) -> None:
    line = Line(host.sshd.port, delay=0.1, rate=16_000)
    host.along("line", line.port)
    try:
        end = joined(station, "line", begins=True)
        screen.wait("♪ speaker", 60)
        screen.wait("on its way", 30)
        answers(screen)
        decide(screen, "s")
        screen.wait("on its way", 30)
        complete(long_desk, screen)
        end.hang_up()
    finally:
        line.close()


# -- garbage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SOME)
def test_what_start_up_files_print_is_passed_over(
    shell: str, long_desk: Desk, host: Host, screen: Console, station: Workstation
) -> None:
    host.chatty("chatty", r"Welcome!\r\n\033[1mK 1\nS\nnot a whole line \001\377")
    with station.listen(shell, "paplay", answers=True, host="chatty"):
        screen.wait("♪ speaker", 30)
        screen.wait(lambda _: position(screen) > 0, 20)
        decide(screen, "enter")
        complete(long_desk, screen)
