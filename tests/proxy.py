"""A TCP proxy that cuts."""

from __future__ import annotations

import contextlib
import socket
import threading

UP, DOWN = 0, 1


class Proxy:
    """Passes connections on to a port of this machine. `cuts` are used up, one a connection: after so many bytes (to
    the server, from it) it is cut, both ways; None cuts nothing. `seen` is what passed on the last one, each way.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.cuts: list[tuple[int | None, int | None]] = []
        self.seen = (bytearray(), bytearray())
        self.done = 0
        """Cuts that were made."""

        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._ends: list[socket.socket] = []
        self._begin(self._accept)

    def close(self) -> None:
        for end in [self._server, *self._ends]:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(30)

    def _begin(self, work: object, *given: object) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:  # nobody there just now
                near.close()
                continue
            self._ends += [near, far]
            self.seen = (bytearray(), bytearray())
            up, down = self.cuts.pop(0) if self.cuts else (None, None)
            self._begin(self._pass_on, near, far, up, self.seen[UP])
            self._begin(self._pass_on, far, near, down, self.seen[DOWN])

    def _pass_on(self, source: socket.socket, sink: socket.socket, left: int | None, seen: bytearray) -> None:
        with contextlib.suppress(OSError):
            while left != 0 and (data := source.recv(1 << 16)):
                if left is not None:
                    data = data[:left]
                    left -= len(data)
                seen += data
                sink.sendall(data)
        if left == 0:
            self.done += 1
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
