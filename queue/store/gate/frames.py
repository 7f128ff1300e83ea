"""Frames on a byte stream: four bytes of length (big-endian), then so many bytes. Pure: it is told how to read.

The gate's side begins with `MAGIC`, since the start-up files of a login may print whatever they like before it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

MAGIC = b"\0earmark gate\0"
MOST_BEFORE = 1 << 16
"""Bytes of a login's chatter that are passed over before the magic word."""

MOST_ASKED = 1 << 21
"""Bytes of the longest frame to the gate: a push carries 1.5 MiB of journal, or one line."""

MOST_ANSWERED = 1 << 26
"""Bytes of the longest frame from the gate: a thousand leases, or a million and a half withdrawn clips."""

_LENGTH = struct.Struct(">I")
_PIECE = 1 << 16

Read = Callable[[int], bytes]
"""Up to so many bytes, at least one; none at the stream's end."""


class BadFrame(Exception):
    """What came is no frame, or nothing that may be said. The message says why and holds none of it."""


class Ended(Exception):
    """The stream ended in the middle of a frame, or before the magic word."""


def packed(body: bytes) -> bytes:
    """The frame around a body."""
    return _LENGTH.pack(len(body)) + body


def read_frame(read: Read, most: int) -> bytes | None:
    """The next frame's body, of 1 to `most` bytes; None where the stream ends before it. Raises `BadFrame`, `Ended`.

    Nothing is set aside for a frame before its bytes are there: a length alone costs nothing.
    """
    head = read(_LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        head += _exactly(read, _LENGTH.size - len(head))
    (length,) = _LENGTH.unpack(head)
    if not 1 <= length <= most:
        raise BadFrame(f"a frame of {length:,} bytes; 1 to {most:,} are allowed")
    return _exactly(read, length)


def pass_over_chatter(read: Read) -> None:
    """Read up to and with the magic word. Raises `Ended` where the stream ends before, `BadFrame` for endless chatter.

    Byte by byte: what follows the word belongs to the first frame.
    """
    seen = bytearray()
    while not seen.endswith(MAGIC):
        if len(seen) >= MOST_BEFORE:
            raise BadFrame("the host prints and prints, and no gate of Earmark's answers")
        piece = read(1)
        if not piece:
            raise Ended
        seen += piece


def _exactly(read: Read, size: int) -> bytes:
    whole = bytearray()
    while len(whole) < size:
        piece = read(min(size - len(whole), _PIECE))
        if not piece:
            raise Ended
        whole += piece
    return bytes(whole)
