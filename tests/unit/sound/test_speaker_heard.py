"""Heard means heard there: a player and its speaker against a receiver of the test's own, over the real socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.tui.sound.player import PATIENCE, Began, Finished, Player, SinkChanged
from earmark.tui.sound.speaker.far import BLIND_RATE, HELLO_WAIT, PING, SILENCE, Far
from earmark.tui.sound.speaker.frames import CODECS, MAGIC
from earmark.tui.sound.speaker.sink import Speaker
from earmark.tui.sound.track import Track
from farend import FarEnd, socket_in, until

RATE = 8000
LENGTH = 10.0


class Clock:
    """Goes on only when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Booth:
    """A player whose sound goes to a speaker and nowhere else, and the receivers that have come."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.clock = Clock()
        self.events: list[Any] = []
        self.ends: list[FarEnd] = []
        self.player = Player(
            self.events.append, (), self.clock, speaker=lambda report: Speaker(report, only=True, clock=self.clock)
        )

    def load(self, seconds: float = LENGTH, name: str = "clip") -> Track:
        track = a_track(seconds)
        self.player.load_track(name, track)
        return track

    def end(self, *said: Any, **more: Any) -> FarEnd:
        """A receiver joins; waits until the program knows."""
        before = len(self.of(SinkChanged))
        end = FarEnd(socket_in(self.state), *said, **more)
        self.ends.append(end)
        if end.is_there and said != (None,):
            until(lambda: any(event.name for event in self.of(SinkChanged)[before:]), lambda: self.events)
        else:
            end.told(MAGIC)
        return end

    @property
    def far(self) -> Far:
        """What the program knows of the receiver."""
        speaker = self.player._outlet._speaker
        assert speaker is not None and speaker._far is not None
        return speaker._far

    def heard_from(self, end: FarEnd) -> None:
        """The receiver gives a sign of life: until now it was heard."""
        end.say("K 999")
        self.until(lambda: self.far.heard_at == self.clock.now)

    def of(self, kind: type) -> list[Any]:
        return [event for event in list(self.events) if isinstance(event, kind)]

    def until(self, condition: Any) -> None:
        until(condition, lambda: (self.events, [end.lines for end in self.ends]))

    def pass_time(self, condition: Any) -> None:
        """Let time go by until this is so: to a receiver that cannot answer sound goes at a pace of its own."""

        def once() -> Any:
            self.clock.now += 0.02
            return condition()

        self.until(once)

    def told(self, words: str) -> None:
        """Wait until people are told this."""
        self.until(lambda: any(words in (event.reason or "") for event in self.of(SinkChanged)))

    def sounds(self) -> None:
        """Wait until the player knows that it sounds."""
        self.until(lambda: self.player.sounding)

    def close(self) -> None:
        self.player.close()
        for end in self.ends:
            end.hang_up()


@pytest.fixture
def booth(state: Path) -> Iterator[Booth]:
    booth = Booth(state)
    booth.load()
    yield booth
    booth.close()


def a_track(seconds: float = LENGTH) -> Track:
    """Sound that cannot be made small: a line that is full is full of it."""
    return Track(np.random.default_rng(1).integers(-3000, 3000, round(seconds * RATE)).astype(np.int16), RATE)


def close(value: float) -> Any:
    return pytest.approx(value, abs=0.01)


# -- what sounds -----------------------------------------------------------------------------------------------------


def test_before_anybody_has_come_it_is_said_how_to_hear(booth: Booth) -> None:
    booth.told("nobody plays at your end")
    booth.player.play()
    booth.until(lambda: booth.player.playing)
    end = booth.end()
    assert booth.player.sink_name == "speaker paper/test"
    end.asked_for(1)


def test_the_sound_arrives_sample_by_sample_and_is_asked_for_from_frame_to_frame(booth: Booth) -> None:
    end = booth.end()
    track = booth.load(4.0)
    booth.player.play(1.5)
    _, key, first, last = end.asked_for(1)
    cut = track.cut(1.5, 4.0, 1.0)
    assert end.frames(key) == cut.piece.samples.astype("<i2").tobytes()
    assert (first, last, end.shapes[key][0]) == (cut.first, cut.last, cut.rate)


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "flac"])
def test_it_travels_in_the_first_form_that_both_know(codec: str, booth: Booth) -> None:
    end = booth.end(f"HELLO 1 paper mp3,{codec},pcm")
    booth.player.play()
    key = end.asked_for(1)[1]
    assert end.shapes[key][1] == codec
    assert end.frames(key) == booth.player._deck.piece.samples.astype("<i2").tobytes()  # type: ignore[union-attr]


def test_a_speed_is_made_on_this_side(booth: Booth) -> None:
    end = booth.end()
    booth.player.set_speed(2.0)
    booth.player.play()
    _, key, first, last = end.asked_for(1)
    assert (first, last) == (0, round(LENGTH * RATE / 2))
    assert len(end.frames(key)) == 2 * last


def test_a_seek_and_a_pause_send_no_sound_again(booth: Booth) -> None:
    end = booth.end()
    booth.player.play()
    end.asked_for(1)
    end.begins()
    booth.sounds()
    booth.player.seek(3.0)
    generation, key, first, _ = end.asked_for(2)
    assert (key, first) == (end.plays[0][1], 3 * RATE)
    assert generation > end.plays[0][0]
    booth.player.pause()
    end.told("S", 2)
    booth.player.play()
    end.asked_for(3)
    assert sum(line.startswith("O ") for line in end.lines) == 1


def test_silence_is_asked_for_before_the_next_sound(booth: Booth) -> None:
    end = booth.end()
    booth.player.play()
    end.asked_for(1)
    booth.load(name="next")
    booth.player.play()
    end.asked_for(2)
    between = end.lines[end.lines.index(f"P {' '.join(map(str, end.plays[0]))}") + 1 :]
    assert between[0] == "S"


# -- what counts as heard --------------------------------------------------------------------------------------------


def test_what_is_heard_counts_from_the_word_that_it_sounds(booth: Booth) -> None:
    end = booth.end()
    booth.player.play()
    end.asked_for(1)
    booth.clock.now += 2
    assert (booth.player.sounding, booth.player.position, booth.player.heard) == (False, 0.0, 0.0)
    end.begins()
    booth.sounds()
    booth.clock.now += 4
    assert booth.player.heard == close(0.4)
    booth.clock.now += 6
    end.ends()
    booth.until(lambda: booth.of(Finished))
    assert (booth.player.heard, booth.player.starts, booth.player.estimated) == (1.0, 1, False)


def test_an_end_that_comes_too_soon_is_no_hearing(booth: Booth) -> None:
    end = booth.end()
    booth.player.play()
    end.asked_for(1)
    end.begins()
    booth.sounds()
    booth.clock.now += 3
    end.ends()
    booth.told("broke off")
    assert booth.player.heard == close(0.3)
    assert not booth.player.playing


def test_a_beginning_that_is_told_late_is_no_end_too_soon(booth: Booth) -> None:
    end = booth.end()
    booth.player.play()
    end.asked_for(1)
    booth.clock.now += 1.0
    end.begins()
    booth.sounds()
    booth.clock.now += LENGTH - 1.0
    end.ends()
    booth.until(lambda: booth.of(Finished))
    assert booth.player.heard == 1.0
    assert not [event for event in booth.of(SinkChanged) if "broke off" in (event.reason or "")]


def test_a_sound_that_was_said_to_begin_and_then_failed_was_not_heard(booth: Booth) -> None:
    end = booth.end()
    booth.player.play()
    end.asked_for(1)
    end.begins()
    booth.sounds()
    booth.clock.now += LENGTH
    end.say(f"X {end.asked[0]} no device")
    booth.told("no device")
    booth.until(lambda: not booth.player.playing)
    assert booth.player.heard == 0.0


def test_a_receiver_whose_player_fails_is_told_of_and_nothing_counts(booth: Booth) -> None:
    end = booth.end()
    booth.player.play()
    generation = end.asked_for(1)[0]
    end.say(f"X {generation} aplay ended with 1")
    booth.told("at your end: aplay ended with 1")
    booth.until(lambda: not booth.player.playing)
    assert booth.player.heard == 0.0


def test_a_player_there_that_never_ends_is_given_up_and_does_not_count(booth: Booth) -> None:
    end = booth.end()
    booth.player.play()
    end.asked_for(1)
    end.begins()
    booth.sounds()
    booth.clock.now += LENGTH + PATIENCE + 1
    booth.told("does not answer")
    booth.until(lambda: not booth.player.playing)
    assert booth.player.heard == 0.0


def test_sound_that_takes_its_time_to_arrive_is_waited_for(booth: Booth) -> None:
    end = booth.end(acknowledges=False)
    booth.player.play()
    booth.until(lambda: any(line.startswith("D ") for line in end.lines))
    for _ in range(10):  # it is there, only slow
        booth.clock.now += PING
        time.sleep(0.01)
    assert booth.player.playing and booth.player.awaited is not None
    assert not end.plays
    end.acknowledges = True
    end.say(*["A"] * sum(line.startswith("D ") for line in end.lines))
    end.asked_for(1)
    booth.until(lambda: booth.player.awaited is None)


def test_without_answers_it_is_reckoned_and_said_so(booth: Booth) -> None:
    end = booth.end(None, acknowledges=False, is_there=False)
    booth.player.play()
    time.sleep(0.3)
    assert not end.plays, "it may yet say hello"
    booth.clock.now += HELLO_WAIT
    booth.pass_time(lambda: booth.player.sounding)
    key = end.asked_for(1)[1]
    booth.told("what is heard is estimated")
    assert end.shapes[key][1] == "gzip"
    assert booth.player.estimated
    run = booth.player._deck.run
    assert run is not None and run.at is not None
    booth.clock.now = run.at + LENGTH / 2
    assert booth.player.heard == close(0.5)
    booth.clock.now += LENGTH / 2
    booth.until(lambda: booth.of(Finished))
    assert booth.player.heard == 1.0


def test_without_answers_nothing_is_reckoned_while_it_does_not_read(booth: Booth) -> None:
    end = FarEnd(socket_in(booth.state), None, acknowledges=False, is_there=False, buffer=2048)
    booth.ends.append(end)
    end.reading.clear()
    booth.load(60.0)
    booth.player.play()
    booth.until(lambda: booth.player._outlet._speaker and booth.player._outlet._speaker._far)
    booth.clock.now += HELLO_WAIT
    booth.told("estimated")
    for _ in range(50):
        booth.clock.now += 0.02
        time.sleep(0.01)
    assert (booth.player.sounding, booth.player.heard) == (False, 0.0)
    end.reading.set()
    booth.pass_time(lambda: booth.player.sounding)
    end.asked_for(1)


def test_without_answers_sound_goes_at_a_pace_that_lines_take(booth: Booth) -> None:
    end = booth.end(None, acknowledges=False, is_there=False)
    booth.clock.now += HELLO_WAIT
    booth.told("estimated")
    booth.player.play()
    booth.until(lambda: end.pieces)
    began = booth.clock.now
    booth.pass_time(lambda: booth.player.sounding)
    size = int(end.shapes[end.asked_for(1)[1]][2])
    assert size / BLIND_RATE <= booth.clock.now - began + 0.1


def test_one_that_says_hello_late_is_believed_from_then_on(booth: Booth) -> None:
    end = booth.end(None, acknowledges=True)
    booth.clock.now += HELLO_WAIT
    booth.told("estimated")
    end.say("HELLO 1 late gzip,pcm")
    booth.until(lambda: booth.player.sink_name == "speaker late")
    assert not booth.player.estimated
    booth.player.play()
    end.asked_for(1)
    assert not booth.player.sounding
    end.begins()
    booth.sounds()


def test_one_that_says_late_what_it_decodes_gets_that(booth: Booth) -> None:
    end = booth.end(None, acknowledges=True)
    booth.clock.now += HELLO_WAIT
    booth.told("estimated")
    booth.player.play()
    booth.until(lambda: end.shapes)
    end.say("HELLO 1 late delta")
    booth.until(lambda: any(codec == "delta" for _, codec, _ in end.shapes.values()))
    key = end.asked_for(1)[1]
    assert end.shapes[key][1] == "delta"


# -- who comes and goes ----------------------------------------------------------------------------------------------


def test_one_that_goes_in_mid_clip_stops_the_count_and_play_goes_on_from_there(booth: Booth) -> None:
    end = booth.end()
    booth.player.play()
    end.asked_for(1)
    end.begins()
    booth.sounds()
    booth.clock.now += 4
    booth.heard_from(end)
    end.hang_up()
    booth.told("The speaker is gone: sound waits for it")
    booth.clock.now += 60
    assert booth.player.heard == close(0.4)
    assert booth.player.position == close(4.0)
    assert booth.player.playing and not booth.player.sounding
    again = booth.end()
    _, key, first, last = again.asked_for(1)
    assert (first, last) == (4 * RATE, round(LENGTH * RATE))
    assert again.frames(key)
    again.begins()
    booth.sounds()
    booth.clock.now += 6
    again.ends()
    booth.until(lambda: booth.of(Finished))
    assert (booth.player.heard, booth.player.starts) == (1.0, 1)


def test_one_that_falls_silent_is_away_and_what_sounded_since_does_not_count(booth: Booth) -> None:
    end = booth.end()
    booth.player.play()
    end.asked_for(1)
    end.begins()
    booth.sounds()
    booth.clock.now += 2
    end.is_there = False
    booth.heard_from(end)
    booth.clock.now += PING
    booth.until(lambda: booth.far._ping)
    booth.clock.now += SILENCE + 1
    booth.told("The speaker does not answer: sound waits for it")
    assert booth.player.position == close(2.0)
    assert booth.player.sink_name is None
    end.told("S")
    # The line is back: whatever it says shows that it is there.
    booth.clock.now += 60
    end.is_there = True
    end.say(next(line for line in reversed(end.lines) if line.startswith("K ")))
    assert end.asked_for(2)[2] == 2 * RATE
    booth.told("the speaker is back")


def test_pausing_while_nobody_is_there_stays_paused(booth: Booth) -> None:
    end = booth.end()
    booth.player.play()
    end.asked_for(1)
    end.hang_up()
    booth.told("is gone")
    booth.player.pause()
    again = booth.end()
    time.sleep(0.3)
    assert not again.plays
    booth.player.play()
    again.asked_for(1)


def test_the_newer_of_two_takes_over_with_words_to_both(booth: Booth) -> None:
    first = booth.end()
    booth.player.play()
    first.asked_for(1)
    first.begins()
    booth.sounds()
    booth.clock.now += 3
    second = booth.end("HELLO 1 newer pcm")
    booth.until(lambda: booth.player.sink_name == "speaker newer")
    until(lambda: first.over)
    assert first.lines[-1] == "Q another speaker of yours has taken over"
    assert second.asked_for(1)[1] in second.pieces
    assert "T" in second.lines and "T" not in first.lines
    booth.told("takes over")


def test_those_who_say_nothing_do_not_keep_others_out(booth: Booth) -> None:
    import socket

    idlers = []
    for _ in range(30):
        idler = socket.socket(socket.AF_UNIX)
        idlers.append(idler)

        def connects(idler: socket.socket = idler) -> bool:
            try:
                idler.connect(str(socket_in(booth.state)))
            except ConnectionRefusedError:  # it is there, and not listened at yet
                return False
            return True

        until(connects, "nobody listens")
    deadline = time.monotonic() + 20
    while booth.player.sink_name is None:
        assert time.monotonic() < deadline
        booth.clock.now += HELLO_WAIT
        end = FarEnd(socket_in(booth.state))
        booth.ends.append(end)
        time.sleep(0.3)
    for idler in idlers:
        idler.close()


# -- what it cannot do to us -----------------------------------------------------------------------------------------


GARBAGE = [
    b"\x00\xff\x1b[2J\n" * 50,
    b"x" * 1_000_000 + b"\n",
    b"B\nE\nX\nK\nA A A\nB \nE -1\nX 99999999999999999999 words\n",
    b"A\n" * 100_000,
    b"HELLO 1 again pcm\n" * 1000,
    b"HELLO 2 other pcm\nHELLO\nHELLO 1\nHELLO 1 a b c\n",
    b"K 0\nK -1\nK x\nK " + b"9" * 200 + b"\n",
    b"SPEAKER 1\nSPEAKER 1\n",
    "B ٣\nE ²\n".encode(),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_does_nothing(garbage: bytes, booth: Booth) -> None:
    end = booth.end()
    booth.player.play()
    end.asked_for(1)
    before = list(booth.events)
    end.send(garbage)
    end.begins()
    booth.sounds()
    assert [event for event in booth.events if not isinstance(event, Began)] == before
    booth.clock.now += LENGTH
    end.send(garbage)
    end.ends()
    booth.until(lambda: booth.of(Finished))
    assert booth.player.heard == 1.0


def test_words_about_a_sound_that_was_taken_back_count_for_nothing(booth: Booth) -> None:
    end = booth.end()
    booth.player.play()
    stale = end.asked_for(1)[0]
    booth.player.seek(1.0)
    current = end.asked_for(2)[0]
    end.say(f"B {stale}", f"E {stale}", f"X {stale} no", f"B {current + 1}", f"E {current}", f"X{current}", "K 1")
    end.begins()
    booth.sounds()
    assert booth.player.playing
    assert not booth.of(Finished)


def test_what_a_receiver_says_reaches_the_screen_as_one_short_line(booth: Booth) -> None:
    end = booth.end("HELLO 1 [bold]evil;$(x)/" + "x" * 100 + " pcm")
    booth.player.play()
    generation = end.asked_for(1)[0]
    end.say(f"X {generation} " + "words " * 30)
    booth.told("at your end")
    assert all(len(event.reason or "") < 260 and len(event.name or "") < 40 for event in booth.of(SinkChanged))
    assert booth.player.sink_name == "speaker boldevilx/xxxxxx"
