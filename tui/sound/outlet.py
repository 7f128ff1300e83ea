"""One way out for sound at a time: a speaker at the other end of a line where one has joined, else a sink of this
machine out of several candidates, the next where one fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from earmark.tui.sound.sinks.choose import Candidate
from earmark.tui.sound.sinks.interface import Report, Sink, SinkFailed

if TYPE_CHECKING:
    from earmark.tui.sound.sinks.choose import OpenSpeaker
    from earmark.tui.sound.speaker.sink import Speaker
    from earmark.tui.sound.track import Cut, Piece

RETRY_AFTER = 30.0
"""Seconds after which, with no way out found, all are tried once more: a headset may have been plugged in."""

REMEDY = "`earmark doctor` says how to hear"


class Outlet:
    """The way out in use. `stop`, `expect`, `keep` and `name` are free for every thread; the rest is heavy and belongs
    on one thread.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        report: Report,
        announce: Callable[[str | None, str | None], None],
        clock: Callable[[], float],
        speaker: OpenSpeaker | None = None,
    ) -> None:
        """`announce` gets the sink's name (None: no sound) and one line of why, whenever one of them changes."""
        self._candidates = candidates
        self._open_speaker = speaker
        self._speaker: Speaker | None = None
        self._no_speaker = ""
        self._report = report
        self._announce = announce
        self._clock = clock
        self._sink: Sink | None = None
        self._index = 0
        self._works = False
        self._tried_again = False
        self._reasons: list[str] = []
        self._gave_up: float | None = None
        self._announced: tuple[str | None, str | None] | None = None

    # The speaker at the other end of a line.

    @property
    def far(self) -> Speaker | None:
        """The speaker, where sound is to go there and nowhere else."""
        speaker = self._speaker
        return speaker if speaker is not None and speaker.wanted else None

    @property
    def waits(self) -> bool:
        """Whether sound waits for a speaker to join, or to come back."""
        far = self.far
        return far is not None and not far.joined

    def expect(self, pieces: Sequence[Piece]) -> None:
        """What may be played next, the likeliest first: a speaker gets it ahead, and forgets all else."""
        if self._speaker is not None:
            self._speaker.expect(pieces)

    def keep(self, pieces: Sequence[Piece]) -> None:
        """A speaker forgets all but these at once, and gets nothing new yet: what plays next goes before."""
        if self._speaker is not None:
            self._speaker.keep(pieces)

    def joined(self, name: str, words: str) -> None:
        """A speaker has joined: from now on sound goes there, and never again out at this machine."""
        sink, self._sink = self._sink, None
        if sink:
            sink.close()
        self._say(name, words or None)

    def lost(self, words: str) -> None:
        """The speaker is gone or does not answer."""
        self._say(None, words)

    # Whatever is in use.

    @property
    def name(self) -> str | None:
        """What the status line shows; None while nothing is open."""
        way = self.far or self._sink
        return way.name if way and not self.waits else None

    def stop(self) -> None:
        """Silence at once, from any thread."""
        for way in (self._speaker, self._sink):
            if way:
                way.stop()

    def play(self, generation: int, cut: Cut) -> None:
        """Play this, once `ready`, silencing what plays."""
        if far := self.far:
            far.play(generation, cut)
        elif self._sink:
            self._sink.play(generation, cut.pcm, cut.rate)

    def ready(self) -> bool:
        """Whether sound can go out: opens what is not open yet."""
        if self._speaker is None and self._open_speaker is not None:
            try:
                self._speaker = self._open_speaker(self._report)
            except SinkFailed as failure:
                # Asked again with the next clip: another sitting, which has the speaker now, may end.
                self._no_speaker = str(failure)
        if self.waits:
            self._say(None, f"No sound yet: nobody plays at your end. {REMEDY}.")
            return False
        return self.far is not None or self._open_sink() is not None

    def _open_sink(self) -> Sink | None:
        if self._sink:
            return self._sink
        if self._gave_up is not None:
            if self._clock() - self._gave_up < RETRY_AFTER:
                return None
            self._gave_up = None
            self._index = 0
            self._reasons.clear()
        while self._index < len(self._candidates):
            try:
                self._sink = self._candidates[self._index](self._report)
            except SinkFailed as failure:
                self._next(str(failure))
                continue
            self._say(self._sink.name, "; ".join(self._reasons) or None)
            return self._sink
        self._gave_up = self._clock()
        if self._candidates:
            # One line for the screen; the doctor has the reason of each.
            why = self._reasons[0] if len(self._reasons) == 1 else "no sound device plays here"
            self._say(None, f"No sound: {why}. {REMEDY}.")
        elif self._no_speaker:
            self._say(None, f"No sound: {self._no_speaker}.")
        else:
            self._say(None, "Sound is off.")
        return None

    def started(self) -> None:
        """The sink has begun to play something."""
        self._works = True
        self._reasons.clear()

    def forgive(self) -> None:
        """A clip was played to its end, or another one comes: what fails from now on fails for the first time."""
        self._tried_again = False

    def failed(self, reason: str) -> bool:
        """It failed: a sink that has played before is opened afresh, once; else it is the next candidate's turn. Says
        whether asking again makes sense: a speaker that cannot play would fail the same way.
        """
        if self.far is not None:
            self.remark(reason)
            return False
        sink, self._sink = self._sink, None
        if sink is None:
            return True
        sink.close()
        if self._works and not self._tried_again:
            self._tried_again = True
            self._say(sink.name, f"{reason}; trying again")
        else:
            self._next(reason)
        return True

    def remark(self, reason: str) -> None:
        """Tell something about the sink in use."""
        self._say(self.name, reason)

    def close(self) -> None:
        """Silence, and give back the device and every child process."""
        for way in (self._speaker, self._sink):
            if way:
                way.close()
        self._speaker = self._sink = None

    def _next(self, reason: str) -> None:
        self._index += 1
        self._works = self._tried_again = False
        if reason not in self._reasons:
            self._reasons.append(reason)

    def _say(self, name: str | None, reason: str | None) -> None:
        if (name, reason) != self._announced:
            self._announced = (name, reason)
            self._announce(name, reason)
