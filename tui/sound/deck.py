"""What is loaded, where it stands, and what of it was heard. Pure: no sink, no thread, no lock, no clock of its own."""

from __future__ import annotations

from typing import Final

import msgspec

from earmark.queue.heard import Heard
from earmark.tui.sound.track import Piece, Track

_EARLY = 0.25  # seconds before its time at which a sink may say that it is done


SPEEDS: Final = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
"""The ladder of speeds that the keys climb."""


class Run(msgspec.Struct):
    """What the sink was asked for: seconds `start` to `end` at `speed`; sounding since `at` (None: not yet)."""

    generation: int
    start: float
    end: float
    speed: float
    asked: float
    at: float | None = None

    def position(self, now: float) -> float:
        """Where it is at moment `now`, in seconds of the clip."""
        return self.start if self.at is None else min(self.end, self.start + max(0.0, now - self.at) * self.speed)

    def overdue(self, now: float) -> float:
        """Seconds by which the sink is late to begin, or to end."""
        return now - (self.asked if self.at is None else self.at + (self.end - self.start) / self.speed)

    def broke_off(self, now: float) -> bool:
        """Whether a sink that says that it is done now cannot have played it to its end."""
        length = (self.end - self.start) / self.speed
        sounded = now - self.at if self.at is not None else 0.0
        return sounded < length - min(_EARLY, length / 2)


class Deck:
    """A player's state. Positions are seconds of the clip, whatever the speed; moments (`now`, `at`) are one clock's.

    `generation` changes with every request and every change of mind: what was asked for under an older one is void.
    """

    def __init__(self) -> None:
        self.clip = ""
        self.track: Track | None = None
        self.position = 0.0
        self.until: float | None = None
        self.playing = False
        self.asked_to_start = False
        self.speed = 1.0
        self.loop = False
        self.generation = 0
        self.run: Run | None = None
        self.heard = Heard()
        self.starts = 0
        self.loops = 0
        self.piece: Piece | None = None

    @property
    def length(self) -> float:
        """The clip's length in seconds; 0 without one."""
        return self.track.duration if self.track else 0.0

    @property
    def end(self) -> float:
        """Where to stop: the clip's end, or before it."""
        return self.length if self.until is None else self.until

    @property
    def sounding(self) -> bool:
        """Whether it sounds now."""
        return self.run is not None and self.run.at is not None

    def load(self, clip: str, track: Track | None, heard: Heard | None) -> None:
        """Another clip, or none, at its beginning. What played must have been halted."""
        self.clip, self.track, self.piece = clip, track, None
        self.position, self.until, self.playing = 0.0, None, False
        if track is not None:
            self.heard = Heard() if heard is None else heard.copy()
            self.starts = self.loops = 0

    def now(self, now: float) -> float:
        """Where the clip stands."""
        return self.position if self.run is None else self.run.position(now)

    def heard_by(self, now: float) -> Heard:
        """Which stretches of the clip have sounded by now."""
        heard = self.heard.copy()
        if self.run is not None:
            heard.add(self.run.start, self.run.position(now))
        return heard

    def halt(self, now: float) -> bool:
        """Count what sounded; nothing asked for before may begin. Says whether the sink is to be silenced."""
        self.generation += 1
        if self.run is None:
            return False
        self.position = self.run.position(now)
        self.heard.add(self.run.start, self.position)
        self.run = None
        return True

    def begin(self, start: float, until: float | None) -> None:
        """Play from second `start`, as a person asked; halted before."""
        self.position, self.until = min(max(0.0, start), self.length), until
        self.playing = self.asked_to_start = True
        self.loops = 0

    def last(self, seconds: float, now: float) -> tuple[float, float]:
        """From where to where the last `seconds` are; while such a stretch plays, that stretch. At the very beginning
        it is the first.
        """
        until = self.until if self.playing and self.until is not None else self.now(now)
        return max(0.0, until - seconds), min(until if until > 0 else seconds, self.length)

    def seek(self, seconds: float) -> None:
        """Go forward or back, not beyond the ends; halted before. At the end it stops, and a loop begins anew."""
        self.position = min(max(0.0, self.position + seconds), self.length)
        self.until = None
        self.loops = 0
        if self.playing and self.position >= self.length:
            self.playing = self.loop
            self.position = 0.0 if self.loop else self.position

    def ask(self, start: float, end: float, speed: float, now: float) -> int:
        """The sink is asked for this; gives the generation to ask under."""
        self.generation += 1
        self.run = Run(self.generation, start, end, speed, now)
        return self.generation

    def answers(self, generation: int) -> Run | None:
        """The run that a sink's event is about; None for one that is void."""
        return self.run if self.run is not None and self.run.generation == generation else None

    def started(self, run: Run, at: float) -> bool:
        """It sounds since moment `at`. Says whether a person asked for this start."""
        run.at = at
        asked, self.asked_to_start = self.asked_to_start, False
        self.starts += asked
        return asked

    def ended(self, run: Run, now: float, *, whole: bool) -> tuple[bool, bool]:
        """The sink is done, and has played it `whole` for sure or not. Says whether it broke off before its end, and
        whether more is to play.

        What a device swallowed faster than it can sound was not heard, and must not loop at that pace either.
        """
        broke_off = not whole and run.broke_off(now)
        self.position = run.position(now) if broke_off else run.end
        self.heard.add(run.start, self.position)
        self.run = None
        self.generation += 1
        if broke_off:
            self.playing = False
        elif self.position < self.end:
            return False, True  # the next segment of a long clip
        elif self.loop and self.until is None:
            self.loops += 1
            self.position = 0.0
            return False, True
        else:
            self.playing = False
            self.until = None
        return broke_off, False

    def lost(self, at: float) -> None:
        """Nobody plays it any more; what sounded until moment `at` was heard."""
        if self.run is not None:
            self.halt(at)
        self.generation += 1
