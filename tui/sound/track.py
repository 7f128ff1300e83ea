"""A loaded clip, made ready piece by piece for the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from earmark.tui.sound.prepare import Decoded, Samples

SEGMENT = 20.0
"""Seconds after which a long clip is cut, so that a change of speed never waits for more than this to be stretched."""

_SLACK = 2.0  # seconds around a cut in which the quietest moment is looked for
_QUIET = 0.02  # seconds of the moment
_KEPT = 4  # stretched segments kept


class Cut(msgspec.Struct, frozen=True):
    """A piece of a clip from second `start` to second `end`, as 16-bit little-endian frames at `rate` a second."""

    pcm: bytes
    rate: int
    start: float
    end: float


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
        self._stretched: dict[tuple[int, float], Samples] = {}

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
        piece = self._at(index, speed)[round((first - low) / speed) : round((last - low) / speed)]
        stop = end if last < high else (self.duration if high == self._even.size else high / rate)
        return Cut(pcm=piece.tobytes(), rate=rate, start=start, end=max(start, min(end, stop)))

    def _at(self, index: int, speed: float) -> Samples:
        assert self._even is not None
        segment = self._even[self._bounds[index] : self._bounds[index + 1]]
        if speed == 1:
            return segment
        if (index, speed) not in self._stretched:
            from earmark.tui.sound.stretch import stretch

            while len(self._stretched) >= _KEPT:
                del self._stretched[next(iter(self._stretched))]
            self._stretched[index, speed] = stretch(segment, self._rate, speed)
        return self._stretched[index, speed]


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
