"""The program, with sinks that note when they sound and when they are silenced: `noting.py FILE ARGUMENTS…`.

Each line of FILE is `sounds` or `silent` and the moment, in seconds of the monotonic clock, which all processes share:
that at which the player's process says that it plays, and that at which it has been sent SIGKILL.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial

from earmark.tui.commands import main
from earmark.tui.sound.sinks import choose
from earmark.tui.sound.sinks.interface import Report, Sink, SinkEvent, Started

Note = Callable[[str, float], None]


class Noting:
    """A sink before another one."""

    def __init__(self, sink: Sink, note: Note) -> None:
        self.name = sink.name
        self.play = sink.play
        self.close = sink.close
        self._sink = sink
        self._note = note

    def stop(self) -> None:
        """See `Sink.stop`."""
        self._sink.stop()
        self._note("silent", time.monotonic())


def noting(candidate: choose.Candidate, note: Note, report: Report) -> Sink:
    """Open the candidate's sink with a `Noting` before it."""

    def told(event: SinkEvent) -> None:
        if isinstance(event, Started):
            note("sounds", event.at)
        report(event)

    return Noting(candidate(told), note)


def run(file: str) -> None:
    """Run the program, its notes going to `file`."""
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(word: str, at: float) -> None:
        os.write(fd, f"{word} {at}\n".encode())

    plain = choose.candidates
    choose.candidates = lambda preference="auto": tuple(partial(noting, each, note) for each in plain(preference))
    main()


if __name__ == "__main__":
    run(sys.argv.pop(1))
