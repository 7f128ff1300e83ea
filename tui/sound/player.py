"""Plays one clip at a time: pause, seek, replay, loop, speed. Knows nothing of screens or event loops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Literal

from earmark.queue.heard import Heard
from earmark.tui.sound.ahead import Ahead
from earmark.tui.sound.deck import SPEEDS, Deck
from earmark.tui.sound.events import Began, Finished, PlayerEvent, SinkChanged
from earmark.tui.sound.outlet import Outlet
from earmark.tui.sound.sinks.choose import Candidate, candidates
from earmark.tui.sound.sinks.interface import Ended, Failed, Joined, Lost, SinkEvent, Started
from earmark.tui.sound.track import Cut, Track

if TYPE_CHECKING:
    from earmark.tui.sound.sinks.choose import OpenSpeaker

__all__ = ["SPEEDS", "Began", "Finished", "Player", "PlayerEvent", "SinkChanged"]

PATIENCE = 5.0
"""Seconds that a sink may take to begin, or to end after its time, before it counts as failed."""

_TICK = 0.5  # seconds between looks at a sink that should be playing

_Message = Literal["open", "go", "ahead", "close"] | SinkEvent


class Player:
    """One clip, one way out, one worker thread for all that takes time.

    Every method returns at once and may be called from every thread; `report` is called from the worker. Positions
    are seconds of the clip, whatever the speed. The newest request wins: what was asked for before and has not begun
    never sounds.
    """

    def __init__(
        self,
        report: Callable[[PlayerEvent], None],
        sinks: Sequence[Candidate] | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        speaker: OpenSpeaker | None = None,
    ) -> None:
        """`sinks` are tried in turn (default: `candidates("auto")`), the first when a clip is loaded; `speaker` lets
        one elsewhere join.
        """
        self._report = report
        self._clock = clock
        self._lock = threading.Lock()
        self._box: SimpleQueue[_Message] = SimpleQueue()
        self._outlet = Outlet(
            candidates() if sinks is None else sinks,
            self._box.put,
            lambda name, reason: report(SinkChanged(name, reason)),
            clock,
            speaker,
        )
        self._deck = Deck()
        self._ahead = Ahead(self._deck)
        self._resting = False
        self._worker = threading.Thread(target=self._work, name="player", daemon=True)
        self._worker.start()

    # What a reviewer asks for.

    def load_track(self, clip_id: str, track: Track, heard: Heard | None = None) -> None:
        """Take a new clip, silent and at its beginning; the one before is dropped. Speed and loop stay as they are. A
        track made ready ahead sounds sooner. `heard` is what of it was heard before.
        """
        with self._lock:
            self._halt()
            self._deck.load(clip_id, track, heard)
            self._outlet.keep(self._ahead.pieces())
        self._box.put("open")

    def play(self, from_s: float | None = None) -> None:
        """Play to the end, from second `from_s` or from where it stands; from the beginning where it stands at the end.

        Does nothing while it plays, unless `from_s` is given, and nothing without a clip.
        """
        with self._lock:
            deck = self._deck
            if deck.playing and from_s is None and deck.until is None:
                return
            start = self._now() if from_s is None else from_s
            self._begin(0.0 if start >= deck.length else start, None)

    def pause(self) -> None:
        """Silence at once; the position is kept."""
        with self._lock:
            self._halt()
            self._deck.playing = False

    def seek(self, seconds: float) -> None:
        """Go forward (or, below 0, back) by `seconds`, not beyond the clip's ends; what plays plays on from there.

        At the very end it stops, and a loop begins its next round.
        """
        with self._lock:
            self._halt()
            self._deck.seek(seconds)
            if self._deck.playing:
                self._box.put("go")

    def replay(self, seconds: float | None = None) -> None:
        """Play from the beginning, or the last `seconds` up to the position and stop there.

        Asked again while such a stretch plays, the same stretch begins again. At the very beginning it is the first
        `seconds` that play.
        """
        with self._lock:
            self._begin(*((0.0, None) if seconds is None else self._deck.last(seconds, self._clock())))

    def set_speed(self, speed: float) -> None:
        """Play at `speed` times the pace, 0.5 to 3, the pitch and the position kept. Raises ValueError beyond that."""
        if not SPEEDS[0] <= speed <= SPEEDS[-1]:
            raise ValueError(f"speed must be from {SPEEDS[0]} to {SPEEDS[-1]}, not {speed}")
        with self._lock:
            if speed == self._deck.speed:
                return
            self._halt()
            self._deck.speed, self._deck.piece = speed, None
            self._ahead.recut()
            if self._deck.playing:
                self._box.put("go")
            self._box.put("ahead")

    def set_loop(self, loop: bool) -> None:
        """Begin again at the end of the clip, or no longer. Counts the rounds from 0."""
        with self._lock:
            self._deck.loop = loop
            self._deck.loops = 0

    def ahead(self, tracks: Sequence[Track]) -> None:
        """These clips are likely to be loaded next, the likeliest first: a speaker elsewhere gets them ahead."""
        with self._lock:
            self._resting = False
            self._ahead.come(tuple(tracks))
        self._box.put("ahead")

    def rest(self) -> None:
        """Silence at once, the position kept; a speaker elsewhere holds nothing any more until something plays."""
        with self._lock:
            self._halt()
            self._deck.playing, self._deck.piece = False, None
            self._resting = True
            self._ahead.clear()
            self._outlet.keep(())

    def stop(self) -> None:
        """Silence at once and drop the clip: no audio of it is kept."""
        with self._lock:
            self._halt()
            self._ahead.drop(self._deck.track)
            self._deck.load("", None, None)
            self._outlet.keep(self._ahead.pieces())

    def close(self) -> None:
        """Silence at once, give back the device and every child process. Waits for that, a second at most."""
        self.rest()
        self.stop()
        self._box.put("close")
        if threading.current_thread() is not self._worker:
            self._worker.join(1.0)

    # What a screen shows; all cheap enough to ask ten times a second.

    @property
    def clip(self) -> str:
        """The loaded clip's id; empty without one."""
        return self._deck.clip

    @property
    def position(self) -> float:
        """Where the clip stands, in its own seconds."""
        with self._lock:
            return self._now()

    @property
    def duration(self) -> float:
        """The clip's length in seconds; 0 without one."""
        return self._deck.length

    @property
    def playing(self) -> bool:
        """Whether it plays or is about to, perhaps once its sound has arrived or somebody is there to play it."""
        return self._deck.playing

    @property
    def sounding(self) -> bool:
        """Whether it sounds now."""
        return self._deck.sounding

    @property
    def awaited(self) -> float | None:
        """How much of what is to sound has arrived at a speaker elsewhere, 0 to 1; None where nothing is waited for."""
        far = self._outlet.far
        return far.awaited if far else None

    @property
    def estimated(self) -> bool:
        """Whether what is heard is reckoned, since a speaker elsewhere cannot tell."""
        far = self._outlet.far
        return far is not None and far.estimated

    @property
    def speed(self) -> float:
        """How many times the pace."""
        return self._deck.speed

    @property
    def loop(self) -> bool:
        return self._deck.loop

    @property
    def loops(self) -> int:
        """How often a loop came to its end and began again since a person last asked for something."""
        return self._deck.loops

    @property
    def starts(self) -> int:
        """How often this clip began to sound because `play` or `replay` asked for it."""
        return self._deck.starts

    @property
    def heard(self) -> float:
        """How much of this clip has sounded, from 0 to 1; 0 without a clip."""
        return self.heard_so_far().share(self._deck.length) if self._deck.track is not None else 0.0

    def heard_so_far(self) -> Heard:
        """Which stretches of this clip have sounded."""
        with self._lock:
            return self._deck.heard_by(self._clock())

    @property
    def sink_name(self) -> str | None:
        """Where sound goes out; None while nowhere."""
        return self._outlet.name

    # With the lock held.

    def _now(self) -> float:
        return self._deck.now(self._clock())

    def _halt(self) -> None:
        """Silence; count what sounded; nothing asked for before may begin."""
        if self._deck.halt(self._clock()):
            self._outlet.stop()

    def _begin(self, start: float, until: float | None) -> None:
        self._halt()
        self._resting = False
        if self._deck.track is not None:
            self._deck.begin(start, until)
            self._box.put("go")

    # On the worker thread.

    def _work(self) -> None:
        ahead = False  # asked for; but however often it was, a key that waits goes first
        while True:
            try:
                message = self._box.get(not ahead, _TICK if self._deck.run else None)
            except Empty:
                self._send_ahead() if ahead else self._look()
                ahead = False
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
                case "ahead":
                    ahead = True
                case Started():
                    self._on_started(message)
                case Ended():
                    self._on_ended(message)
                case Failed():
                    self._on_failed(message)
                case Joined():
                    self._on_joined(message)
                case Lost():
                    with self._lock:
                        self._deck.lost(message.at)
                        self._outlet.stop()
                    self._outlet.lost(message.words)

    def _go(self) -> None:
        """Hand the newest request to the sink, unless it was taken back meanwhile."""
        deck = self._deck
        with self._lock:
            track, position, end, speed, generation = deck.track, deck.position, deck.end, deck.speed, deck.generation
            if not deck.playing or deck.run or track is None:
                return
        cut = self._cut(track, position, end, speed) if self._outlet.ready() else None
        with self._lock:
            if generation != deck.generation:
                return  # whoever changed it has put a "go" of their own, where one is due
            if cut is None:
                deck.playing = self._outlet.waits
                return
            if cut.first < cut.last:
                deck.piece = cut.piece
                self._outlet.play(deck.ask(cut.start, cut.end, speed, self._clock()), cut)
                self._ahead.have((track, cut.start), cut.piece)
                self._outlet.expect(self._ahead.pieces())
                self._box.put("ahead")
                return
            deck.playing, deck.position = False, end
        self._report(Finished(deck.clip))

    def _cut(self, track: Track, start: float, end: float, speed: float) -> Cut | None:
        try:
            return track.cut(start, end, speed)
        except Exception as failure:  # whatever is wrong with one clip, the next one must play
            self._outlet.remark(f"this clip cannot be played ({type(failure).__name__})")
            return None

    def _send_ahead(self) -> None:
        """Cut one more piece of what comes next, and have a speaker elsewhere get it: one, since a key may wait."""
        if self._outlet.far is None or self._resting:  # while it rests, who joins gets nothing to hold
            return
        with self._lock:
            place, speed = self._ahead.missing(), self._deck.speed
            if place is None:
                self._outlet.expect(self._ahead.pieces())
                return
        track, start = place
        cut = self._cut(track, start, track.duration, speed)
        with self._lock:
            if cut is not None and not self._resting and speed == self._deck.speed and place == self._ahead.missing():
                self._ahead.have(place, cut.piece)
                self._outlet.expect(self._ahead.pieces())
        if cut is not None:
            self._box.put("ahead")

    def _on_started(self, event: Started) -> None:
        with self._lock:
            run = self._deck.answers(event.generation)
            if run is None:
                return
            asked = self._deck.started(run, event.at)
            clip = self._deck.clip
        self._outlet.started()
        if asked:
            self._report(Began(clip, event.at))

    def _on_ended(self, event: Ended) -> None:
        with self._lock:
            run = self._deck.answers(event.generation)
            if run is None:
                return
            broke_off, more = self._deck.ended(run, self._clock(), whole=event.whole)
            clip = self._deck.clip
        if broke_off:
            self._outlet.remark("the sound broke off before its end; play goes on from there")
            return
        self._outlet.forgive()
        if more:
            self._box.put("go")
        else:
            self._report(Finished(clip))

    def _on_failed(self, event: Failed) -> None:
        with self._lock:
            run = self._deck.answers(event.generation)
            if run is None:
                return
            if self._outlet.far is not None:
                run.at = None  # it said that it sounds, and cannot be believed: none of it counts
            self._halt()
        self._box.put("go") if self._outlet.failed(event.reason) else self.pause()

    def _on_joined(self, event: Joined) -> None:
        """Somebody plays elsewhere from now on: what plays goes on there."""
        with self._lock:
            self._halt()
        self._outlet.joined(event.name, event.words)
        self._send_ahead()
        self._box.put("go")

    def _look(self) -> None:
        """Give up on a sink that neither begins nor ends; on its way to a speaker elsewhere sound may be for long."""
        with self._lock:
            run = self._deck.run
            if run is None or run.overdue(self._clock()) < PATIENCE or (run.at is None and self._outlet.far):
                return
            run.at = None  # nobody can say what sounded: none of it counts
            overdue = Failed(run.generation, f"{self._outlet.name} does not answer")
        self._on_failed(overdue)
