"""A receiver of the test's own at the other end of the sound: it knows the frames and nothing else of the program."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

GENEROUS = 20.0
"""Seconds in which what must happen has happened, on the busiest machine."""


def until(condition: Callable[[], object], what: object = "it did not come to that", seconds: float = GENEROUS) -> None:
    """Wait for something to come true; `what` is shown where it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.002)


def socket_in(folder: Path) -> Path:
    """The meeting place's socket below a state folder, once it is there."""
    until(lambda: list(folder.glob("earmark/sound-*/sound.sock")), f"nobody listens below {folder}")
    (path,) = folder.glob("earmark/sound-*/sound.sock")
    return path


HELLO = "HELLO 1 paper/test delta,gzip,pcm"


class FarEnd:
    """Joins the program as `earmark speaker` does. `lines` is every frame's line, in order; `pieces` what it holds.

    It acknowledges what arrives and says that it is there, unless it is told not to; what sounds, the test says, or it
    says by itself that it `begins` all. While `reading` is clear it takes nothing out of the connection, of which it
    may have a small `buffer`. `cut` has it hang up after so many frames and so many bytes of the next.
    """

    def __init__(
        self,
        path: Path | None,
        hello: str | None = HELLO,
        *,
        acknowledges: bool = True,
        is_there: bool = True,
        begins: bool = False,
        buffer: int | None = None,
        cut: tuple[int, int] | None = None,
        command: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`path` is the program's socket; without one, `command` is what leads to an `earmark speaker`."""
        self.lines: list[str] = []
        self.pieces: dict[str, bytearray] = {}
        self.shapes: dict[str, tuple[int, str, int]] = {}
        self.acknowledges, self.is_there, self._begins, self._cut = acknowledges, is_there, begins, cut
        self._hello = hello
        self.over = False
        self.reading = threading.Event()
        self.reading.set()
        self._buffer = bytearray()
        self._process: subprocess.Popen[bytes] | None = None
        if path is not None:
            self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            if buffer is not None:
                self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            until(lambda: self._joins(path), f"{path} takes nobody")
            self.say("SPEAKER 1", *([hello] if hello is not None else []))
            self._begun = True
        else:
            self._connection, theirs = socket.socketpair()
            self._process = subprocess.Popen(
                command, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
            )
            theirs.close()
            self._begun = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _joins(self, path: Path) -> bool:
        try:
            self._connection.connect(str(path))
        except ConnectionRefusedError:  # it is there, and not listened at yet
            return False
        return True

    # -- what it says ------------------------------------------------------------------------------------------------

    def say(self, *lines: str) -> None:
        self.send("".join(f"{line}\n" for line in lines).encode())

    def send(self, data: bytes) -> None:
        """Bytes as they are; a program that is gone does not hear them."""
        with contextlib.suppress(OSError):
            self._connection.sendall(data)

    def begins(self) -> None:
        """What was asked for last begins to sound."""
        self.say(f"B {self.asked[0]}")

    def ends(self) -> None:
        """It has been played to its end."""
        self.say(f"E {self.asked[0]}")

    def hang_up(self) -> None:
        """Go away without a word."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self.reading.set()
        self._thread.join(GENEROUS)
        self._connection.close()

    # -- what it was told --------------------------------------------------------------------------------------------

    @property
    def plays(self) -> list[tuple[int, str, int, int]]:
        """Generation, key, first and last frame of all that it was asked to play."""
        words = [line.split() for line in list(self.lines) if line.startswith("P ")]
        return [(int(generation), key, int(first), int(last)) for _, generation, key, first, last in words]

    @property
    def asked(self) -> tuple[int, str, int, int]:
        """What it was asked to play last."""
        return self.plays[-1]

    def asked_for(self, count: int) -> tuple[int, str, int, int]:
        """The `count`th request, once it has come."""
        until(lambda: len(self.plays) >= count, lambda: self.lines)
        return self.plays[count - 1]

    def told(self, line: str, times: int = 1) -> None:
        """Wait for a line."""
        until(lambda: self.lines.count(line) >= times, lambda: f"never told {line!r}: {self.lines}")

    def after(self, line: str) -> list[str]:
        """The lines that came after the last of these."""
        lines = list(self.lines)
        return lines[len(lines) - lines[::-1].index(line) :]

    def frames(self, key: str) -> bytes:
        """A piece as it was told in its codec, undone: 16-bit frames."""
        _, codec, size = self.shapes[key]
        data = bytes(self.pieces[key])
        assert len(data) == size
        return {"pcm": lambda: data, "gzip": lambda: zlib.decompress(data, 31), "delta": lambda: _undelta(data)}[
            codec
        ]()

    # -- on a thread of its own --------------------------------------------------------------------------------------

    def _read(self) -> None:
        while True:
            self.reading.wait()
            try:
                block = self._connection.recv(65536)
            except OSError:
                block = b""
            if not block:
                self.over = True
                return
            self._buffer += block
            while self._begin() and not self._at_cut() and self._take():
                pass
            if self._at_cut():
                self.over = True
                if self._process is not None:
                    self._process.kill()
                with contextlib.suppress(OSError):
                    self._connection.shutdown(socket.SHUT_RDWR)
                return

    def _begin(self) -> bool:
        """Pass over what a start-up file has printed."""
        if not self._begun and b"EARMARK-SOUND 1\n" in self._buffer:
            del self._buffer[: self._buffer.index(b"EARMARK-SOUND 1\n") + 16]
            self._begun = True
            if self._hello is not None:
                self.say(self._hello)
        return self._begun

    def _at_cut(self) -> bool:
        return self._cut is not None and len(self.lines) >= self._cut[0] and len(self._buffer) >= self._cut[1]

    def _take(self) -> bool:
        """One frame out of what has come, if it is whole."""
        line, end, rest = bytes(self._buffer).partition(b"\n")
        if not end:
            return False
        words = line.decode("ascii").split(" ")
        size = int(words[2]) if words[0] == "D" else 0
        if len(rest) < size:
            return False
        del self._buffer[: len(line) + 1 + size]
        self._do(words, rest[:size])
        self.lines.append(line.decode("ascii"))
        return True

    def _do(self, words: list[str], data: bytes) -> None:
        match words:
            case ["O", key, rate, codec, size]:
                self.pieces[key], self.shapes[key] = bytearray(), (int(rate), codec, int(size))
            case ["D", key, _]:
                self.pieces[key] += data
                if self.acknowledges:
                    self.say("A")
            case ["F", key]:
                del self.pieces[key]
            case ["R"]:
                self.pieces.clear()
            case ["K", number] if self.is_there:
                self.say(f"K {number}")
            case ["P", generation, *_] if self._begins:
                self.say(f"B {generation}")


def _undelta(data: bytes) -> bytes:
    """As `codecs` describes it, by another way than the receivers'."""
    import numpy as np

    halves = np.frombuffer(zlib.decompress(data), np.uint8).reshape(2, -1).astype(np.int64)
    twice = halves[0] + 256 * halves[1] - 128
    frames: Any = twice.cumsum().cumsum() & 0xFFFF
    return frames.astype("<u2").tobytes()
