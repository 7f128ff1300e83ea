"""Gates at the other end of a socket pair, in a thread: everything of the way to a remote store but ssh itself."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

from earmark.queue.store.gate.client import GateStore
from earmark.queue.store.gate.server import reading, serve, writing
from earmark.queue.store.interface import ReviewStore, SignInAgain, StoreError, StoreUnreachable


class SocketChannel:
    """One end of a socket pair; `cut_after` bytes of one direction (`down` from the gate, `up` to it) it is cut."""

    def __init__(self, end: socket.socket, *, up: int | None = None, down: int | None = None) -> None:
        self._end = end
        self._up, self._down = up, down

    def send(self, data: bytes) -> None:
        if self._up is not None:
            data, self._up = data[: self._up], max(0, self._up - len(data))
        self._end.sendall(data)
        if self._up == 0:
            self.close()

    def receive(self, most: int) -> bytes:
        if self._down is not None:
            most = min(most, self._down)
        try:
            data = self._end.recv(most) if most else b""
        except OSError:
            data = b""
        if not data:
            self.close()
            self._end.close()
        if self._down is not None:
            self._down -= len(data)
        return data

    def close(self) -> None:
        # Who waits in `recv` is woken by the shutdown, not by the close.
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)

    def fault(self) -> StoreError:
        return StoreUnreachable("the line is cut")


class Threaded:
    """A way to gates in threads of this process. `cuts` are used up, one a connection: (`up`, `down`) bytes.

    `locked` makes the host ask for a sign-in; `prompts` counts those that were made, `tries` the connections.
    """

    def __init__(self, open_store: Callable[[], ReviewStore], reviewer: str, **served: Any) -> None:
        self._open_store = open_store
        self._reviewer = reviewer
        self._served = served
        self.cuts: list[tuple[int | None, int | None]] = []
        self.codes: list[int] = []
        self.locked = False
        self.prompts = 0
        self.tries = 0
        self.threads: list[threading.Thread] = []

    def open(self) -> SocketChannel:
        self.tries += 1
        if self.locked:
            raise SignInAgain("the host asks for a sign-in")
        near, far = socket.socketpair()
        thread = threading.Thread(target=self._serve, args=(far,), daemon=True)
        self.threads.append(thread)
        thread.start()
        up, down = self.cuts.pop(0) if self.cuts else (None, None)
        return SocketChannel(near, up=up, down=down)

    def _serve(self, end: socket.socket) -> None:
        with end:
            descriptor = end.fileno()
            self.codes.append(
                serve(self._open_store, self._reviewer, reading(descriptor), writing(descriptor), **self._served)
            )

    def open_without_sign_in(self) -> bool:
        return not self.locked

    def sign_in(self, *, prompt: bool) -> None:
        self.prompts += 1
        self.locked = False

    def join(self) -> None:
        """Wait until every gate has ended: whatever was sent has been done."""
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()


class Unclosed:
    """A store that a gate does not close: the test goes on using it."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def close(self) -> None:
        pass


class ThroughGates:
    """A supervisor's store whose reviewers' questions all go through gates, one for each reviewer."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._gates: dict[str, GateStore] = {}
        self._lock = threading.Lock()
        self.ways: list[Threaded] = []

    def _of(self, reviewer: str) -> GateStore:
        with self._lock:
            if reviewer not in self._gates:
                way = Threaded(lambda: Unclosed(self._store), reviewer)
                self.ways.append(way)
                self._gates[reviewer] = GateStore(way)
            return self._gates[reviewer]

    def head(self, device: str) -> Any:
        return self._of("anybody").head(device)

    def quarantined(self, device: str) -> Any:
        return self._of("anybody").quarantined(device)

    def withdrawn(self, after: int = 0) -> Any:
        return self._of("anybody").withdrawn(after)

    def push(self, device: str, reviewer: str, lines: Any) -> Any:
        return self._of(reviewer).push(device, reviewer, lines)

    def __getattr__(self, name: str) -> Any:
        if name in ("lease", "reopen", "renew", "release", "audio", "counts"):
            return lambda reviewer, *given, **named: getattr(self._of(reviewer), name)(reviewer, *given, **named)
        return getattr(self._store, name)

    def close(self) -> None:
        for gate in self._gates.values():
            gate.close()
        for way in self.ways:
            way.join()
        self._store.close()
