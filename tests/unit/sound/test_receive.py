"""The receiver of a workstation that has Earmark: frames in, sound out of a sink of the test's own, answers back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from earmark.tui.sound.sinks.interface import Ended, Failed, Report, SinkFailed, Started
from earmark.tui.sound.speaker.codecs import encode
from earmark.tui.sound.speaker.frames import MAGIC, Frame, sound
from earmark.tui.sound.speaker.receive import Receiver, begun, frames

RATE = 8000
SOUND = np.random.default_rng(1).integers(-9000, 9000, 4000).astype(np.int16)


class Sink:
    def __init__(self, name: str, report: Report) -> None:
        self.name, self.report = name, report
        self.played: list[tuple[int, bytes, int]] = []
        self.stops = 0
        self.closed = False

    def play(self, generation: int, pcm: bytes, rate: int) -> None:
        self.played.append((generation, pcm, rate))

    def stop(self) -> None:
        self.stops += 1

    def close(self) -> None:
        self.closed = True


class Far:
    """A receiver, its sinks, and what it answered."""

    def __init__(self, *names: str) -> None:
        self.answers: list[str] = []
        self.sinks: list[Sink] = []
        self.receiver = Receiver([self._maker(name) for name in names], self.answers.append)
        self.receiver.greet()

    def _maker(self, name: str) -> Any:
        def make(report: Report) -> Sink:
            if name == "missing":
                raise SinkFailed("it is not installed")
            self.sinks.append(Sink(name, report))
            return self.sinks[-1]

        return make

    def say(self, *lines: str) -> list[bool]:
        return [self.receiver.take(Frame(line)) for line in lines]

    def bring(self, key: str) -> None:
        data = encode(SOUND, RATE, "flac")
        self.say(f"O {key} {RATE} flac {len(data)}")
        for start in range(0, len(data), 1000):
            self.receiver.take(sound(key, data[start : start + 1000]))


@pytest.fixture
def far() -> Iterator[Far]:
    far = Far("one")
    yield far
    far.receiver.close()


def test_it_says_who_it_is_and_what_it_decodes(far: Far) -> None:
    assert far.answers == ["HELLO 1 earmark flac"]


def test_the_frames_that_were_asked_for_sound_and_nothing_else(far: Far) -> None:
    far.bring("ab")
    assert set(far.answers[1:]) == {"A"}
    far.say("P 7 ab 100 900")
    assert far.sinks[0].played == [(7, SOUND[100:900].tobytes(), RATE)]
    far.sinks[0].report(Started(7, 1.0))
    far.sinks[0].report(Ended(7))
    assert far.answers[-2:] == ["B 7", "E 7"]


def test_what_was_stopped_or_replaced_is_not_told_any_more(far: Far) -> None:
    far.bring("ab")
    before = len(far.answers)
    far.say("P 1 ab 0 9", "S")
    far.sinks[0].report(Ended(1))
    far.say("P 2 ab 0 9", "P 3 ab 0 9")
    far.sinks[0].report(Started(2, 1.0))
    assert far.answers[before:] == []


def test_what_is_forgotten_does_not_sound(far: Far) -> None:
    far.bring("ab")
    far.say("P 1 ab 0 9", "F ab", "P 2 ab 0 9")
    far.bring("cd")
    far.say("R", "P 3 cd 0 9")
    assert [generation for generation, _, _ in far.sinks[0].played] == [1]
    assert not far.receiver._pieces and not far.receiver._arriving


def test_the_next_sink_gets_what_the_first_cannot_play() -> None:
    far = Far("missing", "one", "two")
    far.bring("ab")
    far.say("P 4 ab 0 9")
    far.sinks[0].report(Failed(4, "no device"))
    assert far.sinks[1].played == [(4, SOUND[:9].tobytes(), RATE)]
    far.sinks[1].report(Failed(4, "no device there either"))
    assert far.answers[-1].startswith("X 4 ")
    far.receiver.close()
    assert all(sink.closed for sink in far.sinks)


@pytest.mark.parametrize(
    "line", ["", "P", "P x y", "P 1 none 0 9", "P 1 ab 5 5", "P 1 ab 0 999999", "O a -1 flac 3", "Z"]
)
def test_what_makes_no_sense_changes_nothing(far: Far, line: str) -> None:
    far.bring("ab")
    before = len(far.answers)
    assert far.say(line) == [True]
    assert not far.sinks[0].played and len(far.answers) == before


def test_sound_that_arrived_damaged_is_told(far: Far) -> None:
    far.say(f"O ab {RATE} flac 4")
    far.receiver.take(sound("ab", b"fLaC"))
    far.say("P 5 ab 0 9")
    assert far.answers[-1] == "X 5 what arrived is no sound"


def test_it_answers_questions_and_ends_when_another_takes_over(far: Far) -> None:
    assert far.say("K 12") == [True]
    assert far.answers[-1] == "K 12"
    far.bring("ab")
    assert far.say("Q another one") == [False]
    assert not far.receiver._pieces and not far.receiver._arriving


def test_what_a_remote_shell_printed_is_passed_over() -> None:
    stream = io.BytesIO(f"Welcome!\nYou have mail.\n{MAGIC}\nK 1\n".encode() + sound("ab", b"\n\0\n").binary())
    assert begun(stream)
    assert [frame.line for frame in frames(stream)] == ["K 1", "D ab 3"]
    assert not begun(io.BytesIO(b"nothing of ours\n"))
