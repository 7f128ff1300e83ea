"""What goes wrong with sound is said in one line, stays away from the screen, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.tui.sound.player import Finished, Player, PlayerEvent, SinkChanged
from earmark.tui.sound.sinks.choose import candidates
from earmark.tui.sound.sinks.interface import Ended, Failed, SinkEvent, Started
from earmark.tui.sound.track import Track

SINKS = ["simpleaudio", "miniaudio", "command"]
RATE = 16000
NOISE = np.random.default_rng(1).integers(-9000, 9000, 8 * RATE).astype("<i2")


def until(condition: Callable[[], object], events: object = None, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, events
        time.sleep(0.002)


def children(pid: int) -> set[int]:
    """The processes that `pid` started and that still live or were not buried."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            found |= {int(child) for child in (task / "children").read_text().split()}
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def has(events: list[Any], kind: type) -> bool:
    return any(isinstance(event, kind) for event in events)


@pytest.mark.parametrize("name", SINKS)
@pytest.mark.usefixtures("no_device")
def test_without_a_device_a_sink_says_so_in_one_line(name: str) -> None:
    events: list[SinkEvent] = []
    sink = candidates(name)[0](events.append)
    sink.play(4, NOISE.tobytes(), RATE)
    until(lambda: has(events, Failed), events)
    sink.close()
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert failed.generation == 4
    assert "finds no sound device" in failed.reason
    assert failed.reason.isprintable()


@pytest.mark.usefixtures("no_device")
def test_without_a_device_the_screen_stays_clean_and_the_player_names_a_remedy() -> None:
    program = (
        "import numpy as np, time\n"
        "from earmark.tui.sound.player import Player\n"
        "from earmark.tui.sound.track import Track\n"
        "events = []\n"
        "player = Player(events.append)\n"
        "player.load_track('clip', Track(np.ones(16000, np.int16), 16000))\n"
        "player.play()\n"
        "while player.playing: time.sleep(0.01)\n"
        "player.close()\n"
        "print(events[-1].name, player.sink_name, events[-1].reason)\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stderr == ""
    assert said.stdout.count("\n") == 1
    assert said.stdout == "None None No sound: no sound device plays here. `earmark doctor` says how to hear.\n"


@pytest.mark.parametrize("name", SINKS)
def test_a_killed_child_is_noticed_and_the_player_plays_on(name: str, recording: Any) -> None:
    events: list[PlayerEvent] = []
    player = Player(events.append, candidates(name))
    player.load_track("clip", Track(NOISE[: RATE * 5 // 4], RATE))
    player.play()
    until(lambda: player.position > 0.3, events)
    os.kill(player._outlet._sink._current.process.pid, signal.SIGKILL)  # type: ignore[union-attr]  # its inner parts
    until(lambda: has(events, Finished), events)
    (trouble,) = [event.reason for event in events if isinstance(event, SinkChanged) and event.reason]
    assert trouble.endswith("; trying again")
    assert player.heard > 0.9
    assert player.starts == 1
    player.close()


@pytest.mark.parametrize("name", SINKS)
def test_a_sound_server_that_dies_does_not_count_as_heard(name: str, pulse: Any) -> None:
    events: list[PlayerEvent] = []
    player = Player(events.append, candidates(name))
    player.load_track("clip", Track(NOISE, RATE))
    player.play()
    until(lambda: player.position > 0.3, events)
    pulse.process.kill()
    pulse.process.wait()
    pulse.process = None
    until(lambda: not player.playing, events)
    until(lambda: events[-1] != SinkChanged(player.sink_name, None), events)
    assert player.heard < 0.5
    assert not has(events, Finished)
    assert isinstance(events[-1], SinkChanged)
    assert events[-1].reason
    if name == "miniaudio":  # which does not say so by itself
        assert any(
            "lost the sound device" in (event.reason or "") for event in events if isinstance(event, SinkChanged)
        )
    player.close()


def test_a_sound_server_that_hangs_stops_neither_the_program_nor_the_next_request(pulse: Any) -> None:
    events: list[SinkEvent] = []
    sink = candidates("simpleaudio")[0](events.append)
    os.kill(pulse.process.pid, signal.SIGSTOP)
    try:
        for generation in range(3):
            sink.play(generation, NOISE.tobytes(), RATE)
            sink.stop()
        sink.play(3, NOISE.tobytes(), RATE)
        until(lambda: has(events, Failed), events)
    finally:
        os.kill(pulse.process.pid, signal.SIGCONT)
    assert [event.generation for event in events] == [3]
    sink.play(4, NOISE.tobytes(), RATE)
    until(lambda: has(events, Started), events)
    sink.close()


@pytest.mark.parametrize(("name", "cycles"), [("simpleaudio", 500), ("miniaudio", 40), ("command", 500)])
@pytest.mark.usefixtures("alsa_file")
def test_hundreds_of_plays_leave_nothing_behind(name: str, cycles: int) -> None:
    mine = os.getpid()
    files, threads, before = len(os.listdir("/proc/self/fd")), threading.active_count(), children(mine)
    events: list[SinkEvent] = []
    sink = candidates(name)[0](events.append)
    for generation in range(cycles):
        events.clear()
        sink.play(generation, NOISE.tobytes(), RATE)
        if generation % 5 == 0:  # some are taken back before they begin, some while they sound
            until(lambda: has(events, Started), events)
        if generation % 20 == 0:
            until(lambda: has(events, Ended), events)
        sink.stop()
        assert len(children(mine) - before) < 20
    sink.close()
    # Not "the same": what the test before left to be buried may be gone by now.
    until(lambda: not children(mine) - before)
    until(lambda: threading.active_count() <= threads)
    until(lambda: len(os.listdir("/proc/self/fd")) <= files)


@pytest.mark.parametrize("name", SINKS)
def test_nothing_survives_the_program_that_asked_for_it(name: str, recording: Any) -> None:
    program = (
        "import numpy as np, sys, time\n"
        "from earmark.tui.sound.player import Player\n"
        "from earmark.tui.sound.track import Track\n"
        "from earmark.tui.sound.sinks.choose import candidates\n"
        f"player = Player(lambda event: None, candidates('{name}'))\n"
        "noise = np.random.default_rng(1).integers(-9000, 9000, 160000).astype(np.int16)\n"
        "player.load_track('clip', Track(noise, 16000))\n"
        "player.play()\n"
        "while player.position < 0.5: time.sleep(0.01)\n"
        "print('playing', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"playing\n"
        offspring = children(parent.pid)
        assert offspring
        parent.kill()
    killed = time.monotonic()
    until(lambda: not any(alive(pid) for pid in offspring), offspring, 5.0)
    gone = time.monotonic()
    assert recording.between(killed - 0.5, killed).any()
    # A player of the system's ends with what it has in its buffers, well under the clip's ten seconds.
    assert not recording.between(gone + 0.2, gone + 0.5).any()


@pytest.mark.parametrize("name", SINKS)
@pytest.mark.usefixtures("recording")
def test_nothing_is_told_of_a_request_that_was_stopped(name: str) -> None:
    before = children(os.getpid())
    events: list[SinkEvent] = []
    sink = candidates(name)[0](events.append)
    sink.play(1, NOISE.tobytes(), RATE)
    until(lambda: events, events)
    sink.stop()
    sink.play(2, NOISE.tobytes(), RATE)
    until(lambda: len(events) == 2, events)
    sink.close()
    until(lambda: not children(os.getpid()) - before)
    assert [(type(event), event.generation) for event in events] == [(Started, 1), (Started, 2)]


@pytest.mark.usefixtures("recording")
def test_spares_that_died_are_replaced() -> None:
    events: list[SinkEvent] = []
    sink: Any = candidates("simpleaudio")[0](events.append)
    until(lambda: len(sink._spares) == 2)
    for spare in list(sink._spares):
        spare.process.kill()
        spare.process.wait()
    sink.play(1, NOISE.tobytes(), RATE)
    until(lambda: events, events)
    assert isinstance(events[0], Started)
    sink.close()
