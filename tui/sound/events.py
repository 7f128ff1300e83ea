"""What a player reports."""

from __future__ import annotations

import msgspec


class Began(msgspec.Struct, frozen=True):
    """What `play` or `replay` asked for began to sound at `at` (seconds of the player's clock)."""

    clip: str
    at: float


class Finished(msgspec.Struct, frozen=True):
    """What was asked for was played to its end; nothing plays now."""

    clip: str


class SinkChanged(msgspec.Struct, frozen=True):
    """Sound goes out by `name` now (None: nowhere); `reason`, where there is one, is a line for people."""

    name: str | None
    reason: str | None


PlayerEvent = Began | Finished | SinkChanged
