"""The receiver of a workstation on which Earmark is installed: plays what comes through the sinks of that machine."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING

from earmark.tui.sound.outlet import Outlet
from earmark.tui.sound.sinks.choose import Candidate
from earmark.tui.sound.sinks.interface import Ended, Failed, SinkEvent, Started
from earmark.tui.sound.sinks.process import one_line
from earmark.tui.sound.speaker.frames import MAGIC, Frame, FrameReader
from earmark.tui.sound.track import Cut, Piece

if TYPE_CHECKING:
    from earmark.tui.sound.prepare import Samples

_BLOCK = 65536


class Receiver:
    """Takes frames and plays them; `answer` sends a line back and is called from several threads."""

    def __init__(self, sinks: Sequence[Candidate], answer: Callable[[str], None]) -> None:
        self.trouble = ""
        """Why nothing plays here, in words; empty while something does."""
        self._answer = answer
        self._lock = threading.RLock()
        self._outlet = Outlet(sinks, self._report, self._announce, time.monotonic)
        self._rates: dict[str, int] = {}
        self._arriving: dict[str, bytearray] = {}
        self._pieces: dict[str, Piece] = {}
        self._playing: tuple[int, Cut] | None = None

    def greet(self) -> None:
        """Say what this is, and then ask the sound system, which may take a moment."""
        self._answer("HELLO 1 earmark flac")
        self._outlet.ready()

    def take(self, frame: Frame) -> bool:
        """Do what a frame says; False when it says that all is over. What makes no sense is passed over."""
        word, *rest = frame.line.split(" ")
        with self._lock:
            match word, rest:
                case "O", [key, rate, _, _] if rate.isdecimal():
                    self._forget(key)
                    self._rates[key], self._arriving[key] = int(rate), bytearray()
                case "D", [key, _]:
                    if key in self._arriving:
                        self._arriving[key] += frame.data
                    self._answer("A")
                case "P", [generation, key, first, last] if (generation + first + last).isdecimal():
                    self._play(int(generation), key, int(first), int(last))
                case "S", _:
                    self._silence()
                case "F", [key]:
                    self._forget(key)
                case "R", _:
                    self.reset()
                case "K", [number]:
                    self._answer(f"K {number}")
                case "Q", _:
                    self.reset()
                    return False
        return True

    def reset(self) -> None:
        """Be silent and keep nothing."""
        with self._lock:
            self._silence()
            for held in (self._rates, self._arriving, self._pieces):
                held.clear()

    def close(self) -> None:
        """Be silent, keep nothing, and give back the device."""
        self.reset()
        self._outlet.close()

    def _silence(self) -> None:
        self._playing = None
        self._outlet.stop()

    def _forget(self, key: str) -> None:
        for held in (self._rates, self._arriving, self._pieces):
            held.pop(key, None)

    def _play(self, generation: int, key: str, first: int, last: int) -> None:
        self._silence()
        if key in self._arriving:
            try:
                samples = decoded(bytes(self._arriving.pop(key)))
            except RuntimeError:  # libsndfile's: the sound did not arrive as it was sent
                self._answer(f"X {generation} what arrived is no sound")
                return
            self._pieces[key] = Piece(key, samples, self._rates[key])
        piece = self._pieces.get(key)
        if piece is None or not first < last <= len(piece.samples):
            return
        self._playing = generation, Cut(piece, first, last, 0.0, 0.0)
        self._again()

    def _again(self) -> None:
        if self._playing is None:
            return
        if self._outlet.ready():
            self._outlet.play(*self._playing)
        else:
            self._answer(f"X {self._playing[0]} {one_line(self.trouble)}")

    def _report(self, event: SinkEvent) -> None:
        with self._lock:
            if self._playing is None or not isinstance(event, Started | Ended | Failed):
                return
            if event.generation != self._playing[0]:
                return
            if isinstance(event, Started):
                self._outlet.started()
                self._answer(f"B {event.generation}")
            elif isinstance(event, Ended):
                self._playing = None
                self._answer(f"E {event.generation}")
            else:
                self._outlet.failed(event.reason)
                self._again()

    def _announce(self, name: str | None, reason: str | None) -> None:
        self.trouble = "" if name is not None else reason or "no sound here"


def decoded(flac: bytes) -> Samples:
    """The frames of a FLAC that `codecs.encode` made: int16, shape (frames,). Raises RuntimeError for anything else."""
    import soundfile

    samples: Samples
    samples, _ = soundfile.read(io.BytesIO(flac), dtype="int16")
    return samples


def begun(source: IO[bytes]) -> bool:
    """Pass over what a remote shell printed, up to where frames begin; False where the stream ends before."""
    return any(line.strip() == MAGIC.encode() for line in iter(source.readline, b""))


def frames(source: IO[bytes]) -> Iterator[Frame]:
    """The frames of a stream that has `begun`. Raises `Garbled`."""
    reader = FrameReader()
    while block := source.read1(_BLOCK):  # type: ignore[attr-defined]  # the buffered readers of pipes have it
        yield from reader.feed(block)
