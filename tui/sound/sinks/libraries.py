"""Sound through a library, simpleaudio or miniaudio, in a process of its own for each clip.

simpleaudio corrupts its heap when a clip ends, holds the interpreter's lock while the device opens, and goes on
sounding for 200 ms after its `stop`. miniaudio keeps up to 50 ms of the last clip for the beginning of the next, and
leaks a connection with each device. Both write to standard error. A process that is killed has none of these faults:
silence is immediate. Warm spares, started and imported, make up for the time that a process takes to start.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import msgspec

from earmark.tui.sound.sinks._child import HEADER
from earmark.tui.sound.sinks.interface import Ended, Failed, Report, SinkEvent, SinkFailed, Started
from earmark.tui.sound.sinks.process import NO_WINDOW, one_line, reap, send

SPARES = 2
"""Warm processes kept: for keys pressed faster than a process starts (12 ms with simpleaudio, 70 with miniaudio)."""

_SCRIPT = Path(__file__).with_name("_child.py")


class _Job(msgspec.Struct, frozen=True):
    generation: int
    pcm: bytes
    rate: int


class LibrarySink:
    """A `Sink` by a library. One lock guards the processes; events are told without it."""

    def __init__(self, library: str, install: str, report: Report) -> None:
        """`library` is `simpleaudio` or `miniaudio`, `install` what to say to pip for it.

        Raises SinkFailed where it is not installed. Whether there is a device shows when something plays.
        """
        if importlib.util.find_spec(library) is None:
            raise SinkFailed(f"{library} is not installed (pip install '{install}')")
        self.name = library
        self._report = report
        self._wake = threading.Condition()
        self._spares: deque[_Child] = deque()
        self._current: _Child | None = None
        self._waiting: _Job | None = None
        self._closed = False
        threading.Thread(target=self._keep_spares, name=f"{library} spares", daemon=True).start()

    def play(self, generation: int, pcm: bytes, rate: int) -> None:
        """See `Sink.play`."""
        job = _Job(generation, pcm, rate)
        with self._wake:
            self._silence()
            if self._closed:
                return
            while self._spares:
                child = self._spares.popleft()
                if child.alive():
                    # The keeper is woken only when this one sounds: starting a process now would delay it.
                    self._current = child
                    child.give(job)
                    return
                child.dismiss()
            self._waiting = job
            self._wake.notify()

    def stop(self) -> None:
        """See `Sink.stop`."""
        with self._wake:
            self._silence()

    def close(self) -> None:
        """See `Sink.close`."""
        with self._wake:
            self._silence()
            self._closed = True
            while self._spares:
                self._spares.popleft().dismiss()
            self._wake.notify()

    def _silence(self) -> None:
        self._waiting = None
        if self._current:
            self._current.process.kill()
            self._current = None

    def _keep_spares(self) -> None:
        starved = False
        while True:
            with self._wake:
                while not (self._closed or self._waiting or (len(self._spares) < SPARES and not starved)):
                    self._wake.wait()
                if self._closed:
                    return
            try:
                child = _Child(self.name, self._tell)
            except OSError as failure:
                starved = True  # until somebody wants to hear something again
                with self._wake:
                    job, self._waiting = self._waiting, None
                if job:
                    self._report(Failed(job.generation, one_line(f"no process for sound: {failure.strerror}")))
                continue
            starved = False
            with self._wake:
                if self._closed:
                    child.dismiss()
                elif self._waiting:
                    self._current = child
                    child.give(self._waiting)
                    self._waiting = None
                else:
                    self._spares.append(child)

    def _tell(self, child: _Child, event: SinkEvent) -> None:
        with self._wake:
            self._wake.notify()
            if self._current is not child:
                return
            if not isinstance(event, Started):
                self._current = None
        self._report(event)


class _Child:
    """One process, and the thread that feeds it, listens to it and buries it."""

    def __init__(self, library: str, tell: Callable[[_Child, SinkEvent], None]) -> None:
        self.process = subprocess.Popen(
            # -S and -s halve the time to start, hence the folders; -P keeps the script's own folder out of them.
            [sys.executable, "-S", "-s", "-P", str(_SCRIPT), library, *filter(None, sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # simpleaudio frees memory without the interpreter's lock: only the C allocator stands that.
            env={**os.environ, "PYTHONMALLOC": "malloc"},
            creationflags=NO_WINDOW,
        )
        self._library = library
        self._tell = tell
        self._box: SimpleQueue[_Job | None] = SimpleQueue()
        threading.Thread(target=self._attend, name=library, daemon=True).start()

    def alive(self) -> bool:
        return self.process.poll() is None

    def give(self, job: _Job) -> None:
        """Play this, then end."""
        self._box.put(job)

    def dismiss(self) -> None:
        """End without having played."""
        self._box.put(None)

    def _attend(self) -> None:
        try:
            job = self._box.get()
            if job:
                send(self.process, HEADER.pack(job.rate, len(job.pcm)), job.pcm)
                self._listen(job.generation)
        finally:
            reap(self.process)

    def _listen(self, generation: int) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            word, _, reason = line.decode(errors="replace").strip().partition(" ")
            if word == "playing":
                self._tell(self, Started(generation, time.monotonic()))
            elif word == "done":
                self._tell(self, Ended(generation))
                return
            elif word == "error":
                self._tell(self, Failed(generation, one_line(reason)))
                return
        code = self.process.wait()
        self._tell(self, Failed(generation, f"the process of {self._library} ended by itself (code {code})"))
