"""What was decided: the verdicts, and a decision on a clip."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """What a reviewer says of a clip. `RETRACTED` takes the reviewer's latest verdict on that clip back."""

    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    CRITICAL = "critical"
    UNINTELLIGIBLE = "unintelligible"
    SKIPPED = "skipped"
    ESCALATED = "escalated"
    RETRACTED = "retracted"


HAS_TEXT = frozenset({Verdict.ACCEPTED, Verdict.CORRECTED})
"""Verdicts that say what was spoken, and so carry a text."""

NEEDS_HEARING = frozenset({Verdict.ACCEPTED, Verdict.CORRECTED, Verdict.UNINTELLIGIBLE})
"""Verdicts that only somebody who has heard the clip can give."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on a clip by a reviewer at a time. A later one revises it; none is overwritten.

    `id` is a UUIDv7, `at` an RFC 3339 time in UTC (told, never ordered by). `revision` counts this reviewer's
    decisions on this clip from 1. `text` is there exactly when the verdict is in `HAS_TEXT`; `shown` is the machine
    text that was on the screen (only its salted hash is kept). `heard` is the share of the clip that was played, 0 to
    1; `plays` how often playing was started, `seconds` how long the clip was on the screen, `keys` how many keys were
    pressed. `pressed` is, for a critical mark, the second of the clip at which it was pressed.
    """

    id: str
    at: str
    reviewer: str
    clip: str
    verdict: Verdict
    lease: str | None = None
    revision: int = 1
    text: str | None = None
    note: str | None = None
    shown: str | None = None
    heard: float = 0.0
    plays: int = 0
    seconds: float = 0.0
    keys: int = 0
    pressed: float | None = None


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """Text that a reviewer left unfinished, kept so that it can be offered again. It never leaves this machine."""

    id: str
    at: str
    reviewer: str
    clip: str
    text: str
