"""Which parts of a clip a reviewer really heard."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable


class Heard:
    """A set of moments of a clip, kept as disjoint intervals in order.

    Times are seconds from the beginning of the clip. Hearing a part twice counts once, and the order in which parts
    were heard does not matter. Not safe to change from two threads at once.
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self, intervals: Iterable[tuple[float, float]] = ()) -> None:
        self._starts: list[float] = []
        self._ends: list[float] = []
        for start, end in intervals:
            self.add(start, end)

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """The parts heard, as (start, end) pairs in order, none touching another."""
        return tuple(zip(self._starts, self._ends, strict=True))

    def add(self, start: float, end: float) -> None:
        """Count what lies between `start` and `end` as heard. An empty or reversed interval changes nothing."""
        if not start < end:  # also true of NaN
            return
        # Everything that overlaps or touches the new interval lies in [first, last) and melts into it.
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def share(self, duration: float) -> float:
        """How much of a clip of `duration` seconds was heard, from 0 to 1.

        A clip without length lacks nothing: 1.
        """
        if duration <= 0:
            return 1.0
        inside = sum(max(0.0, min(end, duration) - max(start, 0.0)) for start, end in self.intervals)
        return min(1.0, inside / duration)

    def copy(self) -> Heard:
        """An independent copy."""
        return Heard(self.intervals)
