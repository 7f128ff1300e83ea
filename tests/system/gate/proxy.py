"""A TCP proxy that cuts."""

from __future__ import annotations

import contextlib
import socket
import threading


class Proxy:
    """Passes connections on to a port of this machine. `limits` are used up, one a connection: so many bytes, both ways
    together, and it is cut; without one it passes on for good. `passed` counts the bytes of the last one.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.limits: list[int] = []
        self.passed = 0
        self.cuts = 0
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
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._ends += [near, far]
            self.passed = 0
            limit = [self.limits.pop(0)] if self.limits else []
            lock = threading.Lock()
            self._begin(self._pass_on, near, far, limit, lock)
            self._begin(self._pass_on, far, near, limit, lock)

    def _pass_on(self, source: socket.socket, sink: socket.socket, limit: list[int], lock: threading.Lock) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                with lock:
                    if limit:
                        data, limit[0] = data[: limit[0]], limit[0] - len(data)
                    self.passed += len(data)
                    sink.sendall(data)
                    if limit and limit[0] <= 0:
                        self.cuts += 1
                        break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
