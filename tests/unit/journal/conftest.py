"""Journals in a temporary folder, entries to put into them, and a way to be interrupted at any step."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from earmark.queue.decision import HAS_TEXT, Decision, Draft, Verdict
from earmark.queue.journal import Journal

STEPS = ("write", "fsync", "fdatasync", "ftruncate", "replace", "rename", "unlink", "rmdir", "mkdir")


class Crash(BaseException):
    """The process ends here. No code of ours catches it."""


@pytest.fixture
def crash() -> type[Crash]:
    return Crash


@pytest.fixture
def decide() -> Callable[..., Decision]:
    numbers = itertools.count(1)

    def make(clip: str = "c1", text: str | None = "some words", verdict: str = "corrected", **more: Any) -> Decision:
        n = next(numbers)
        kind = Verdict(verdict)
        given = {"id": f"id-{n:04}", "at": "2026-11-23T09:12:05.123Z", "reviewer": "anna", "shown": "sum words"} | more
        return Decision(clip=clip, verdict=kind, text=text if kind in HAS_TEXT else None, **given)

    return make


@pytest.fixture
def draft() -> Callable[[str, str], Draft]:
    numbers = itertools.count(1)

    def make(clip: str, text: str) -> Draft:
        return Draft(
            id=f"draft-{next(numbers):04}", at="2026-11-23T09:12:06.000Z", reviewer="anna", clip=clip, text=text
        )

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journals" / "one"


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Journal]]:
    """Open the journal; all that were opened are closed in the end."""
    with ExitStack() as stack:

        def make(reviewer: str = "anna", **more: Any) -> Journal:
            # The entries of these tests have one day, whatever the calendar says: another day begins a new segment.
            given = {"today": lambda: date(2026, 11, 23)} | more
            return stack.enter_context(Journal.open(folder, reviewer, app="0.1.0", **given))

        yield make


@pytest.fixture
def interrupt() -> Callable[[int, BaseException], Callable[[], int]]:
    """From now on the `n`-th call (from 1) that changes something on the disk raises, and so does each after it.

    Returns a function that puts everything back and says how many such calls there were.
    """

    def arm(n: int, what: BaseException) -> Callable[[], int]:
        patch = pytest.MonkeyPatch()
        count = 0

        def guard(real: Callable[..., Any]) -> Callable[..., Any]:
            def step(*given: Any, **named: Any) -> Any:
                nonlocal count
                if count == n:  # nothing comes after the end, whatever our code tries on the way out
                    raise what
                count += 1
                if count == n:
                    raise what
                return real(*given, **named)

            return step

        for name in STEPS:
            patch.setattr(os, name, guard(getattr(os, name)))

        def disarm() -> int:
            patch.undo()
            return count

        return disarm

    return arm


@pytest.fixture
def bytes_in() -> Callable[[Path], bytes]:
    """Every byte in every file under a folder."""
    return lambda folder: b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
