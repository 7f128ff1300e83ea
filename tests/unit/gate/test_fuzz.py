"""Whatever comes, the gate ends in an orderly way, says nothing but frames, and the store stays as it was."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from earmark.queue.store.gate import messages
from earmark.queue.store.gate.frames import MAGIC, packed, read_frame
from earmark.queue.store.gate.rate import Bucket
from earmark.queue.store.gate.server import BAD, WELL, serve
from earmark.queue.store.sqlite import SqliteStore
from gates import Unclosed
from unit.store.conftest import make_incoming

HELLO = messages.encode(messages.Hello(messages.VERSION))

ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KINDS = [kind.__name__.lower() for kind in messages.Requests.__args__]
FIELDS = ["device", "lines", "after", "count", "lang", "first", "clips", "clip", "start", "reviewer", "type"]
NEAR = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from([*KINDS, "hello", "add", "results", "withdraw", "purge"]),
    st.dictionaries(st.sampled_from(FIELDS), ANY, max_size=4),
)
SOUND = st.one_of(
    st.builds(messages.Head, st.just("d")),
    st.builds(messages.Withdrawn),
    st.builds(messages.Counts),
    st.builds(messages.Quarantined, st.just("d")),
    st.builds(messages.Audio, st.just("nowhere")),
    st.builds(messages.Renew, st.just(["nowhere"])),
)
"""Requests that change nothing."""


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqliteStore, Path]]:
    folder = tmp_path_factory.mktemp("fuzzed") / "store"
    store = SqliteStore(folder, lease_seconds=900, critical_hold=1)
    list(store.add(make_incoming(n) for n in range(3)))
    store.lease("ben", 1)
    yield store, folder
    store.close()


def dump(folder: Path) -> list[str]:
    connection = sqlite3.connect(folder / "store.db")
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def served(store: Any, stream: bytes) -> tuple[int, list[bytes]]:
    out = bytearray()
    bucket = Bucket(sleep=lambda seconds: None)
    code = serve(lambda: Unclosed(store), "anna", io.BytesIO(stream).read, out.extend, bucket=bucket)
    assert out.startswith(MAGIC)
    said = io.BytesIO(bytes(out[len(MAGIC) :]))
    return code, list(iter(lambda: read_frame(said.read, 1 << 26), None))


def is_request(body: bytes) -> bool:
    try:
        messages.request_in(body)
    except (msgspec.DecodeError, UnicodeError):
        return False
    return True


quickly = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quickly
@given(st.binary(max_size=400))
def test_noise_from_the_start(fuzzed: tuple[SqliteStore, Path], noise: bytes) -> None:
    store, folder = fuzzed
    before = dump(folder)
    code, said = served(store, noise)
    assert code in (WELL, BAD)
    assert len(said) == (code == BAD)
    assert dump(folder) == before


@quickly
@given(st.lists(SOUND, max_size=3), st.one_of(st.binary(min_size=1, max_size=200), ANY.map(msgspec.msgpack.encode)))
def test_one_frame_that_is_no_request(fuzzed: tuple[SqliteStore, Path], first: list[Any], body: bytes) -> None:
    assume(not is_request(body))
    store, folder = fuzzed
    before = dump(folder)
    asked = [messages.encode(one) for one in first]
    frames = [HELLO, *asked, body, messages.encode(messages.Lease(9))]
    code, said = served(store, b"".join(map(packed, frames)))
    assert code == BAD
    assert len(said) == len(asked) + 2
    assert said[-1][:1] == messages.GOODBYE
    assert dump(folder) == before


@quickly
@given(NEAR.map(msgspec.msgpack.encode))
def test_requests_with_wild_fields(fuzzed: tuple[SqliteStore, Path], body: bytes) -> None:
    assume(not is_request(body))
    store, folder = fuzzed
    before = dump(folder)
    code, said = served(store, packed(HELLO) + packed(body))
    assert code == BAD
    assert said[-1][:1] == messages.GOODBYE
    assert dump(folder) == before


@quickly
@given(st.lists(SOUND, min_size=1, max_size=4), st.data())
def test_bytes_changed_or_cut_off_in_sound_requests(
    fuzzed: tuple[SqliteStore, Path], requests: list[Any], data: st.DataObject
) -> None:
    store, folder = fuzzed
    stream = bytearray(b"".join(packed(body) for body in [HELLO, *map(messages.encode, requests)]))
    for _ in range(data.draw(st.integers(0, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    del stream[data.draw(st.integers(0, len(stream))) :]
    before = dump(folder)
    code, said = served(store, bytes(stream))
    assert code in (WELL, BAD)
    assert (said[-1:] != [] and said[-1][:1] == messages.GOODBYE) == (code == BAD)
    assert dump(folder) == before


@quickly
@given(st.lists(st.binary(max_size=200) | ANY.map(msgspec.msgpack.encode), max_size=5))
def test_wild_journal_lines_are_refused_or_set_aside(fuzzed: tuple[SqliteStore, Path], lines: list[bytes]) -> None:
    store, _ = fuzzed
    code, said = served(store, packed(HELLO) + packed(messages.encode(messages.Push("d", lines))))
    assert code == WELL
    assert len(said) == 2
    assert list(store.results()) == []
