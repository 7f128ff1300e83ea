"""One sink at a time out of several candidates: open it, and go on to the next where it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from earmark.tui.sound.sinks.choose import Candidate
from earmark.tui.sound.sinks.interface import Report, Sink, SinkFailed

RETRY_AFTER = 30.0
"""Seconds after which, with no way out found, all are tried once more: a headset may have been plugged in."""

REMEDY = "`earmark doctor` says how to hear"


class Outlet:
    """The sink in use. `stop` and `name` are free for every thread; the rest is heavy and belongs on one thread."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        report: Report,
        announce: Callable[[str | None, str | None], None],
        clock: Callable[[], float],
    ) -> None:
        """`announce` gets the sink's name (None: no sound) and one line of why, whenever one of them changes."""
        self._candidates = candidates
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

    @property
    def name(self) -> str | None:
        """The sink's name; None while none is open."""
        sink = self._sink
        return sink.name if sink else None

    def stop(self) -> None:
        """Silence at once, from any thread."""
        sink = self._sink
        if sink:
            sink.stop()

    def ready(self) -> Sink | None:
        """The sink, opened where it is not; None where no candidate opens."""
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

    def failed(self, reason: str) -> None:
        """The sink failed: one that has played before is opened afresh, once; else it is the next candidate's turn."""
        sink, self._sink = self._sink, None
        if sink is None:
            return
        sink.close()
        if self._works and not self._tried_again:
            self._tried_again = True
            self._say(sink.name, f"{reason}; trying again")
        else:
            self._next(reason)

    def remark(self, reason: str) -> None:
        """Tell something about the sink in use."""
        self._say(self.name, reason)

    def close(self) -> None:
        """Silence, and give back the device and every child process."""
        sink, self._sink = self._sink, None
        if sink:
            sink.close()

    def _next(self, reason: str) -> None:
        self._index += 1
        self._works = self._tried_again = False
        if reason not in self._reasons:
            self._reasons.append(reason)

    def _say(self, name: str | None, reason: str | None) -> None:
        if (name, reason) != self._announced:
            self._announced = (name, reason)
            self._announce(name, reason)
