"""What travels between the program and whoever plays its sound somewhere else.

Towards the receiver go frames: a line of ASCII words, for `D` with bytes behind it. Back come lines.

    EARMARK-SOUND 1             the frames begin; what a remote shell printed before is to be passed over
    O key rate codec bytes      a piece of sound begins to arrive: so many bytes in all, `rate` frames a second
    D key bytes …               the next bytes of it
    P generation key first last play its frames from `first` up to, not including, `last`
    S                           be silent
    F key                       forget a piece
    R                           be silent and forget everything
    K number                    are you there?
    Q words …                   another receiver takes over: end
    T                           it has taken over from another (for the speaker, which does not pass it on)

    HELLO 1 name codec,codec    the receiver plays, and what it can decode, the best first
    A                           one `D` has arrived
    K number                    I am
    B generation                it sounds
    E generation                it has been played to its end
    X generation words …        it could not be played

The text form, for receivers that can handle no bytes, has the bytes of `D` as base64 in place of their number. Keys are
drawn at random and say nothing about a clip. Sound is 16-bit little-endian frames of one channel, in one of `CODECS`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Final

import msgspec

MAGIC: Final = "EARMARK-SOUND 1"

TOOK_OVER: Final = "T"

GREETING: Final = "SPEAKER 1"
"""What a speaker says to the program first."""

MOST_BYTES: Final = 24 * 1024
"""Bytes of sound in a frame at most: a multiple of three, so that the base64 of one can be joined to the next."""

MOST_LINE: Final = 256
"""Characters of a line that is not sound: what is longer was not written by us."""

CODECS: Final = ("flac", "delta", "gzip", "pcm")
"""Ways in which sound can travel, all without loss, the smallest first."""

_ANSWER = re.compile(rb"[ -~]{1,%d}" % MOST_LINE)
_LINE = re.compile(r"[A-Z][ -~]*")
_SOUND = re.compile(r"D [0-9A-Za-z]+ ([0-9]{1,5})")


class Garbled(Exception):
    """The other side wrote something that is no frame."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame towards the receiver: its line, and its bytes of sound where it is a `D`."""

    line: str
    data: bytes = b""

    def binary(self) -> bytes:
        """As it travels between programs that can handle bytes."""
        return self.line.encode("ascii") + b"\n" + self.data

    def text(self) -> bytes:
        """As it travels to a receiver that can handle lines of ASCII only."""
        if not self.line.startswith("D "):
            return self.line.encode("ascii") + b"\n"
        word, key, _ = self.line.split(" ")
        return f"{word} {key} ".encode("ascii") + base64.b64encode(self.data) + b"\n"


def sound(key: str, data: bytes) -> Frame:
    """The frame that carries the next bytes of a piece."""
    return Frame(f"D {key} {len(data)}", data)


class FrameReader:
    """Takes frames in their binary form out of a stream that arrives in blocks. Only whole frames come out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, block: bytes) -> Iterator[Frame]:
        """The frames that are whole now. Raises `Garbled` for what cannot be one."""
        self._buffer += block
        while (end := self._buffer.find(b"\n")) >= 0:
            if end > MOST_LINE:
                raise Garbled("a line is too long")
            line = self._buffer[:end].decode("ascii", "replace")
            if not _LINE.fullmatch(line):
                raise Garbled("a line is none of ours")
            size = 0
            if line.startswith("D "):
                told = _SOUND.fullmatch(line)
                if told is None or int(told[1]) > MOST_BYTES:
                    raise Garbled("a frame of sound says no size that can be")
                size = int(told[1])
            if len(self._buffer) < end + 1 + size:
                return
            data = bytes(self._buffer[end + 1 : end + 1 + size])
            del self._buffer[: end + 1 + size]
            yield Frame(line, data)
        if len(self._buffer) > MOST_LINE:
            raise Garbled("a line does not end")


class LineReader:
    """Takes a receiver's lines out of a stream that arrives in blocks. What is no line of ours is passed over."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._overlong = False

    def feed(self, block: bytes) -> Iterator[str]:
        """The lines that are whole now, without their ends."""
        self._buffer += block
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).rstrip(b"\r")
            del self._buffer[: end + 1]
            overlong, self._overlong = self._overlong, False
            if not overlong and _ANSWER.fullmatch(line):
                yield line.decode("ascii")
        if len(self._buffer) > MOST_LINE:
            self._buffer.clear()
            self._overlong = True
