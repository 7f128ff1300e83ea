"""The connection cut at every frame and in the middle of each, both ways: nothing lost, nothing doubled."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Callable, Iterator
from typing import Protocol

from counted import SEED, Counted, Machine, sampled
from earmark.queue.store.gate.address import parse
from earmark.queue.store.gate.channel import Channel
from earmark.queue.store.gate.client import GateStore
from earmark.queue.store.gate.frames import MAGIC
from earmark.queue.store.gate.ssh import SshChannel, SshWay
from earmark.queue.store.interface import ReviewStore, StoreError
from faults.store.conftest import Ways
from proxy import DOWN, UP

Cut = tuple[int | None, int | None]
"""After how many bytes to the store, or from it."""

BEFORE, BETWEEN = 3, 3
"""Decisions that have arrived before the cut, and those that travel while it comes."""


def places(streams: tuple[bytearray, bytearray], ends: Callable[[bytearray, int], Iterator[int]]) -> Iterator[Cut]:
    """Where to cut a conversation that went like this: at each frame's end, one byte off it, and half way through."""
    for way in (UP, DOWN):
        whole, before = len(streams[way]), 0
        for end in ends(streams[way], way):
            for place in sorted({before, before + 1, (before + end) // 2, end - 1}):
                yield (place, None) if way == UP else (None, place)
            before = end
        assert before == whole, "this is not how the frames lie"


def chosen(everywhere: list[Cut], count: int) -> list[Cut]:
    """A sample of them, or all of them and some in a second round."""
    if count < len(everywhere):
        return random.Random(SEED).sample(everywhere, count)
    return list(itertools.islice(itertools.cycle(everywhere), count))


def postgres_ends(stream: bytearray, way: int) -> Iterator[int]:
    """Where PostgreSQL's messages end: a letter and a length. The client's first has no letter."""
    at = 0
    while at < len(stream):
        letter = 0 if way == UP and at == 0 else 1
        (length,) = struct.unpack_from(">I", stream, at + letter)
        at += letter + length
        yield at


def gate_ends(stream: bytearray, way: int) -> Iterator[int]:
    """Where the gate's frames end; what it says first is its magic word."""
    at = 0
    if way == DOWN:
        at = len(MAGIC)
        yield at
    while at < len(stream):
        (length,) = struct.unpack_from(">I", stream, at)
        at += 4 + length
        yield at


class CutChannel:
    """A gate's channel over ssh that is cut after so many bytes of one way; `seen` is what passed. What was sent before
    the cut arrives, or it would be another cut.
    """

    def __init__(self, channel: SshChannel, cut: Cut) -> None:
        self._channel = channel
        self._up, self._down = cut
        self.seen = (bytearray(), bytearray())
        self.done = False

    def send(self, data: bytes) -> None:
        if self._up is None:
            self.seen[UP].extend(data)
            self._channel.send(data)
            return
        data = data[: self._up - len(self.seen[UP])]
        self.seen[UP].extend(data)
        self._channel.send(data)
        if len(self.seen[UP]) == self._up and not self.done:
            self.done = True
            stdin = self._channel._process.stdin
            assert stdin is not None
            stdin.close()

    def receive(self, most: int) -> bytes:
        if self._down is not None:
            most = min(most, self._down - len(self.seen[DOWN]))
            if most == 0:
                self.done = True
                self._channel.close()
                self._all()
                return b""
        data = self._channel.receive(most)
        # Of a way that is cut nothing comes back, whatever the gate answers to what it has.
        if self.done:
            self._all()
            return b""
        self.seen[DOWN].extend(data)
        return data

    def _all(self) -> None:
        while self._channel.receive(1 << 16):
            pass

    def close(self) -> None:
        self._channel.close()

    def fault(self) -> StoreError:
        return self._channel.fault()


class Line(Protocol):
    """What can be cut: `cuts` are used up, one a connection, and `seen` is what passed on the last one, each way."""

    cuts: list[Cut]

    @property
    def seen(self) -> tuple[bytearray, bytearray]: ...


class CutWay(SshWay):
    """The way to a gate over ssh as a `Line`."""

    def __init__(self, url: str) -> None:
        super().__init__(parse(url))
        self.cuts: list[Cut] = []
        self.channels: list[CutChannel] = []

    def open(self) -> Channel:  # type: ignore[override]
        channel = CutChannel(super().open(), self.cuts.pop(0) if self.cuts else (None, None))
        self.channels.append(channel)
        return channel

    @property
    def seen(self) -> tuple[bytearray, bytearray]:
        return self.channels[-1].seen

    @property
    def done(self) -> int:
        return sum(channel.done for channel in self.channels)


def begin(machine: Machine) -> None:
    """What every cut comes into: lines have arrived, others follow. All of it has the same length each time."""
    machine.decide(BEFORE)
    machine.settle()
    machine.decide(BETWEEN)


def cut_all(
    ways: Ways,
    line: Line,
    open_store: Callable[[], ReviewStore],
    ends: Callable[[bytearray, int], Iterator[int]],
    count: int,
) -> int:
    """Make `count` cuts on a line, each in the sync of a new machine of ada's; every other time the connection that
    follows is cut as well. Says how often a sync noticed.
    """
    print(f"seed {SEED}")
    # One of the clips that are decided while it is cut is none of the store's: that is to be told, whatever is cut.
    ways.clips[BEFORE] = "0" * len(ways.clips[BEFORE])
    first = ways.machine(f"machine {0:06}", reviewer="ada", open_store=open_store)
    begin(first)
    first.settle()
    cuts = chosen(list(places(line.seen, ends)), count)
    broken = 0
    for number, cut in enumerate(cuts, 1):
        machine = ways.machine(f"machine {number:06}", reviewer="ada", open_store=open_store)
        begin(machine)
        line.cuts = [cut] * (1 + number % 2)
        broken += machine.settle()
        machine.journal.close()
    return broken


def test_the_connection_to_postgresql(ways: Ways, counted: Counted) -> None:
    count = sampled(40, 700)
    broken = cut_all(ways, ways.straight, ways.over_tcp("ada"), postgres_ends, count)
    # Whoever has said goodbye does not notice a cut.
    assert broken > count
    counted("cuts of the connection to PostgreSQL, at and in its messages", ways.straight.done, *ways.balance())


def test_the_connection_to_a_gate(ways: Ways, counted: Counted) -> None:
    ways.over_a_gate("ada")
    way = CutWay("ssh://ada")

    def open_store() -> ReviewStore:
        way.sign_in(prompt=False)
        return GateStore(way)

    count = sampled(6, 300)
    # One cut is not even noticed: the question is asked again.
    cut_all(ways, way, open_store, gate_ends, count)
    assert way.done >= count
    counted("cuts of the connection to a gate, at and in its frames", way.done, *ways.balance())
