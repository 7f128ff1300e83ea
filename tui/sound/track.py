"""A loaded clip, made ready piece by piece for the way out."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from earmark.tui.sound.prepare import Decoded, Samples

SEGMENT = 20.0
"""Seconds after which a long clip is cut, so that a change of speed never waits for more than this to be stretched."""

_SLACK = 2.0  # seconds around a cut in which the quietest moment is looked for
_QUIET = 0.02  # seconds of the moment
_KEPT = 4  # stretched segments kept


class Piece(msgspec.Struct, frozen=True, eq=False):
    """A stretch of a clip at one speed, whole: int16 frames of one channel, shape (frames,), `rate` of them a second.

    `key` names it to whoever plays it elsewhere: drawn at random, so that it says nothing about the clip.
    """

    key: str
    samples: Samples
    rate: int


class Cut(msgspec.Struct, frozen=True):
    """What is to sound of a clip, from second `start` to second `end`: `piece` from frame `first` up to `last`."""

    piece: Piece
    first: int
    last: int
    start: float
    end: float

    @property
    def rate(self) -> int:
        """Frames a second."""
        return self.piece.rate

    @property
    def pcm(self) -> bytes:
        """The frames, 16 bit, little-endian."""
        return self.piece.samples[self.first : self.last].astype("<i2", copy=False).tobytes()


class Track:
    """The audio of one clip. `cut` is heavy and belongs on one thread of its own; the rest is free."""

    def __init__(self, samples: Decoded, rate: int) -> None:
        """`samples` are the frames of one channel, shape (frames,), as int16 or float32, `rate` of them a second."""
        self.duration = len(samples) / rate
        """In seconds."""
        self._decoded: tuple[Decoded, int] | None = (samples, rate)
        self._even: Samples | None = None
        self._rate = rate
        self._bounds: list[int] = []
        self._pieces: dict[tuple[int, float], Piece] = {}

    def ready(self) -> None:
        """Do what has to be done once: even loudness, rate, places to cut."""
        if self._decoded is None:
            return
        import numpy as np

        from earmark.tui.sound.prepare import prepare

        sound = prepare(*self._decoded)
        self._even = np.frombuffer(sound.pcm, np.dtype("<i2"))
        self._rate = sound.rate
        self._bounds = _bounds(self._even, sound.rate)
        self._decoded = None  # one copy of the audio is enough

    def cut(self, start: float, end: float, speed: float) -> Cut:
        """The piece to play next: from second `start` up to second `end` or an earlier quiet moment, at `speed`."""
        self.ready()
        assert self._even is not None
        rate = self._rate
        first = min(max(0, round(start * rate)), self._even.size)
        index = next((i for i, bound in enumerate(self._bounds[1:]) if first < bound), len(self._bounds) - 2)
        low, high = self._bounds[index], self._bounds[index + 1]
        last = max(first, min(round(end * rate), high))
        piece = self._at(index, speed)
        stop = end if last < high else (self.duration if high == self._even.size else high / rate)
        return Cut(
            piece=piece,
            first=min(round((first - low) / speed), piece.samples.size),
            last=min(round((last - low) / speed), piece.samples.size),
            start=start,
            end=max(start, min(end, stop)),
        )

    def _at(self, index: int, speed: float) -> Piece:
        assert self._even is not None
        if (index, speed) not in self._pieces:
            segment = self._even[self._bounds[index] : self._bounds[index + 1]]
            if speed != 1:
                from earmark.tui.sound.stretch import stretch

                segment = stretch(segment, self._rate, speed)
                stretched = [at for at in self._pieces if at[1] != 1]
                for at in stretched[: max(0, len(stretched) + 1 - _KEPT)]:
                    del self._pieces[at]
            # Whoever asks at the same time gets the same piece: it has one name.
            return self._pieces.setdefault((index, speed), Piece(secrets.token_hex(8), segment, self._rate))
        return self._pieces[index, speed]


def _bounds(samples: Samples, rate: int) -> list[int]:
    """Frames at which segments begin, and the end: about SEGMENT seconds apart, each in the quietest moment near."""
    import numpy as np

    bounds = [0]
    moment = max(1, round(_QUIET * rate))
    while samples.size - bounds[-1] > (SEGMENT + _SLACK) * rate:
        begin = bounds[-1] + round((SEGMENT - _SLACK) * rate)
        near = samples[begin : bounds[-1] + round((SEGMENT + _SLACK) * rate)].astype(np.float32)
        power = np.square(near[: near.size // moment * moment]).reshape(-1, moment).sum(axis=1)
        bounds.append(begin + int(power.argmin()) * moment + moment // 2)
    return [*bounds, samples.size]
