"""The player against a sink and a clock of the test's own: what it asks for, what it counts, where it stands."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from earmark.tui.sound.outlet import RETRY_AFTER
from earmark.tui.sound.player import PATIENCE, Began, Finished, Player, SinkChanged
from earmark.tui.sound.sinks.interface import Ended, Failed, Report, SinkFailed, Started
from earmark.tui.sound.track import Track

RATE = 8000
LENGTH = 10.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Sink:
    """Notes what it is asked for; the test says what comes of it."""

    def __init__(self, name: str, report: Report, clock: Clock) -> None:
        self.name = name
        self.report = report
        self.clock = clock
        self.requests: list[tuple[int, float]] = []
        self.stops = 0
        self.closed = False

    def play(self, generation: int, pcm: bytes, rate: int) -> None:
        self.requests.append((generation, len(pcm) / 2 / rate))

    def stop(self) -> None:
        self.stops += 1

    def close(self) -> None:
        self.closed = True


class Bench:
    """A player, its sinks and all that it reported."""

    def __init__(self, *names: str) -> None:
        self.clock = Clock()
        self.events: list[Any] = []
        self.sinks: list[Sink] = []
        self.broken: set[str] = set()
        self.player = Player(self.events.append, [self._maker(name) for name in names], self.clock)

    def _maker(self, name: str) -> Callable[[Report], Sink]:
        def make(report: Report) -> Sink:
            if name in self.broken:
                raise SinkFailed(f"{name} is broken")
            self.sinks.append(Sink(name, report, self.clock))
            return self.sinks[-1]

        return make

    @property
    def sink(self) -> Sink:
        return self.sinks[-1]

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "it did not come to that"
            time.sleep(0.001)

    def asked(self, count: int) -> tuple[int, float]:
        """The `count`th request of the sink, once it has come: its generation and its length in seconds."""
        self.until(lambda: self.sinks and len(self.sink.requests) >= count)
        assert len(self.sink.requests) == count
        return self.sink.requests[-1]

    def settle(self) -> None:
        """Wait until the worker has done all that lies before it: once it takes this, that no request has."""
        self.player._box.put(Ended(-1))
        self.until(self.player._box.empty)

    def begin(self) -> None:
        """The newest request begins to sound."""
        generation = self.sink.requests[-1][0]
        self.sink.report(Started(generation, self.clock.now))
        self.until(lambda: self.player._deck.run is not None and self.player._deck.run.at is not None)

    def end(self) -> None:
        """The newest request comes to its end, in its own time."""
        generation, seconds = self.sink.requests[-1]
        run = self.player._deck.run
        assert run and run.at is not None
        self.clock.now = run.at + seconds
        self.sink.report(Ended(generation))
        self.until(lambda: self.player._deck.run is not run)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def samples(seconds: float = LENGTH) -> Any:
    return np.random.default_rng(1).integers(-3000, 3000, round(seconds * RATE)).astype(np.int16)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench("one")
    bench.player.load_track("clip", Track(samples(), RATE))
    yield bench
    bench.player.close()


def close(value: float) -> Any:
    return pytest.approx(value, abs=0.001)


def test_nothing_sounds_until_it_is_asked_for(bench: Bench) -> None:
    bench.until(lambda: bench.events)
    assert bench.events == [SinkChanged("one", None)]
    player = bench.player
    assert (player.playing, player.position, player.heard, player.starts) == (False, 0.0, 0.0, 0)
    assert (player.clip, player.duration, player.sink_name) == ("clip", LENGTH, "one")


def test_position_runs_from_the_first_sound_and_not_before(bench: Bench) -> None:
    bench.player.play()
    assert bench.player.playing
    assert bench.asked(1)[1] == close(LENGTH)
    bench.clock.now += 3
    assert bench.player.position == 0.0
    assert bench.player.heard == 0.0
    bench.begin()
    bench.clock.now += 2.5
    assert bench.player.position == close(2.5)
    assert bench.player.heard == close(0.25)
    bench.clock.now += 100
    assert bench.player.position == close(LENGTH)


def test_the_end_is_told_once(bench: Bench) -> None:
    bench.player.play()
    bench.asked(1)
    bench.begin()
    bench.end()
    bench.until(lambda: bench.of(Finished))
    assert bench.events[1:] == [Began("clip", 100.0), Finished("clip")]
    assert (bench.player.playing, bench.player.position, bench.player.heard) == (False, LENGTH, 1.0)
    assert bench.player.starts == 1


def test_pause_silences_at_once_and_play_goes_on_from_there(bench: Bench) -> None:
    bench.player.play()
    bench.asked(1)
    bench.begin()
    bench.clock.now += 4
    bench.player.pause()
    assert bench.sink.stops == 1
    assert not bench.player.playing
    bench.clock.now += 60
    assert bench.player.position == close(4)
    assert bench.player.heard == close(0.4)
    bench.player.play()
    assert bench.asked(2)[1] == close(6)
    bench.begin()
    bench.clock.now += 1
    assert bench.player.position == close(5)
    assert bench.player.starts == 2


def test_play_while_playing_does_nothing_and_at_the_end_begins_again(bench: Bench) -> None:
    bench.player.play()
    bench.asked(1)
    bench.begin()
    bench.player.play()
    bench.settle()
    assert len(bench.sink.requests) == 1
    bench.end()
    bench.player.play()
    assert bench.asked(2)[1] == close(LENGTH)


def test_a_request_taken_back_before_it_began_never_sounds(bench: Bench) -> None:
    bench.player.play()
    generation, _ = bench.asked(1)
    bench.player.pause()
    bench.sink.report(Started(generation, bench.clock.now))
    bench.settle()
    bench.clock.now += 5
    assert (bench.player.position, bench.player.heard, bench.player.starts) == (0.0, 0.0, 0)
    assert not bench.of(Began)


def test_a_request_taken_back_while_it_is_made_ready_never_reaches_the_sink(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = Track.cut
    taken_back = threading.Event()

    def meanwhile(track: Track, start: float, end: float, speed: float) -> Any:
        if not taken_back.is_set():
            bench.player.stop()
            taken_back.set()
        return cut(track, start, end, speed)

    monkeypatch.setattr(Track, "cut", meanwhile)
    bench.player.play()
    assert taken_back.wait(10)
    bench.settle()
    assert not bench.sink.requests


def test_a_late_end_of_an_older_request_is_no_end_of_the_newer(bench: Bench) -> None:
    bench.player.play()
    old, _ = bench.asked(1)
    bench.begin()
    bench.player.seek(2)
    bench.asked(2)
    bench.sink.report(Started(old, bench.clock.now))
    bench.settle()
    bench.clock.now += 1
    assert bench.player.position == close(2)
    bench.begin()
    bench.sink.report(Ended(old))
    bench.sink.report(Failed(old, "late"))
    bench.settle()
    assert bench.player.playing
    assert not bench.of(Finished)


@pytest.mark.parametrize(
    ("by", "lands"), [(1.0, 5.0), (-1.0, 3.0), (-9.0, 0.0), (0.0, 4.0)], ids=["on", "back", "beyond", "nowhere"]
)
def test_seek_goes_on_from_there(bench: Bench, by: float, lands: float) -> None:
    bench.player.play()
    bench.asked(1)
    bench.begin()
    bench.clock.now += 4
    bench.player.seek(by)
    assert bench.player.position == close(lands)
    assert bench.player.playing
    assert bench.asked(2)[1] == close(LENGTH - lands)
    bench.begin()
    assert bench.player.starts == 1
    assert len(bench.of(Began)) == 1


def test_seek_in_a_pause_stays_silent(bench: Bench) -> None:
    bench.player.seek(3)
    bench.player.seek(-1)
    bench.settle()
    assert bench.player.position == close(2)
    assert not bench.sink.requests
    bench.player.play()
    assert bench.asked(1)[1] == close(8)


def test_seek_beyond_the_end_stops_there(bench: Bench) -> None:
    bench.player.play()
    bench.asked(1)
    bench.begin()
    bench.player.seek(99)
    assert (bench.player.playing, bench.player.position) == (False, LENGTH)


def test_what_was_skipped_was_not_heard(bench: Bench) -> None:
    bench.player.play()
    bench.asked(1)
    bench.begin()
    bench.clock.now += 2
    bench.player.seek(4)
    bench.asked(2)
    bench.begin()
    bench.clock.now += 1
    bench.player.pause()
    assert bench.player.heard == close(0.3)
    bench.player.replay()
    bench.asked(3)
    bench.begin()
    bench.clock.now += 3
    assert bench.player.heard == close(0.4)


def test_replay_is_from_the_beginning(bench: Bench) -> None:
    bench.player.play(7.0)
    assert bench.asked(1)[1] == close(3)
    bench.begin()
    bench.player.replay()
    assert bench.asked(2)[1] == close(LENGTH)


def test_replay_of_the_last_seconds_ends_where_it_stood(bench: Bench) -> None:
    bench.player.seek(5)
    bench.player.replay(2)
    assert bench.player.position == close(3)
    assert bench.asked(1)[1] == close(2)
    bench.begin()
    bench.clock.now += 1
    bench.player.replay(2)
    assert bench.asked(2)[1] == close(2)
    bench.begin()
    bench.end()
    bench.until(lambda: bench.of(Finished))
    assert (bench.player.playing, bench.player.position) == (False, close(5))
    bench.player.play()
    assert bench.asked(3)[1] == close(5)


def test_replay_at_the_very_beginning_gives_the_first_seconds(bench: Bench) -> None:
    bench.player.replay(2)
    assert bench.asked(1)[1] == close(2)


def test_a_replayed_stretch_does_not_loop(bench: Bench) -> None:
    bench.player.set_loop(True)
    bench.player.seek(5)
    bench.player.replay(2)
    bench.asked(1)
    bench.begin()
    bench.end()
    bench.until(lambda: bench.of(Finished))
    assert bench.player.loops == 0


def test_speed_keeps_the_position_and_divides_the_time(bench: Bench) -> None:
    bench.player.play()
    bench.asked(1)
    bench.begin()
    bench.clock.now += 4
    bench.player.set_speed(2.0)
    assert bench.player.position == close(4)
    assert bench.asked(2)[1] == close(3)
    bench.begin()
    bench.clock.now += 1
    assert bench.player.position == close(6)
    bench.player.set_speed(0.5)
    assert bench.asked(3)[1] == close(8)
    bench.begin()
    bench.end()
    assert bench.player.position == LENGTH
    assert (bench.player.heard, bench.player.starts, bench.player.speed) == (1.0, 1, 0.5)


def test_speed_in_a_pause_stays_silent(bench: Bench) -> None:
    bench.player.set_speed(3.0)
    bench.settle()
    assert not bench.sink.requests
    with pytest.raises(ValueError, match="speed"):
        bench.player.set_speed(3.5)


def test_a_loop_counts_its_rounds_until_somebody_asks_for_something(bench: Bench) -> None:
    bench.player.set_loop(True)
    bench.player.play()
    for rounds in range(1, 4):
        assert bench.asked(rounds)[1] == close(LENGTH)
        bench.begin()
        bench.end()
        assert bench.player.loops == rounds
    bench.asked(4)
    bench.begin()
    assert bench.player.playing
    assert bench.player.starts == 1
    bench.player.seek(1)
    assert bench.player.loops == 0
    bench.asked(5)
    bench.begin()
    bench.player.set_loop(False)
    bench.end()
    bench.until(lambda: bench.of(Finished))


def test_a_long_clip_plays_on_from_segment_to_segment() -> None:
    bench = Bench("one")
    bench.player.load_track("long", Track(samples(65.0), RATE))
    bench.player.play()
    total = 0.0
    for count in range(1, 5):
        total += bench.asked(count)[1]
        bench.begin()
        bench.end()
    bench.until(lambda: bench.of(Finished))
    assert total == close(65.0)
    assert (bench.player.heard, bench.player.starts) == (1.0, 1)
    bench.player.close()


def test_a_new_clip_silences_the_old_and_counts_afresh(bench: Bench) -> None:
    bench.player.play()
    bench.asked(1)
    bench.begin()
    bench.clock.now += 4
    bench.player.load_track("next", Track(samples(2.0), RATE))
    assert bench.sink.stops == 1
    player = bench.player
    assert (player.playing, player.position, player.heard, player.starts) == (False, 0.0, 0.0, 0)
    player.play()
    assert bench.asked(2)[1] == close(2)
    bench.begin()
    bench.until(lambda: len(bench.of(Began)) == 2)
    assert bench.of(Began)[1].clip == "next"


def test_stop_silences_and_drops_the_audio(bench: Bench) -> None:
    audio = samples()
    kept = weakref.ref(audio)
    bench.player.load_track("secret", Track(audio, RATE))
    del audio
    bench.player.set_speed(1.5)
    bench.player.play()
    bench.asked(1)
    bench.begin()
    track = weakref.ref(bench.player._deck.track)  # type: ignore[arg-type]  # there is one
    bench.player.stop()
    assert bench.sink.stops == 1
    assert (bench.player.playing, bench.player.duration, bench.player.clip) == (False, 0.0, "")
    bench.settle()
    gc.collect()
    assert kept() is None
    assert track() is None
    bench.player.play()
    bench.settle()
    assert len(bench.sink.requests) == 1


def test_an_empty_clip_is_at_its_end_at_once() -> None:
    bench = Bench("one")
    bench.player.load_track("empty", Track(samples(0), RATE))
    bench.player.play()
    bench.until(lambda: bench.of(Finished))
    assert not bench.sink.requests
    assert not bench.player.playing
    bench.player.close()


def test_a_device_that_swallows_sound_lets_nobody_have_heard_it(bench: Bench) -> None:
    bench.player.set_loop(True)
    bench.player.play()
    generation, _ = bench.asked(1)
    bench.begin()
    bench.clock.now += 1
    bench.sink.report(Ended(generation))
    bench.until(lambda: len(bench.of(SinkChanged)) == 2)
    assert (bench.player.playing, bench.player.position, bench.player.heard) == (False, close(1), close(0.1))
    assert "broke off" in bench.of(SinkChanged)[1].reason


def test_the_next_sink_gets_the_same_request_where_one_cannot_play() -> None:
    bench = Bench("one", "two", "three")
    bench.broken.add("two")
    bench.player.load_track("clip", Track(samples(), RATE))
    bench.player.play(3.0)
    generation, _ = bench.asked(1)
    bench.sink.report(Failed(generation, "one has no device"))
    bench.until(lambda: len(bench.sinks) == 2)
    assert bench.sinks[0].closed
    assert bench.asked(1)[1] == close(7)
    bench.begin()
    bench.until(lambda: bench.of(Began))
    assert bench.player.sink_name == "three"
    assert bench.of(SinkChanged) == [
        SinkChanged("one", None),
        SinkChanged("three", "one has no device; two is broken"),
    ]
    bench.player.close()


def test_with_no_way_out_it_says_so_in_one_line_and_tries_again_later() -> None:
    bench = Bench("one", "two")
    bench.broken |= {"one", "two"}
    bench.player.load_track("clip", Track(samples(), RATE))
    bench.player.play()
    bench.until(lambda: not bench.player.playing)
    (said,) = bench.of(SinkChanged)
    assert said.name is None
    assert said.reason == "No sound: no sound device plays here. `earmark doctor` says how to hear."
    bench.broken.clear()
    bench.player.play()
    bench.until(lambda: not bench.player.playing)
    assert not bench.sinks
    bench.clock.now += RETRY_AFTER
    bench.player.play()
    assert bench.asked(1)[1] == close(LENGTH)
    assert bench.player.sink_name == "one"
    bench.player.close()


def test_sound_that_is_off_is_said_once() -> None:
    bench = Bench()
    for _ in range(3):
        bench.player.load_track("clip", Track(samples(), RATE))
        bench.player.play()
        bench.until(lambda: not bench.player.playing)
    assert bench.events == [SinkChanged(None, "Sound is off.")]
    bench.player.close()


def test_a_sink_that_fails_later_is_tried_once_more_and_then_the_next() -> None:
    bench = Bench("one", "two")
    bench.player.load_track("clip", Track(samples(), RATE))
    bench.player.play()
    bench.asked(1)
    bench.begin()
    bench.clock.now += 4
    bench.sink.report(Failed(bench.sink.requests[-1][0], "unplugged"))
    bench.until(lambda: len(bench.sinks) == 2)
    assert bench.asked(1)[1] == close(6)
    assert bench.sink.name == "one"
    bench.begin()
    bench.clock.now += 1
    bench.sink.report(Failed(bench.sink.requests[-1][0], "unplugged"))
    bench.until(lambda: len(bench.sinks) == 3)
    assert bench.sink.name == "two"
    assert bench.asked(1)[1] == close(5)
    bench.begin()
    assert bench.player.heard == close(0.5)
    assert bench.player.starts == 1
    assert [event.reason for event in bench.of(SinkChanged)] == [None, "unplugged; trying again", None, "unplugged"]
    bench.player.close()


@pytest.mark.parametrize("began", [False, True])
def test_a_sink_that_hangs_counts_as_failed_and_nothing_as_heard(bench: Bench, began: bool) -> None:
    bench.player.play()
    bench.asked(1)
    if began:
        bench.begin()
        bench.clock.now += LENGTH
    bench.clock.now += PATIENCE
    bench.until(lambda: bench.sinks[0].closed)
    assert bench.player.heard == 0.0


def test_a_clip_that_cannot_be_made_ready_does_not_end_the_player(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("earmark.tui.sound.track.Track.cut", fail)
        bench.player.play()
        bench.until(lambda: not bench.player.playing)
    bench.until(lambda: len(bench.of(SinkChanged)) == 2)
    assert bench.of(SinkChanged)[-1].reason == "this clip cannot be played (MemoryError)"
    bench.player.play()
    bench.asked(1)


def test_close_gives_everything_back(bench: Bench) -> None:
    bench.player.play()
    bench.asked(1)
    bench.player.close()
    assert bench.sink.closed
    assert not bench.player._worker.is_alive()
