"""Where decisions leave a clip."""

from __future__ import annotations

import pytest

from earmark.queue.decision import HAS_TEXT
from earmark.queue.store.standing import standing


def of(*history: tuple[str, str]) -> str:
    return standing((reviewer, verdict, verdict in HAS_TEXT) for reviewer, verdict in history).value


@pytest.mark.parametrize(
    ("history", "stands"),
    [
        ([], "open"),
        ([("a", "accepted")], "done"),
        ([("a", "corrected")], "done"),
        ([("a", "unintelligible")], "done"),
        ([("a", "skipped")], "open"),
        ([("a", "escalated")], "escalated"),
        ([("a", "critical")], "critical"),
        ([("a", "accepted"), ("a", "skipped")], "open"),
        ([("a", "accepted"), ("a", "retracted")], "open"),
        ([("a", "accepted"), ("b", "skipped")], "done"),
        ([("a", "accepted"), ("b", "escalated")], "escalated"),
        ([("a", "escalated"), ("a", "accepted")], "done"),
        ([("a", "critical"), ("a", "retracted")], "open"),
        ([("a", "critical"), ("b", "retracted")], "critical"),
        ([("a", "critical"), ("b", "accepted"), ("a", "retracted")], "done"),
        ([("a", "critical"), ("a", "accepted")], "critical"),
        ([("a", "critical"), ("a", "accepted"), ("a", "retracted")], "critical"),
        ([("a", "critical"), ("a", "critical"), ("a", "retracted")], "open"),
        ([("a", "critical"), ("a", "retracted"), ("a", "accepted")], "done"),
    ],
)
def test_standing(history, stands):
    assert of(*history) == stands


@pytest.mark.parametrize(
    ("history", "stands"),
    [
        ([("a", "accepted")], "open"),
        ([("a", "accepted"), ("a", "corrected")], "open"),
        ([("a", "accepted"), ("b", "skipped")], "open"),
        ([("a", "accepted"), ("b", "retracted")], "open"),
        ([("a", "accepted"), ("b", "unintelligible")], "done"),
        ([("a", "accepted"), ("b", "corrected"), ("c", "corrected")], "done"),
        ([("a", "accepted"), ("b", "corrected"), ("a", "retracted")], "open"),
        ([("a", "accepted"), ("b", "escalated")], "escalated"),
        ([("a", "accepted"), ("b", "corrected"), ("c", "escalated")], "escalated"),
        ([("a", "accepted"), ("b", "critical"), ("b", "accepted")], "critical"),
    ],
)
def test_two_opinions(history, stands):
    assert standing(((reviewer, verdict, verdict in HAS_TEXT) for reviewer, verdict in history), 2) == stands


def test_a_decision_whose_text_is_erased_decides_nothing():
    assert standing([("a", "accepted", False)]) == "open"
    assert standing([("a", "accepted", False), ("b", "corrected", True)]) == "done"
