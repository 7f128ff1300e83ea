"""A store with clips, and a laptop that reaches it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.store.tools import device, make_incoming
from earmark.queue.store.sqlite import SqliteStore
from laptop import STEPS, Crash, Machine
from unit.store.conftest import backdoor, clock, everything, folder, incoming, open_one

__all__ = ["backdoor", "clock", "device", "everything", "folder", "incoming", "open_one"]


@pytest.fixture
def store(open_one: Callable[[], SqliteStore]) -> SqliteStore:
    opened = open_one()
    assert list(opened.add(make_incoming(n) for n in range(6))) == ["added"] * 6
    return opened


@pytest.fixture
def machine(tmp_path: Path, store: SqliteStore, clock: Any) -> Machine:
    return Machine(tmp_path / "home", store, clock)


@pytest.fixture
def break_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], list[str]]]:
    """From now on the step of that number (from 0) at the disk ends the process; gives the steps that were done."""

    def break_at(number: int) -> list[str]:
        done: list[str] = []
        for name in STEPS:
            real = getattr(os, name)

            def step(*given: Any, name: str = name, real: Any = real, **named: Any) -> Any:
                if len(done) >= number:
                    raise Crash
                done.append(name)
                return real(*given, **named)

            monkeypatch.setattr(os, name, step)
        return done

    yield break_at
