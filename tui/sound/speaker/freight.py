"""The pieces of sound that are at the other end, or on their way there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from earmark.tui.sound.speaker.frames import Frame, sound

if TYPE_CHECKING:
    from earmark.tui.sound.track import Piece


class _Load:
    """One piece, encoded: how many of its bytes went out, and how many are known to have arrived."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.sent = 0
        self.arrived = 0


class Freight:
    """What one receiver holds and what it is still to get, the most wanted first. Not safe for two threads at once."""

    def __init__(self, codec: str) -> None:
        self.codec = codec
        self._loads: dict[str, _Load] = {}
        self._order: list[Piece] = []
        self._on_way: deque[tuple[_Load, int]] = deque()

    def want(self, pieces: Iterable[Piece]) -> list[Frame]:
        """Have these at the other end, in this order, and no others; gives the frames that have the rest forgotten."""
        self._order = list(dict.fromkeys(pieces))
        return self._forget_others()

    def keep(self, pieces: Iterable[Piece]) -> list[Frame]:
        """Have of what is there, or on its way, only these; gives the frames that have the rest forgotten."""
        self._order = [piece for piece in dict.fromkeys(pieces) if piece.key in self._loads]
        return self._forget_others()

    def _forget_others(self) -> list[Frame]:
        keys = {piece.key for piece in self._order}
        gone = {key: self._loads.pop(key) for key in list(self._loads) if key not in keys}
        return [Frame(f"F {key}") for key, load in gone.items() if load.sent]

    def first(self, piece: Piece) -> None:
        """This one is waited for: it goes before all others."""
        self._order = [piece, *(other for other in self._order if other is not piece)]

    def pending(self, *, slow: bool) -> Piece | None:
        """The most wanted piece that has not gone out whole; on a line that is not slow, one piece ahead is enough."""
        for piece in self._order if slow else self._order[:2]:
            load = self._loads.get(piece.key)
            if load is None or load.sent < load.size:
                return piece
        return None

    def packed(self, piece: Piece) -> bool:
        """Whether a piece has been encoded."""
        return piece.key in self._loads

    def pack(self, piece: Piece, data: bytes) -> None:
        """Take a piece encoded, unless it is not wanted any more."""
        if piece in self._order:
            self._loads[piece.key] = _Load(data)

    def next(self, piece: Piece, most: int) -> list[Frame]:
        """The frames that bring the next bytes of a packed piece, `most` at most."""
        load = self._loads[piece.key]
        frames = [] if load.sent else [Frame(f"O {piece.key} {piece.rate} {self.codec} {load.size}")]
        data = load.data[load.sent : load.sent + most]
        load.sent += len(data)
        self._on_way.append((load, len(data)))
        frames.append(sound(piece.key, data))
        if load.sent == load.size:
            load.data = b""
        return frames

    def arrived(self) -> None:
        """The oldest bytes on the way have arrived."""
        if self._on_way:
            load, size = self._on_way.popleft()
            load.arrived += size

    def whole(self, piece: Piece) -> bool:
        """Whether all of a piece has gone out: what is sent after it finds it there."""
        load = self._loads.get(piece.key)
        return load is not None and load.sent == load.size

    def share(self, piece: Piece, *, acknowledged: bool) -> float:
        """How much of a piece is there, from 0 to 1: by acknowledgement, or else by what went out."""
        load = self._loads.get(piece.key)
        if load is None:
            return 0.0
        return (load.arrived if acknowledged else load.sent) / max(1, load.size)
