"""A conversation with one gate over one stream: questions out, answers in. It ends with the first fault."""

from __future__ import annotations

import queue
import threading
import time
from typing import Protocol

import msgspec

from earmark.queue.store.gate import messages
from earmark.queue.store.gate.frames import MOST_ANSWERED, BadFrame, Ended, packed, pass_over_chatter, read_frame
from earmark.queue.store.gate.messages import Hello, Welcome
from earmark.queue.store.interface import StoreError, StoreUnreachable

PATIENCE = 75.0
"""Seconds without a byte after which a question counts as lost: longer than a busy store makes a gate wait, which is a
minute in PostgreSQL.
"""


class Channel(Protocol):
    """Bytes to a gate and back. Any thread may call `close`; the others are called by one thread each."""

    def send(self, data: bytes) -> None:
        """Send all of it. Raises `OSError`."""
        ...

    def receive(self, most: int) -> bytes:
        """Up to so many bytes, as soon as there are any; none at the end, and after `close`."""
        ...

    def close(self) -> None: ...

    def fault(self) -> StoreError:
        """Why the stream ended, as far as one can tell."""
        ...


class Lost(StoreUnreachable):
    """The stream ended before the answer was there."""


class Conversation:
    """Greets the gate, then asks one question at a time. A thread of its own reads: so that waiting can end.

    Raises what `Channel.fault` gives where the gate never speaks, `SaidGoodbye` where it refuses, and `StoreError`
    where what it says is no gate's.
    """

    def __init__(self, channel: Channel, hello: Hello, *, patience: float = PATIENCE) -> None:
        self._channel = channel
        self._patience = patience
        self._heard_at = time.monotonic()
        self._answers: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
        self.ended = False
        threading.Thread(target=self._listen, name="gate", daemon=True).start()
        try:
            self.welcome = self._greeted(hello)
        except BaseException:
            self.close()
            raise

    def ask(self, body: bytes) -> bytes:
        """The answer to a request, without its first byte.

        Raises `Lost`; what the store raised; `StoreUnreachable` after too long a silence; and `StoreError` for an
        answer that is none. Then the conversation is over, unless it was the store that raised.
        """
        self._send(body)
        return self._answer()

    def close(self) -> None:
        """End it, from any thread: who waits for an answer gets `Lost`."""
        self.ended = True
        self._channel.close()

    def _greeted(self, hello: Hello) -> Welcome:
        try:
            self._send(messages.encode(hello))
            welcome = msgspec.msgpack.decode(self._answer(), type=Welcome)
        except Lost:
            raise self._channel.fault() from None
        except messages.NONSENSE:
            raise self._nonsense() from None
        return welcome

    def _send(self, body: bytes) -> None:
        self._heard_at = time.monotonic()
        try:
            self._channel.send(packed(body))
        except OSError:
            # The gate may have said why before it went: that stands in the queue already.
            self.ended = True

    def _answer(self) -> bytes:
        body = self._next()
        if body[:1] == messages.ANSWER:
            return body[1:]
        try:
            error = messages.failure_in(body)
        except messages.NONSENSE:
            raise self._nonsense() from None
        if isinstance(error, messages.SaidGoodbye):
            self.close()
        raise error

    def _next(self) -> bytes:
        while True:
            left = self._heard_at + self._patience - time.monotonic()
            try:
                got = self._answers.get(timeout=max(left, 0.01))
            except queue.Empty:
                if self._heard_at + self._patience > time.monotonic():
                    continue  # a long answer is on its way
                self.close()
                raise StoreUnreachable(f"nothing came from the host for {self._patience:.0f} s") from None
            if isinstance(got, bytes):
                return got
            self.close()
            if isinstance(got, BadFrame):
                raise StoreError(f"what answers is no gate of Earmark's: {got}") from None
            raise Lost("the connection to the host was cut") from None

    def _nonsense(self) -> StoreError:
        self.close()
        return StoreError("the gate's answer makes no sense: are both Earmarks of the same version?")

    def _listen(self) -> None:
        try:
            pass_over_chatter(self._receive)
            while (body := read_frame(self._receive, MOST_ANSWERED)) is not None:
                self._answers.put(body)
            raise Ended
        except (BadFrame, Ended) as end:
            self._answers.put(end)

    def _receive(self, most: int) -> bytes:
        data = self._channel.receive(most)
        self._heard_at = time.monotonic()
        return data
