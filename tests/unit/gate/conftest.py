"""The store of `unit/store`, with everything that a reviewer asks going through a gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from earmark.queue.store.gate.client import GateStore
from earmark.queue.store.sqlite import SqliteStore
from gates import Threaded, ThroughGates, Unclosed
from unit.store.conftest import clock, device, everything, folder, incoming, make_incoming, open_one

__all__ = ["clock", "device", "everything", "folder", "incoming", "open_one"]


@pytest.fixture
def behind(open_one: Callable[[], SqliteStore]) -> SqliteStore:
    """The store behind the gates."""
    return open_one()


@pytest.fixture
def store(behind: SqliteStore) -> Iterator[ThroughGates]:
    through = ThroughGates(behind)
    yield through
    through.close()


@pytest.fixture
def fill(behind: SqliteStore) -> Callable[..., None]:
    def fill(count: int, **fields: object) -> None:
        assert list(behind.add(make_incoming(n, **fields) for n in range(count))) == ["added"] * count

    return fill


@pytest.fixture
def way(behind: SqliteStore) -> Iterator[Threaded]:
    """The way to anna's gate."""
    way = Threaded(lambda: Unclosed(behind), "anna")
    yield way
    way.join()


@pytest.fixture
def gate(way: Threaded) -> Iterator[GateStore]:
    """The store as anna's program has it."""
    store = GateStore(way)
    yield store
    store.close()
