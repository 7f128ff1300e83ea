"""Where a clip stands after the decisions on it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from earmark.queue.decision import HAS_TEXT, Verdict


class Standing(StrEnum):
    """What the decisions on a clip make of it: critical outweighs escalated, escalated outweighs done."""

    OPEN = "open"
    DONE = "done"
    ESCALATED = "escalated"
    CRITICAL = "critical"


def standing(history: Iterable[tuple[str, str, bool]], opinions: int = 1) -> Standing:
    """Where a clip stands after `history`: (reviewer, verdict, whether its text is there), in order of arrival.

    It is done when `opinions` different reviewers have decided it.

    Of each reviewer the latest verdict counts. A critical mark outlasts later verdicts, unless its own reviewer
    retracts it before any other verdict on the clip: whatever else was meant, nobody said that the clip is harmless.
    A decision whose text has been erased is none.
    """
    latest: dict[str, str] = {}
    decided: dict[str, bool] = {}
    critical: set[str] = set()
    for reviewer, verdict, has_text in history:
        if verdict == Verdict.CRITICAL:
            critical.add(reviewer)
        elif verdict == Verdict.RETRACTED and latest.get(reviewer) == Verdict.CRITICAL:
            critical.discard(reviewer)
        latest[reviewer] = verdict
        decided[reviewer] = verdict == Verdict.UNINTELLIGIBLE or (verdict in HAS_TEXT and has_text)
    if critical:
        return Standing.CRITICAL
    if Verdict.ESCALATED in latest.values():
        return Standing.ESCALATED
    return Standing.DONE if sum(decided.values()) >= opinions else Standing.OPEN
