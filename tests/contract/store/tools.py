"""What the contract's tests work with: clips to fill a store with, and devices that write journal lines."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from earmark.queue.clip import Hypothesis, Word
from earmark.queue.decision import HAS_TEXT, Decision, Draft, Verdict
from earmark.queue.journal.line import Erasure, Reason, encode, split
from earmark.queue.stamp import new_id
from earmark.queue.store.interface import Incoming, Store

LEASE_SECONDS = 900.0
CRITICAL_HOLD = 7 * 86400.0
AT = "2026-11-23T09:12:05.123Z"


class Device:
    """Writes journal lines as a reviewer's machine does, and keeps them."""

    def __init__(self, name: str, reviewer: str) -> None:
        self.name = name
        self.reviewer = reviewer
        self.lines: list[bytes] = []
        self.seal: Any = None
        """How payloads are sealed; None writes them in the clear."""

    @property
    def chain(self) -> str:
        return split(self.lines[-1]).chain if self.lines else ""

    def write(self, entry: Any) -> bytes:
        line = encode(
            entry,
            device=self.name,
            seq=len(self.lines) + 1,
            app="0.1.0",
            previous=self.chain,
            salt=f"{len(self.lines):032x}",
            seal=self.seal,
        )
        self.lines.append(line)
        return line

    def decide(self, clip: str, verdict: Verdict, text: str | None = None, **fields: Any) -> bytes:
        if text is None and verdict in HAS_TEXT:
            text = "some text"
        fields = {"id": new_id(), "at": AT, "reviewer": self.reviewer} | fields
        return self.write(Decision(clip=clip, verdict=verdict, text=text, shown="shown", **fields))

    def draft(self, clip: str, text: str) -> bytes:
        return self.write(Draft(id=new_id(), at=AT, reviewer=self.reviewer, clip=clip, text=text))

    def erase(self, clip: str, reason: Reason) -> bytes:
        return self.write(Erasure(id=new_id(), at=AT, reviewer=self.reviewer, clip=clip, reason=reason))

    def push(self, store: Store, after: int = 0) -> Any:
        return store.push(self.name, self.reviewer, self.lines[after:])


def make_incoming(number: int, **fields: Any) -> Incoming:
    given: dict[str, Any] = {
        "identity": b"sound %d" % number,
        "audio": b"fLaC sound of %d" % number,
        "duration": 2.0 + number,
        "rate": 16000,
        "hypothesis": Hypothesis(f"machine text {number}", (Word("machine", 0.0, 0.5, 0.9), Word("text"))),
        "lang": "de",
        "peaks": bytes([number % 256, 7]),
        "source": f"corpus/{number}.wav",
        "subject": f"person {number}",
    }
    return Incoming(**(given | fields))


class Backdoor(Protocol):
    """What a test sees and does past the store's interface."""

    def everything(self) -> bytes:
        """All bytes that the store keeps, as whoever steals it would have them."""
        ...

    def clip_keys(self) -> dict[str, bytes]:
        """Each clip's key as it lies there."""
        ...

    def sound(self, clip: str) -> Path:
        """The file with a clip's sealed audio."""
        ...

    def staged(self) -> list[Path]:
        """Audio that is on its way to its place."""
        ...

    def spoil_hypothesis(self, arrival: int) -> None:
        """Damage what the machine heard of the clip that came as number `arrival`."""
        ...

    def line(self) -> tuple[str, str, str]:
        """Envelope, payload and chain of the only line."""
        ...

    def batches_of(self, patch: pytest.MonkeyPatch, clips: int) -> None:
        """Have so many clips go in at a time."""
        ...


@pytest.fixture
def incoming() -> Callable[..., Incoming]:
    return make_incoming


@pytest.fixture
def fill(store: Store) -> Callable[..., None]:
    """Puts that many clips into the store."""

    def fill(count: int, **fields: Any) -> None:
        assert list(store.add(make_incoming(n, **fields) for n in range(count))) == ["added"] * count

    return fill


@pytest.fixture
def device() -> Callable[[str], Device]:
    """A new device of that reviewer's."""
    numbers = itertools.count(1)
    return lambda reviewer: Device(f"device{next(numbers)}", reviewer)


@pytest.fixture
def everything(backdoor: Backdoor) -> Callable[[], bytes]:
    return backdoor.everything
