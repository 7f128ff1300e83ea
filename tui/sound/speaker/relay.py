"""`earmark speaker`: stands between the program on this host and a receiver at the other end of a connection.

It reads whole frames from the program and writes them on, as bytes or as text, and passes the receiver's lines back.
When the program ends, or dies in the middle of a frame, the receiver is told to be silent and to forget; then it waits
for the next sitting. Nothing is kept here.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Final

from earmark.tui.sound.speaker.frames import GREETING, MAGIC, TOOK_OVER, Frame, FrameReader, Garbled, LineReader
from earmark.tui.sound.speaker.rendezvous import folder, join

KNOCK: Final = 0.25
"""Seconds between looks for a sitting."""

ALIVE: Final = 2.0
"""Seconds between frames that keep the way to the receiver open while there is no sitting."""

_BLOCK = 65536


class Relay:
    """Passes frames on until the receiver is gone or another speaker takes over.

    `source` and `target` are descriptors from and to the receiver; `say` shows a line to the person who started it.
    """

    def __init__(self, source: int, target: int, *, text: bool, say: Callable[[str], None]) -> None:
        self._source: int | None = source
        self._target = target
        self._text = text
        self._say = say
        self._program: socket.socket | None = None
        self._frames = FrameReader()
        self._lines = LineReader()
        self._out = bytearray()
        self._hello: str | None = None
        self._due = 0.0
        self._told: str | None = None

    def run(self) -> str:
        """Pass on until the end; says in words why it came. Raises `NoRendezvous` where nobody can meet the program."""
        os.set_blocking(self._target, False)
        # A line of its own, whatever a start-up file has printed without ending its line.
        self._out += f"\n{MAGIC}\n".encode()
        try:
            while True:
                if self._program is None:
                    self._knock()
                if ended := self._pass():
                    return ended
        finally:
            if self._program is not None:
                self._program.close()

    def _tell(self, words: str) -> None:
        if words != self._told:
            self._told = words
            self._say(words)

    def _knock(self) -> None:
        self._program = self._join()
        if self._program is None:
            self._tell(f"Waiting for a sitting: start `earmark review` on this host. (The two meet in {folder()}.)")
            now = time.monotonic()
            if now >= self._due:
                self._due = now + ALIVE
                self._write(Frame("K 0"))
            return
        self._frames = FrameReader()
        self._tell("Joined the sitting; its sound goes out here.")

    def _join(self) -> socket.socket | None:
        program = join()
        if program is not None:
            try:
                program.sendall("".join(f"{line}\n" for line in (GREETING, self._hello) if line).encode())
            except OSError:  # it has ended meanwhile
                program.close()
                return None
        return program

    def _pass(self) -> str:
        """Wait for something, and pass it on; words once it is over."""
        poll = select.poll()
        poll.register(self._target, select.POLLOUT if self._out else 0)
        if self._source is not None:
            poll.register(self._source, select.POLLIN)
        # While the receiver does not read, nothing more is taken from the program.
        if self._program is not None and not self._out:
            poll.register(self._program, select.POLLIN)
        ready = dict(poll.poll(KNOCK * 1000 if self._program is None else None))
        if ready.get(self._target, 0) & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
            return "The receiver is gone."
        if self._out and self._target in ready and not self._flush():
            return "The receiver is gone."
        if self._source is not None and self._source in ready and not self._answers(self._source):
            return "The receiver is gone."
        if self._program is not None and self._program.fileno() in ready:
            return self._forward(self._program)
        return ""

    def _answers(self, source: int) -> bool:
        """Lines from the receiver; False once it has spoken and will not any more."""
        try:
            block = os.read(source, _BLOCK)
        except OSError:
            block = b""
        if not block:
            # One that never answers may well have no way back: sound goes out until nobody takes it.
            self._source = None
            return self._hello is None
        for line in self._lines.feed(block):
            if line.startswith("HELLO "):
                self._hello = line
            if self._program is not None:
                with contextlib.suppress(OSError):  # a program that is gone is seen where one reads from it
                    self._program.sendall(f"{line}\n".encode())
        return True

    def _forward(self, program: socket.socket) -> str:
        try:
            block = program.recv(_BLOCK)
        except OSError:
            block = b""
        try:
            for frame in self._frames.feed(block):
                if frame.line == MAGIC:
                    continue  # said already, when this began
                if frame.line == TOOK_OVER:
                    self._tell("It takes over from another speaker of yours, which has ended.")
                    continue
                self._write(frame)
                if frame.line.startswith("Q "):
                    self._drain()
                    return f"The end: {frame.line[2:]}."
        except Garbled:
            block = b""
        if not block:
            program.close()
            self._program = None
            self._write(Frame("R"))
            self._tell("The sitting is over.")
        return ""

    def _write(self, frame: Frame) -> None:
        self._out += frame.text() if self._text else frame.binary()
        self._flush()

    def _flush(self) -> bool:
        """Write what the receiver takes now; False once it is gone."""
        try:
            while self._out:
                del self._out[: os.write(self._target, self._out)]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def _drain(self) -> None:
        """Give the last words a second to leave: a receiver that does not read must not hold this up for ever."""
        end = time.monotonic() + 1.0
        while self._out and (left := end - time.monotonic()) > 0 and select.select([], [self._target], [], left)[1]:
            if not self._flush():
                return
