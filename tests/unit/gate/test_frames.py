"""Frames on a stream, whole and cut anywhere."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.queue.store.gate.frames import (
    MAGIC,
    MOST_BEFORE,
    BadFrame,
    Ended,
    packed,
    pass_over_chatter,
    read_frame,
)


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.integers(1, 7))
def test_what_is_framed_comes_out_however_it_is_chopped(bodies: list[bytes], piece: int) -> None:
    stream = io.BytesIO(b"".join(map(packed, bodies)))
    read = lambda most: stream.read(min(most, piece))  # noqa: E731
    assert [read_frame(read, 300) for _ in bodies] == bodies
    assert read_frame(read, 300) is None


@given(st.binary(min_size=1, max_size=50), st.data())
def test_a_frame_that_is_cut_is_no_frame(body: bytes, data: st.DataObject) -> None:
    whole = packed(body)
    cut = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(Ended):
        read_frame(io.BytesIO(whole[:cut]).read, 50)


@pytest.mark.parametrize("length", [0, 101, 2**31, 2**32 - 1])
def test_a_length_out_of_bounds_is_refused_before_anything_is_read(length: int) -> None:
    stream = io.BytesIO(struct.pack(">I", length) + b"x" * 200)
    with pytest.raises(BadFrame, match="1 to 100 are allowed"):
        read_frame(stream.read, 100)
    assert stream.tell() == 4


def test_a_long_frame_that_never_comes_takes_no_room() -> None:
    asked: list[int] = []

    def read(most: int) -> bytes:
        asked.append(most)
        return struct.pack(">I", 1 << 26) if len(asked) == 1 else b""

    with pytest.raises(Ended):
        read_frame(read, 1 << 26)
    assert max(asked) <= 1 << 16


def test_the_chatter_of_a_login_is_passed_over() -> None:
    stream = io.BytesIO(b"Welcome!\r\n\0earmark\0earmark gat" + MAGIC + b"rest")
    pass_over_chatter(stream.read)
    assert stream.read() == b"rest"


def test_endless_chatter_ends() -> None:
    with pytest.raises(BadFrame, match="prints and prints"):
        pass_over_chatter(io.BytesIO(b"y\n" * MOST_BEFORE).read)
    with pytest.raises(Ended):
        pass_over_chatter(io.BytesIO(b"earmark: not found").read)
