"""Sound through a player of the system's, one process for each clip: aplay, paplay or pw-play."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
import time

from earmark.tui.sound.sinks.interface import Ended, Failed, Report, SinkEvent, SinkFailed, Started
from earmark.tui.sound.sinks.process import NO_WINDOW, one_line, reap

_ARGUMENTS = {
    "aplay": ("-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", "{rate}", "-"),
    "paplay": ("--raw", "--format=s16le", "--channels=1", "--rate={rate}", "--latency-msec=50"),
    "pw-play": ("--raw", "--format=s16", "--channels=1", "--rate={rate}", "-"),
}
"""How each plays 16-bit little-endian frames of one channel from its standard input (their manual pages)."""

_PAGE = 4096
"""Bytes that the pipe holds, where the system lets one choose: the second page goes in once the player reads."""


class CommandSink:
    """A `Sink` by one of the system's players."""

    def __init__(self, player: str, report: Report) -> None:
        """`player` is `aplay`, `paplay` or `pw-play`. Raises SinkFailed where it is not installed."""
        path = shutil.which(player)
        if path is None:
            raise SinkFailed(f"{player} is not installed")
        self.name = player
        self._path = path
        self._report = report
        self._lock = threading.Lock()
        self._current: _Play | None = None
        self._closed = False

    def play(self, generation: int, pcm: bytes, rate: int) -> None:
        """See `Sink.play`."""
        with self._lock:
            self._silence()
            if self._closed:
                return
            arguments = [self._path, *(each.format(rate=rate) for each in _ARGUMENTS[self.name])]
            play = self._current = _Play(self, generation, arguments)
        threading.Thread(target=play.run, args=(pcm,), name=self.name, daemon=True).start()

    def stop(self) -> None:
        """See `Sink.stop`."""
        with self._lock:
            self._silence()

    def close(self) -> None:
        """See `Sink.close`."""
        with self._lock:
            self._silence()
            self._closed = True

    def _silence(self) -> None:
        play, self._current = self._current, None
        if play and play.process:
            play.process.kill()

    def _adopt(self, play: _Play, process: subprocess.Popen[bytes]) -> bool:
        """Let `stop` know the process; False where it was stopped before it began."""
        with self._lock:
            play.process = process
            return self._current is play

    def _tell(self, play: _Play, event: SinkEvent) -> None:
        with self._lock:
            if self._current is not play:
                return
            if not isinstance(event, Started):
                self._current = None
        self._report(event)


class _Play:
    """One clip on its way through a player."""

    def __init__(self, sink: CommandSink, generation: int, arguments: list[str]) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self._sink = sink
        self._generation = generation
        self._arguments = arguments

    def run(self, pcm: bytes) -> None:
        try:
            process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                pipesize=_PAGE,
                creationflags=NO_WINDOW,
            )
        except OSError as failure:
            self._tell(Failed(self._generation, one_line(f"{self._sink.name} does not start: {failure.strerror}")))
            return
        try:
            if self._sink._adopt(self, process):
                self._feed(process, pcm)
                code = process.wait()
                if code:
                    reason = f"{self._sink.name} finds no sound device that plays (code {code})"
                    self._tell(Failed(self._generation, reason))
                else:
                    self._tell(Ended(self._generation))
        finally:
            reap(process)

    def _feed(self, process: subprocess.Popen[bytes], pcm: bytes) -> None:
        assert process.stdin
        left = memoryview(pcm)
        pages = 0
        with contextlib.suppress(OSError):  # the exit code tells what there is to tell
            while left:
                left = left[process.stdin.write(left[:_PAGE]) or 0 :]
                pages += 1
                if pages == 2:
                    self._tell(Started(self._generation, time.monotonic()))
            if pages < 2:
                self._tell(Started(self._generation, time.monotonic()))
            process.stdin.close()

    def _tell(self, event: SinkEvent) -> None:
        self._sink._tell(self, event)
