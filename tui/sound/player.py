"""Plays one clip at a time: pause, seek, replay, loop, speed. Knows nothing of screens or event loops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from earmark.queue.heard import Heard
from earmark.tui.sound.events import Began, Finished, PlayerEvent, SinkChanged
from earmark.tui.sound.outlet import Outlet
from earmark.tui.sound.sinks.choose import Candidate, candidates
from earmark.tui.sound.sinks.interface import Ended, Failed, SinkEvent, Started
from earmark.tui.sound.track import Cut, Track

if TYPE_CHECKING:
    from earmark.tui.sound.prepare import Decoded

__all__ = ["SPEEDS", "Began", "Finished", "Player", "PlayerEvent", "SinkChanged"]

SPEEDS: Final = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
"""The ladder of speeds that the keys climb."""

PATIENCE = 5.0
"""Seconds that a sink may take to begin, or to end after its time, before it counts as failed."""

_EARLY = 0.25  # seconds before its time at which a sink may say that it is done
_TICK = 0.5  # seconds between looks at a sink that should be playing


class _Run(msgspec.Struct):
    """What the sink was asked for: seconds `start` to `end` at `speed`; sounding since `at` (None: not yet)."""

    generation: int
    start: float
    end: float
    speed: float
    asked: float
    at: float | None = None


_Message = Literal["open", "go", "close"] | SinkEvent


class Player:
    """One clip, one sink, one worker thread for all that takes time.

    Every method returns at once and may be called from every thread; `report` is called from the worker. Positions
    are seconds of the clip, whatever the speed. The newest request wins: what was asked for before and has not begun
    never sounds.
    """

    def __init__(
        self,
        report: Callable[[PlayerEvent], None],
        sinks: Sequence[Candidate] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sinks` are tried in turn (default: `candidates("auto")`), the first when a clip is loaded."""
        self._report = report
        self._clock = clock
        self._lock = threading.Lock()
        self._box: SimpleQueue[_Message] = SimpleQueue()
        self._outlet = Outlet(
            candidates() if sinks is None else sinks,
            self._box.put,
            lambda name, reason: report(SinkChanged(name, reason)),
            clock,
        )
        self._clip = ""
        self._track: Track | None = None
        self._position = 0.0
        self._until: float | None = None
        self._playing = False
        self._asked_to_start = False
        self._speed = 1.0
        self._loop = False
        self._generation = 0
        self._run: _Run | None = None
        self._heard = Heard()
        self._starts = 0
        self._loops = 0
        self._worker = threading.Thread(target=self._work, name="player", daemon=True)
        self._worker.start()

    # What a reviewer asks for.

    def load(self, clip_id: str, samples: Decoded, rate: int) -> None:
        """Take a new clip from its frames, as `Track` does."""
        self.load_track(clip_id, Track(samples, rate))

    def load_track(self, clip_id: str, track: Track, heard: Heard | None = None) -> None:
        """Take a new clip, silent and at its beginning; the one before is dropped. Speed and loop stay as they are. A
        track made ready ahead sounds sooner. `heard` is what of it was heard before.
        """
        with self._lock:
            self._halt()
            self._clip, self._track = clip_id, track
            self._position, self._until, self._playing = 0.0, None, False
            self._heard = Heard() if heard is None else heard.copy()
            self._starts = self._loops = 0
        self._box.put("open")

    def play(self, from_s: float | None = None) -> None:
        """Play to the end, from second `from_s` or from where it stands; from the beginning where it stands at the end.

        Does nothing while it plays, unless `from_s` is given, and nothing without a clip.
        """
        with self._lock:
            if self._playing and from_s is None and self._until is None:
                return
            start = self._now() if from_s is None else from_s
            self._begin(0.0 if start >= self._length() else start, None)

    def pause(self) -> None:
        """Silence at once; the position is kept."""
        with self._lock:
            self._halt()
            self._playing = False

    def seek(self, seconds: float) -> None:
        """Go forward (or, below 0, back) by `seconds`, not beyond the clip's ends; what plays plays on from there.

        At the very end it stops, and a loop begins its next round.
        """
        with self._lock:
            self._halt()
            self._position = min(max(0.0, self._position + seconds), self._length())
            self._until = None
            self._loops = 0
            if self._playing and self._position >= self._length():
                self._playing = self._loop
                self._position = 0.0 if self._loop else self._position
            if self._playing:
                self._box.put("go")

    def replay(self, seconds: float | None = None) -> None:
        """Play from the beginning, or the last `seconds` up to the position and stop there.

        Asked again while such a stretch plays, the same stretch begins again. At the very beginning it is the first
        `seconds` that play.
        """
        with self._lock:
            if seconds is None:
                self._begin(0.0, None)
                return
            until = self._until if self._playing and self._until is not None else self._now()
            start = max(0.0, until - seconds)
            self._begin(start, min(until if until > 0 else seconds, self._length()))

    def set_speed(self, speed: float) -> None:
        """Play at `speed` times the pace, 0.5 to 3, the pitch and the position kept. Raises ValueError beyond that."""
        if not SPEEDS[0] <= speed <= SPEEDS[-1]:
            raise ValueError(f"speed must be from {SPEEDS[0]} to {SPEEDS[-1]}, not {speed}")
        with self._lock:
            if speed == self._speed:
                return
            self._halt()
            self._speed = speed
            if self._playing:
                self._box.put("go")

    def set_loop(self, loop: bool) -> None:
        """Begin again at the end of the clip, or no longer. Counts the rounds from 0."""
        with self._lock:
            self._loop = loop
            self._loops = 0

    def stop(self) -> None:
        """Silence at once and drop the clip: no audio of it is kept."""
        with self._lock:
            self._halt()
            self._clip, self._track = "", None
            self._position, self._until, self._playing = 0.0, None, False

    def close(self) -> None:
        """Silence at once, give back the device and every child process. Waits for that, a second at most."""
        self.stop()
        self._box.put("close")
        if threading.current_thread() is not self._worker:
            self._worker.join(1.0)

    # What a screen shows; all cheap enough to ask ten times a second.

    @property
    def clip(self) -> str:
        """The loaded clip's id; empty without one."""
        return self._clip

    @property
    def position(self) -> float:
        """Where the clip stands, in its own seconds."""
        with self._lock:
            return self._now()

    @property
    def duration(self) -> float:
        """The clip's length in seconds; 0 without one."""
        return self._length()

    @property
    def playing(self) -> bool:
        """Whether it plays or is about to."""
        return self._playing

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def loop(self) -> bool:
        return self._loop

    @property
    def loops(self) -> int:
        """How often a loop came to its end and began again since a person last asked for something."""
        return self._loops

    @property
    def starts(self) -> int:
        """How often this clip began to sound because `play` or `replay` asked for it."""
        return self._starts

    @property
    def heard(self) -> float:
        """How much of this clip has sounded, from 0 to 1; 0 without a clip."""
        return self.heard_so_far().share(self._length()) if self._track is not None else 0.0

    def heard_so_far(self) -> Heard:
        """Which stretches of this clip have sounded."""
        with self._lock:
            heard = self._heard.copy()
            if self._run:
                heard.add(self._run.start, self._now())
            return heard

    @property
    def sink_name(self) -> str | None:
        """Where sound goes out; None while nowhere."""
        return self._outlet.name

    # With the lock held.

    def _length(self) -> float:
        track = self._track
        return track.duration if track else 0.0

    def _now(self) -> float:
        run = self._run
        if run is None:
            return self._position
        if run.at is None:
            return run.start
        return min(run.end, run.start + max(0.0, self._clock() - run.at) * run.speed)

    def _halt(self) -> None:
        """Silence; count what sounded; nothing asked for before may begin."""
        self._generation += 1
        if self._run:
            self._position = self._now()
            self._heard.add(self._run.start, self._position)
            self._run = None
            self._outlet.stop()

    def _begin(self, start: float, until: float | None) -> None:
        self._halt()
        if self._track is None:
            return
        self._position, self._until = min(max(0.0, start), self._length()), until
        self._playing = self._asked_to_start = True
        self._loops = 0
        self._box.put("go")

    # On the worker thread.

    def _work(self) -> None:
        while True:
            try:
                message = self._box.get(timeout=_TICK if self._run else None)
            except Empty:
                self._look()
                continue
            match message:
                case "close":
                    self._outlet.close()
                    return
                case "open":
                    self._outlet.forgive()
                    self._outlet.ready()
                case "go":
                    self._go()
                case Started():
                    self._on_started(message)
                case Ended():
                    self._on_ended(message)
                case Failed():
                    self._on_failed(message)

    def _go(self) -> None:
        """Hand the newest request to the sink, unless it was taken back meanwhile."""
        with self._lock:
            track, position, speed, generation = self._track, self._position, self._speed, self._generation
            if not self._playing or self._run or track is None:
                return
            end = track.duration if self._until is None else self._until
        sink = self._outlet.ready()
        cut = self._cut(track, position, end, speed) if sink else None
        with self._lock:
            if generation != self._generation:
                return  # whoever changed it has put a "go" of their own, where one is due
            if sink is None or cut is None:
                self._playing = False
                return
            if cut.pcm:
                self._generation += 1
                self._run = _Run(self._generation, cut.start, cut.end, speed, self._clock())
                sink.play(self._generation, cut.pcm, cut.rate)
                return
            self._playing = False
            self._position = end
            clip = self._clip
        self._report(Finished(clip))

    def _cut(self, track: Track, start: float, end: float, speed: float) -> Cut | None:
        try:
            return track.cut(start, end, speed)
        except Exception as failure:  # whatever is wrong with one clip, the next one must play
            self._outlet.remark(f"this clip cannot be played ({type(failure).__name__})")
            return None

    def _on_started(self, event: Started) -> None:
        with self._lock:
            if self._run is None or self._run.generation != event.generation:
                return
            self._run.at = event.at
            asked, self._asked_to_start = self._asked_to_start, False
            self._starts += asked
            clip = self._clip
        self._outlet.started()
        if asked:
            self._report(Began(clip, event.at))

    def _on_ended(self, event: Ended) -> None:
        with self._lock:
            run = self._run
            if run is None or run.generation != event.generation:
                return
            length = (run.end - run.start) / run.speed
            sounded = self._clock() - run.at if run.at is not None else 0.0
            broke_off = sounded < length - min(_EARLY, length / 2)
            # What a device swallowed faster than it can sound was not heard, and must not loop at that pace either.
            self._position = self._now() if broke_off else run.end
            self._heard.add(run.start, self._position)
            self._run = None
            self._generation += 1
            finished = False
            if broke_off:
                self._playing = False
            elif self._position < (self._length() if self._until is None else self._until):
                self._box.put("go")  # the next segment of a long clip
            elif self._loop and self._until is None:
                self._loops += 1
                self._position = 0.0
                self._box.put("go")
            else:
                self._playing = False
                self._until = None
                finished = True
            clip = self._clip
        if not broke_off:
            self._outlet.forgive()
        else:
            self._outlet.remark("the sound broke off before its end; play goes on from there")
        if finished:
            self._report(Finished(clip))

    def _on_failed(self, event: Failed) -> None:
        with self._lock:
            if self._run is None or self._run.generation != event.generation:
                return
            self._halt()
        self._outlet.failed(event.reason)
        self._box.put("go")

    def _look(self) -> None:
        """Give up on a sink that neither begins nor ends."""
        with self._lock:
            run = self._run
            if run is None:
                return
            due = run.asked if run.at is None else run.at + (run.end - run.start) / run.speed
            if self._clock() - due < PATIENCE:
                return
            run.at = None  # nobody can say what sounded: none of it counts
            overdue = Failed(run.generation, f"{self._outlet.name} does not answer")
        self._on_failed(overdue)
