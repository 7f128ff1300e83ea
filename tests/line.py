"""A line between two programs that is as bad as the test wants it: a TCP proxy on the loopback.

    line = Line(server_port, delay=0.1, rate=32_000)     200 ms there and back, 256 kbit/s each way
    client connects to line.port
    line.stall(); …; line.go_on()
    line.cut()
    line.close()

Each way is what a real bottleneck is: a queue of bounded length that is served at the rate, then a fixed delay. Where
the queue is full nothing more is read, and the sender's own system holds the rest. All connections share the rate.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque
from typing import Final

_BLOCK: Final = 1400  # bytes of a packet
_KERNEL: Final = 8192  # bytes that the system may hold for us: they would be a queue that nobody sees


class Line:
    """Connections to `port` come out at `target`. `delay` is seconds one way, `rate` bytes a second each way.

    After `cut_after` bytes from the server in all, everything is cut.
    """

    def __init__(
        self,
        target: int,
        *,
        delay: float = 0.0,
        rate: float | None = None,
        queue: int = 32 * 1024,
        cut_after: int | None = None,
    ) -> None:
        self.target = target
        self.delay, self.rate, self.queue = delay, rate, queue
        self.cut_after = cut_after
        self.to_client = 0
        """Bytes that have come from the server and were given to clients."""
        self.going = threading.Event()
        self.going.set()
        self._free_at = {False: 0.0, True: 0.0}
        self._closed = False
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    # -- what the line does to those who use it ----------------------------------------------------------------------

    def stall(self) -> None:
        """Nothing arrives any more, and nobody is told."""
        self.going.clear()

    def go_on(self) -> None:
        """What was on its way arrives."""
        self.going.set()

    def cut(self) -> None:
        """Every connection ends; new ones are taken."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """No line any more."""
        self._closed = True
        self.go_on()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()
        self.cut()

    # -- its inner parts ---------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.rate is not None:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL)
            with self._lock:
                self._open |= {client, server}
            ways = [_Way(self, client, server, counted=False), _Way(self, server, client, counted=True)]
            threading.Thread(target=self._bury, args=(client, server, ways), daemon=True).start()

    def _bury(self, client: socket.socket, server: socket.socket, ways: list[_Way]) -> None:
        for way in ways:
            way.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def leaves(self, size: int, *, to_client: bool) -> float:
        """The moment at which so many bytes that come now have left the queue."""
        with self._lock:
            begins = max(time.monotonic(), self._free_at[to_client])
            self._free_at[to_client] = begins + (size / self.rate if self.rate else 0.0)
            return self._free_at[to_client]

    def passed(self, count: int) -> int:
        """So many bytes are about to be given to a client; says how many may be."""
        with self._lock:
            if self.cut_after is not None:
                count = min(count, max(0, self.cut_after - self.to_client))
            self.to_client += count
        return count


class _Way:
    """One direction of one connection."""

    def __init__(self, line: Line, source: socket.socket, target: socket.socket, *, counted: bool) -> None:
        self._line, self._source, self._target, self._counted = line, source, target, counted
        self._packets: deque[tuple[float, float, bytes]] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._take, self._give)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _take(self) -> None:
        """Put packets into the queue, with the moments at which they leave it and arrive."""
        while True:
            try:
                block = self._source.recv(_BLOCK)
            except OSError:
                block = b""
            leaves = self._line.leaves(len(block), to_client=self._counted)
            with self._changed:
                self._packets.append((leaves, leaves + self._line.delay, block))
                self._changed.notify_all()
                if not block:
                    return
            # What has left the queue is on the line: it does not count.
            while self._waiting() > self._line.queue and not self._ended:
                time.sleep(0.002)

    def _waiting(self) -> int:
        now = time.monotonic()
        with self._changed:
            return sum(len(block) for leaves, _, block in self._packets if leaves > now)

    def _give(self) -> None:
        """Give each packet to the target at its moment, or when the line goes on."""
        while True:
            with self._changed:
                while not self._packets:
                    self._changed.wait()
                _, arrives, block = self._packets[0]
            time.sleep(max(0.0, arrives - time.monotonic()))
            self._line.going.wait()
            with self._changed:
                self._packets.popleft()
            if self._counted and block:
                allowed = self._line.passed(len(block))
                over, block = allowed < len(block), block[:allowed]
            else:
                over = False
            try:
                self._target.sendall(block)
                if not block or over:
                    self._target.shutdown(socket.SHUT_WR)
            except OSError:
                block = b""
            if over:
                self._line.cut()
            if not block or over:
                self._ended = True
                with contextlib.suppress(OSError):
                    self._source.shutdown(socket.SHUT_RD)
                return
