"""One `earmark speaker` that has come: what goes to it never blocks, what it says comes line by line."""

from __future__ import annotations

import contextlib
import socket
from collections import deque

from earmark.tui.sound.speaker.frames import Frame, LineReader

_BLOCK = 65536


class Link:
    """A connection to a speaker. Not safe for two threads at once."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._waiting: deque[memoryview] = deque()
        self._lines = LineReader()
        self._gone = False

    @property
    def clogged(self) -> bool:
        """Whether something waits for the other side to read."""
        return bool(self._waiting)

    def send(self, frame: Frame) -> None:
        """Send a frame, or as much of it as goes, after what waits."""
        self._waiting.append(memoryview(frame.binary()))
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as it goes without blocking."""
        while self._waiting and not self._gone:
            try:
                count = self.socket.send(self._waiting[0])
            except BlockingIOError:
                return
            except OSError:
                self._gone = True  # told where one reads
                return
            rest = self._waiting.popleft()[count:]
            if rest:
                self._waiting.appendleft(rest)

    def read(self) -> list[str] | None:
        """The lines that have come; None once the other side is gone."""
        try:
            block = self.socket.recv(_BLOCK)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return list(self._lines.feed(block)) if block else None

    def close(self) -> None:
        """Hang up; what has been sent still arrives."""
        with contextlib.suppress(OSError):
            self.socket.close()
