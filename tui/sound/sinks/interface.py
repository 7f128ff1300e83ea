"""The way out for sound, as the player sees it. Each kind of sink is a module of its own beside this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec


class SinkFailed(Exception):
    """The sink cannot play here; the message is one line that says what is missing."""


class Started(msgspec.Struct, frozen=True):
    """Sound for request `generation` began at `at` (`time.monotonic()` seconds)."""

    generation: int
    at: float


class Ended(msgspec.Struct, frozen=True):
    """Request `generation` was played to its end; `whole` where that is sure, however late its beginning was told."""

    generation: int
    whole: bool = False


class Failed(msgspec.Struct, frozen=True):
    """Request `generation` could not be played; `reason` is one line for people."""

    generation: int
    reason: str


class Joined(msgspec.Struct, frozen=True):
    """Somebody plays at the other end of a line, under this `name`; `words`, where there are any, are for people."""

    name: str
    words: str


class Lost(msgspec.Struct, frozen=True):
    """Nobody plays at the other end any more; what sounded was heard until `at` (`time.monotonic()` seconds)."""

    at: float
    words: str


SinkEvent = Started | Ended | Failed | Joined | Lost
Report = Callable[[SinkEvent], None]
"""Called from a thread of the sink's own, never from within `play` or `stop`."""


class Sink(Protocol):
    """One way out for sound. Both methods return at once (well under a millisecond) from any thread."""

    name: str
    """What the status line shows, such as `simpleaudio`."""

    def play(self, generation: int, pcm: bytes, rate: int) -> None:
        """Silence what plays, then play `pcm`: 16-bit little-endian frames of one channel, `rate` frames a second."""
        ...

    def stop(self) -> None:
        """Silence at once. No `Ended` follows for what was playing."""
        ...

    def close(self) -> None:
        """Silence, and give back the device and every child process."""
        ...
