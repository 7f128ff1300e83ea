"""Clips travel ahead, a stop never waits behind them, and what is dropped here is dropped there before the next."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.tui.sound.player import Player
from earmark.tui.sound.speaker.far import Far
from earmark.tui.sound.speaker.flow import Flow
from earmark.tui.sound.speaker.sink import Speaker
from earmark.tui.sound.track import Track
from farend import FarEnd, socket_in, until

RATE = 8000


def a_track(seed: int, seconds: float = 3.0) -> Track:
    """Sound that cannot be made small, with a seed of its own."""
    return Track(np.random.default_rng(seed).integers(-3000, 3000, round(seconds * RATE)).astype(np.int16), RATE)


def sound_of(track: Track) -> bytes:
    """What of a track travels first."""
    return track.cut(0.0, track.duration, 1.0).piece.samples.astype("<i2").tobytes()


def key_of(track: Track) -> str:
    """The name of that piece."""
    return track.cut(0.0, track.duration, 1.0).piece.key


class Slow(Flow):
    """A line that never becomes fast."""

    slow = True


class Desk:
    """A player with four clips to come, and a receiver that has joined."""

    def __init__(self, state: Path, **more: Any) -> None:
        self.events: list[Any] = []
        self.player = Player(self.events.append, (), speaker=lambda report: Speaker(report, only=True))
        self.tracks = [a_track(seed) for seed in range(5)]
        self.player.load_track("clip 0", self.tracks[0])
        self.end = FarEnd(socket_in(state), **more)
        until(lambda: self.player.sink_name, self.events)

    def holds(self, *tracks: Track) -> None:
        """Wait until the receiver has these, whole, and nothing else."""
        wanted = {key_of(track) for track in tracks}
        until(
            lambda: (
                set(self.end.pieces) == wanted
                and all(len(self.end.pieces[key]) == self.end.shapes[key][2] for key in wanted)
            ),
            lambda: self.end.lines,
        )

    @property
    def far(self) -> Far:
        """What the program knows of the receiver."""
        speaker = self.player._outlet._speaker
        assert speaker is not None and speaker._far is not None
        return speaker._far

    def play(self, number: int) -> None:
        self.player.load_track(f"clip {number}", self.tracks[number])
        self.player.play()

    def close(self) -> None:
        self.player.close()
        self.end.hang_up()


@pytest.fixture
def desk(state: Path) -> Iterator[Desk]:
    desk = Desk(state)
    yield desk
    desk.close()


def test_the_next_clip_is_there_before_it_is_asked_for(desk: Desk) -> None:
    desk.play(0)
    desk.player.ahead(desk.tracks[1:])
    desk.holds(*desk.tracks[:2])
    assert desk.end.frames(key_of(desk.tracks[1])) == sound_of(desk.tracks[1])
    before = len(desk.end.lines)
    desk.play(1)
    desk.end.asked_for(2)
    # "Play" is one short message: no sound is among what it took.
    asked = desk.end.lines.index(f"P {' '.join(map(str, desk.end.asked))}")
    assert not [line for line in desk.end.lines[before:asked] if line.startswith(("O ", "D "))]


def test_on_a_slow_line_more_of_them_travel_ahead(desk: Desk) -> None:
    desk.play(0)
    desk.end.asked_for(1)
    desk.far.flow = Slow()
    desk.player.ahead(desk.tracks[1:])
    desk.holds(*desk.tracks)


def test_a_long_clip_goes_on_without_a_hole(desk: Desk) -> None:
    """Its next piece travels while the one before sounds, and what has sounded is there for when it is played again."""
    desk.tracks[0] = a_track(7, 50.0)
    desk.play(0)
    desk.player.ahead(desk.tracks[1:])
    key = desk.end.asked_for(1)[1]
    desk.end.begins()
    second = desk.tracks[0].cut(desk.player._deck.run.end, 50.0, 1.0).piece  # type: ignore[union-attr]  # it runs
    until(lambda: desk.end.shapes.get(second.key, (0, "", -1))[2] == len(desk.end.pieces.get(second.key, b"")))
    desk.player.seek(desk.player._deck.run.end + 1.0)  # type: ignore[union-attr]  # it runs
    assert desk.end.asked_for(2)[1] == second.key
    desk.player.replay()
    assert desk.end.asked_for(3)[1] == key
    assert f"F {key}" not in desk.end.lines
    assert [line.split()[1] for line in desk.end.lines if line.startswith("O ")].count(key) == 1


def test_a_clip_that_waits_for_a_key_is_there_when_it_comes(desk: Desk) -> None:
    desk.play(0)
    desk.player.ahead(desk.tracks[1:])
    desk.holds(*desk.tracks[:2])
    desk.player.load_track("clip 1", desk.tracks[1])
    desk.player.ahead(desk.tracks[2:])
    desk.holds(*desk.tracks[1:3])
    assert f"F {key_of(desk.tracks[1])}" not in desk.end.lines
    desk.player.play()
    assert desk.end.asked_for(2)[1] == key_of(desk.tracks[1])


def test_a_key_does_not_wait_while_clips_ahead_are_made_ready(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.play(0)
    desk.end.asked_for(1)
    made = threading.Semaphore(0)
    cut = Track.cut

    def slowly(track: Track, start: float, end: float, speed: float) -> Any:
        if track in desk.tracks[1:]:
            made.acquire()
        return cut(track, start, end, speed)

    monkeypatch.setattr(Track, "cut", slowly)
    for _ in range(3):
        desk.player.ahead(desk.tracks[1:])
    time.sleep(0.1)
    desk.player.replay()
    made.release()  # one of four is ready, and the key comes before the others
    desk.end.asked_for(2)
    for _ in range(8):
        made.release()


def test_what_does_not_come_next_any_more_is_forgotten_there(desk: Desk) -> None:
    desk.play(0)
    desk.player.ahead(desk.tracks[1:3])
    desk.holds(*desk.tracks[:2])
    desk.player.ahead(desk.tracks[3:])
    desk.holds(desk.tracks[0], desk.tracks[3])
    assert f"F {key_of(desk.tracks[1])}" in desk.end.lines


def test_what_is_asked_for_at_once_overtakes_what_travels_ahead(desk: Desk) -> None:
    desk.play(0)
    desk.player.ahead(desk.tracks[1:])
    desk.play(4)
    desk.end.asked_for(len(desk.end.plays) + 1)
    until(lambda: desk.end.plays[-1][1] == key_of(desk.tracks[4]))
    assert desk.end.frames(key_of(desk.tracks[4])) == sound_of(desk.tracks[4])


def test_a_change_of_speed_changes_what_travels_ahead(desk: Desk) -> None:
    desk.play(0)
    desk.player.ahead(desk.tracks[1:])
    desk.holds(*desk.tracks[:2])
    before = set(desk.end.pieces)
    desk.player.set_speed(1.5)
    until(lambda: len(desk.end.pieces) == 2 and not before & set(desk.end.pieces), lambda: desk.end.lines)
    for key in desk.end.pieces:
        until(lambda key=key: len(desk.end.pieces[key]) == desk.end.shapes[key][2])  # type: ignore[misc]
        assert len(desk.end.frames(key)) == 2 * 3 * RATE / 1.5


# -- what is dropped -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", ["the clips after it", "itself and the clips after it", "nothing"])
def test_a_critical_clip_is_silent_and_gone_there_before_the_next_one_plays(known: str, desk: Desk) -> None:
    coming = {"the clips after it": desk.tracks[2:], "itself and the clips after it": desk.tracks[1:]}.get(known, [])
    desk.player.ahead(desk.tracks[1:])
    desk.play(1)
    generation, key, *_ = desk.end.asked_for(1)
    desk.end.begins()
    until(lambda: desk.player.sounding)
    # What comes next may not have been found out anew when the mark is made: then the clip still counts as coming.
    desk.player.ahead(coming)
    until(desk.player._box.empty)
    time.sleep(0.05)
    desk.player.stop()
    desk.play(2)
    until(lambda: desk.end.plays[-1][1] == key_of(desk.tracks[2]), lambda: desk.end.lines)
    lines = desk.end.lines
    asked, again = (
        next(i for i, line in enumerate(lines) if line.startswith(f"P {g} ")) for g in (generation, desk.end.asked[0])
    )
    assert lines[asked + 1 :].index("S") + asked + 1 < again
    assert f"F {key}" in lines[asked:again], lines
    assert not [line for line in lines[lines.index(f"F {key}") :] if line.startswith((f"O {key} ", f"D {key} "))]


def test_a_dropped_clip_is_kept_nowhere_here_either(desk: Desk) -> None:
    import gc
    import weakref

    desk.player.ahead(desk.tracks[1:])
    desk.play(1)
    desk.end.asked_for(1)
    gone = weakref.ref(desk.tracks[1])
    desk.tracks[1] = desk.tracks[2]
    desk.player.stop()
    # The worker may still have it in its hand.
    until(lambda: gc.collect() is not None and gone() is None, "the clip is kept")


def test_while_nobody_is_there_the_receiver_holds_nothing(desk: Desk) -> None:
    desk.player.ahead(desk.tracks[1:])
    desk.play(0)
    desk.end.asked_for(1)
    desk.end.begins()
    until(lambda: desk.player.sounding)
    desk.player.rest()
    until(lambda: not desk.end.pieces, lambda: desk.end.lines)
    assert "S" in desk.end.lines
    desk.player.play()
    desk.end.asked_for(2)
    assert desk.end.frames(desk.end.asked[1]) == sound_of(desk.tracks[0])


def test_a_receiver_that_comes_back_while_nobody_is_there_holds_nothing_either(state: Path, desk: Desk) -> None:
    desk.player.ahead(desk.tracks[1:])
    desk.play(0)
    desk.end.asked_for(1)
    desk.player.rest()
    until(lambda: not desk.end.pieces, lambda: desk.end.lines)
    desk.end.hang_up()
    again = FarEnd(socket_in(state))
    until(lambda: again.lines, "nobody greets it")
    desk.player.set_speed(1.5)  # after what is on its way already: the same worker does both
    time.sleep(0.3)
    assert not [line for line in again.lines if line.startswith(("O ", "D "))]
    desk.player.play()
    again.asked_for(1)
    again.hang_up()


def test_at_the_end_of_the_sitting_the_receiver_is_silent_and_holds_nothing(desk: Desk) -> None:
    desk.player.ahead(desk.tracks[1:])
    desk.play(0)
    desk.holds(*desk.tracks[:2])
    desk.player.close()
    until(lambda: desk.end.over)
    assert not desk.end.pieces
    assert "S" in desk.end.lines and desk.end.lines[-1] == "R"


# -- nothing waits behind sound --------------------------------------------------------------------------------------


def test_a_stop_waits_behind_no_more_sound_than_a_window(state: Path) -> None:
    desk = Desk(state, acknowledges=False)
    try:
        desk.tracks[1] = a_track(9, 19.0)
        desk.play(0)
        until(lambda: any(line.startswith("D ") for line in desk.end.lines))
        # First the ones to come, then those that have come: none may be left out in between.
        desk.end.acknowledges = True
        desk.end.say(*["A"] * 100)
        desk.end.asked_for(1)
        desk.end.begins()
        until(lambda: desk.player.sounding)
        # The line stands still: what was not acknowledged is on the way.
        desk.end.acknowledges = False
        desk.player.ahead(desk.tracks[1:])
        before = len(desk.end.lines)
        window = desk.far.flow.window
        time.sleep(0.5)
        desk.player.pause()
        until(lambda: "S" in desk.end.lines[before:])
        between = desk.end.lines[before : desk.end.lines.index("S", before)]
        waiting = sum(int(line.split()[2]) for line in between if line.startswith("D "))
        assert waiting <= window
        assert waiting < desk.tracks[1].cut(0.0, 19.0, 1.0).piece.samples.nbytes / 2
    finally:
        desk.close()


def test_a_receiver_that_reads_nothing_holds_up_nobody(state: Path) -> None:
    desk = Desk(state, buffer=2048)
    try:
        desk.end.reading.clear()
        desk.tracks = [a_track(seed, 19.0) for seed in range(5)]
        done = threading.Event()

        def hands() -> None:
            for number in (0, 1, 2, 3, 4) * 20:
                desk.play(number)
                desk.player.ahead(desk.tracks)
                desk.player.seek(1.0)
                desk.player.pause()
            done.set()

        threading.Thread(target=hands, daemon=True).start()
        assert done.wait(20), "something waited for the receiver"
        # What is heaped up for it is short messages and a frame of sound.
        assert sum(len(each) for each in desk.far.link._waiting) < 200_000
        desk.end.reading.set()
        desk.play(3)
        until(lambda: desk.end.plays and desk.end.plays[-1][1] == key_of(desk.tracks[3]), lambda: desk.end.lines)
    finally:
        desk.close()
