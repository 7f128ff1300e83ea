"""In real time, through a sound server whose output is recorded: what sounds, from where to where, and what does
not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.tui.sound.player import Finished, Player, PlayerEvent
from earmark.tui.sound.prepare import prepare
from earmark.tui.sound.sinks.choose import candidates
from earmark.tui.sound.sinks.interface import SinkEvent, Started
from earmark.tui.sound.stretch import stretch
from earmark.tui.sound.track import Track

SINKS = ["simpleaudio", "miniaudio", "command"]
RATE = 16000
SETTLE = 0.3
"""Seconds of silence that part one run of sound from the next, and in which the recorder catches up."""


def until(condition: Callable[[], object], events: object) -> None:
    """Wait for something to come true; what was reported says why it did not."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, events
        time.sleep(0.002)


class Listener:
    """A player that plays into the server, and what came out of it, as runs of sound."""

    def __init__(self, name: str, recording: Any) -> None:
        self.events: list[PlayerEvent] = []
        self.recording = recording
        self.player = Player(self.events.append, candidates(name))

    def until(self, condition: Callable[[], object]) -> None:
        until(condition, self.events)

    def position_after(self, position: float) -> None:
        self.until(lambda: self.player.position >= position)

    def silence(self) -> None:
        """Wait until as much silence is recorded as parts two runs."""
        now = time.monotonic()
        self.recording.between(now, now + SETTLE)

    def runs(self) -> list[Any]:
        """The stretches of sound that were recorded, in order, without the silence around them."""
        samples = self.recording.samples
        loud = np.flatnonzero(samples)
        if not loud.size:
            return []
        parts = np.split(loud, np.flatnonzero(np.diff(loud) > SETTLE / 2 * RATE) + 1)
        return [samples[part[0] : part[-1] + 1] for part in parts]


@pytest.fixture(params=SINKS)
def listener(request: pytest.FixtureRequest, recording: Any) -> Iterator[Listener]:
    listener = Listener(request.param, recording)
    yield listener
    listener.player.close()


@pytest.fixture
def clip(shared: Path) -> Any:
    samples, rate = soundfile.read(shared / "speech/audio/en/en-librivox-0870.wav", dtype="int16")
    assert rate == RATE
    return samples


def prepared(samples: Any) -> Any:
    return np.frombuffer(prepare(samples, RATE).pcm, "<i2")


BLOCK = RATE // 50


def seconds(run: Any, clip: Any) -> list[float]:
    """The seconds of `clip` from which the blocks of `run` come, 20 ms each, sample for sample.

    A busy machine may let the server or the recorder drop a block or two: most of them must be found.
    """
    whole = clip.astype("<i2").tobytes()
    blocks = [run[start : start + BLOCK].tobytes() for start in range(0, run.size - BLOCK, BLOCK)]
    found = [at / 2 / RATE for at in (whole.find(block) for block in blocks) if at >= 0]
    assert len(found) > 0.8 * len(blocks)
    return found


def test_pause_go_on_seek_speed_and_stop(listener: Listener, clip: Any) -> None:
    player = listener.player
    whole = prepared(clip)
    player.load_track("clip", Track(clip, RATE))

    player.play()
    listener.position_after(0.8)
    player.pause()
    paused = player.position
    listener.silence()

    player.play()
    listener.position_after(paused + 0.6)
    player.pause()
    again = player.position
    player.seek(3.0)
    sought = player.position
    listener.silence()

    player.play()
    listener.position_after(sought + 0.6)
    player.stop()
    listener.silence()

    first, second, third = listener.runs()
    for run, begins, lasts in [(first, 0.0, paused), (second, paused, again - paused), (third, sought, 0.6)]:
        heard = seconds(run, whole)
        assert heard == sorted(heard)
        assert heard[0] == pytest.approx(begins, abs=0.05)
        assert heard[-1] == pytest.approx(begins + lasts, abs=0.15)


@pytest.mark.parametrize("listener", SINKS[:1], indirect=True)
def test_a_faster_clip_is_heard_whole_and_stretched(listener: Listener, clip: Any) -> None:
    listener.player.load_track("clip", Track(clip[: 3 * RATE], RATE))
    listener.player.set_speed(1.5)
    listener.player.play()
    listener.until(lambda: any(isinstance(event, Finished) for event in listener.events))
    assert listener.player.heard == 1.0
    listener.silence()
    (run,) = listener.runs()
    expected = stretch(prepared(clip[: 3 * RATE]), RATE, 1.5)
    heard = seconds(run, expected)
    assert heard == sorted(heard)
    assert heard[0] < 0.05
    assert heard[-1] > 1.95
    assert run.size / RATE == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("listener", SINKS[:1], indirect=True)
def test_a_loop_goes_round(listener: Listener, clip: Any) -> None:
    player = listener.player
    word = clip[RATE : 2 * RATE]
    player.load_track("clip", Track(word, RATE))
    player.set_loop(True)
    player.play()
    listener.until(lambda: player.loops == 2 and 0.2 < player.position < 0.7)
    player.pause()
    listener.silence()
    heard = seconds(np.concatenate(listener.runs()), prepared(word))
    assert sum(later < earlier for earlier, later in pairwise(heard)) == 2
    assert (player.starts, player.heard) == (1, 1.0)


@pytest.mark.parametrize("name", SINKS)
def test_nothing_of_a_clip_sounds_after_stop_not_even_with_the_next(name: str, recording: Any) -> None:
    tone = (9000 * np.sin(np.arange(4 * RATE) * 0.2)).astype("<i2").tobytes()
    events: list[SinkEvent] = []
    sink = candidates(name)[0](events.append)
    for generation in (1, 3):
        for offset, pcm in enumerate((tone, bytes(len(tone)))):
            events.clear()
            sink.play(generation + offset, pcm, RATE)
            until(lambda: any(isinstance(event, Started) for event in events), events)
            time.sleep(SETTLE)
            sink.stop()
            stopped = time.monotonic()
            recording.between(stopped, stopped + SETTLE)
    sink.close()
    loud = np.flatnonzero(recording.samples)
    parts = np.split(loud, np.flatnonzero(np.diff(loud) > SETTLE / 2 * RATE) + 1)
    # Two tones were played, so there are two runs: a remnant in front of a silent clip would be one more.
    assert len(parts) == 2
    assert all(part[-1] - part[0] < 2 * SETTLE * RATE for part in parts)
