"""What travels between the program and a receiver: whole frames and lines come out, whatever goes in."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.tui.sound.speaker.frames import MOST_BYTES, MOST_LINE, Frame, FrameReader, Garbled, LineReader, sound

KEYS = st.text("0123456789abcdef", min_size=1, max_size=16)
WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789 ", min_size=1, max_size=60)
FRAMES = st.lists(
    st.builds(Frame, st.builds("{} {}".format, st.sampled_from("OPSFRKQ"), WORDS))
    | st.builds(sound, KEYS, st.binary(max_size=600)),
    max_size=8,
)


def blocks(stream: bytes, cuts: Iterable[int]) -> list[bytes]:
    """A stream in blocks, cut at these places."""
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[first:last] for first, last in pairwise(places)]


@given(FRAMES, st.lists(st.integers(0, 1 << 16), max_size=12))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(frames: list[Frame], cuts: list[int]) -> None:
    reader = FrameReader()
    stream = b"".join(frame.binary() for frame in frames)
    assert [frame for block in blocks(stream, cuts) for frame in reader.feed(block)] == frames


@given(FRAMES, st.integers(0, 1 << 16))
def test_of_a_stream_that_breaks_off_only_whole_frames_come_out(frames: list[Frame], cut: int) -> None:
    stream = b"".join(frame.binary() for frame in frames)
    cut %= len(stream) + 1
    found = list(FrameReader().feed(stream[:cut]))
    assert found == frames[: len(found)]
    lengths = [len(frame.binary()) for frame in frames]
    assert sum(lengths[: len(found)]) <= cut
    assert len(found) == len(frames) or sum(lengths[: len(found) + 1]) > cut


@pytest.mark.parametrize(
    "stream",
    [
        b"D key\n",
        b"D key many\n",
        b"D key -1\n",
        b"D key " + str(MOST_BYTES + 1).encode() + b"\n",
        "D key ٣\n".encode(),
        "S ü\n".encode(),
        b"D 3\nabc",
        b"D key and 3\nabc",
        b"\n",
        b"x" * (MOST_LINE + 1),
        b"x" * (MOST_LINE + 1) + b"\n",
        b"S \x1b[2J\n",
    ],
)
def test_what_is_no_frame_is_refused(stream: bytes) -> None:
    with pytest.raises(Garbled):
        list(FrameReader().feed(stream))


@given(st.binary(max_size=3000), st.lists(st.integers(0, 1 << 16), max_size=6))
def test_garbage_makes_a_reader_of_frames_do_nothing_but_refuse(stream: bytes, cuts: list[int]) -> None:
    reader = FrameReader()
    try:
        frames = [frame for block in blocks(stream, cuts) for frame in reader.feed(block)]
    except Garbled:
        return
    for frame in frames:
        frame.binary()
        frame.text()


@given(KEYS, st.binary(max_size=600))
def test_the_text_form_says_the_same_in_one_line_of_ascii(key: str, data: bytes) -> None:
    line = sound(key, data).text()
    assert line.endswith(b"\n") and line.count(b"\n") == 1 and line.isascii()
    word, found, text = line[:-1].decode().split(" ")
    assert (word, found, base64.b64decode(text, validate=True)) == ("D", key, data)


def test_the_base64_of_full_frames_can_be_joined() -> None:
    data = bytes(range(256)) * 300
    parts = [data[first : first + MOST_BYTES] for first in range(0, len(data), MOST_BYTES)]
    joined = b"".join(sound("k", part).text().split()[2] for part in parts)
    assert base64.b64decode(joined, validate=True) == data


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=80), max_size=8))
def test_lines_come_out_as_they_went_in(lines: list[str]) -> None:
    for end in ("\n", "\r\n"):
        stream = "".join(line + end for line in lines).encode()
        reader = LineReader()
        assert [line for place in range(len(stream)) for line in reader.feed(stream[place : place + 1])] == lines


@given(st.lists(st.binary(max_size=600), max_size=20))
def test_of_a_receiver_nothing_comes_but_short_lines_that_can_be_printed(stream: list[bytes]) -> None:
    reader = LineReader()
    for line in [line for block in stream for line in reader.feed(block)]:
        assert 0 < len(line) <= MOST_LINE
        assert line.isascii() and line.isprintable()


def test_an_endless_line_is_neither_kept_nor_believed_in_part() -> None:
    reader = LineReader()
    for _ in range(1000):
        assert not list(reader.feed(b"x" * 1000))
        assert len(reader._buffer) <= MOST_LINE
    assert list(reader.feed(b" the end of it\nA\n")) == ["A"]
