"""How much may be on its way at once, so that a short message never waits long behind sound.

A stop that is written after 300 KB of sound arrives after 300 KB of sound: ten seconds later at 256 kbit/s. So only as
much is sent as the line holds without a queue of more than `TARGET` seconds, told by the delay of the receiver's
acknowledgements over the least delay seen. This is the congestion control of LEDBAT (RFC 6817), with slow start, at the
beginning and after each pause: a whole window at once would be a queue of its own.

On a slow line a frame takes longer to be sent than our own sound may hold up others. So the delay of sound is compared
with that of sound on an empty line, never with that of a short message, and what a larger frame takes longer is left
out; else the window would shrink for its own frames until hardly anything arrived.
"""

from __future__ import annotations

from collections import deque

from earmark.tui.sound.speaker.frames import MOST_BYTES

TARGET = 0.02
"""Seconds that our own sound may hold up what is sent after it."""

LEAST = 384
"""Bytes of the smallest frame of sound: 16 ms of a line of 256 kbit/s, as base64. Two of them must fit into `TARGET`,
or nearly: acknowledgements come in pairs, and what they let out would count as a queue.
"""
MOST = 256 * 1024
"""Bytes on the way at most, on the fastest line."""

SLOW = 64 * 1024
"""Bytes a second: twice what speech needs while it sounds."""

_BASE_AGE = 60.0  # seconds after which a least delay is forgotten: routes change
_SMOOTH = 0.2
_SPAN = 0.1  # seconds over which arrivals are counted: two acknowledgements may come in one moment
_FILTER = (
    4  # delays of which the least counts: a receiver on a busy machine answers late now and then (RFC 6817, 3.4.2)
)
_FLOOR = 0.75  # of what the line was seen to hold: less would be no answer to a queue of our own
_RAMP = 2.0 * LEAST  # bytes on the way at first, and after a pause
_FRAMES = 16  # to a window: acknowledgements that come one by one let sound out one by one


class _Least:
    """The least of the values of the last minute or two; None before the first."""

    def __init__(self) -> None:
        self._least: float | None = None
        self._before: float | None = None
        self._at = 0.0

    def note(self, value: float, now: float) -> None:
        if self._least is None or now - self._at > _BASE_AGE:
            self._before, self._least, self._at = self._least, value, now
        self._least = min(self._least, value)

    @property
    def value(self) -> float | None:
        return min((each for each in (self._least, self._before) if each is not None), default=None)


class Flow:
    """Counts bytes sent and acknowledged. Times are seconds of one clock. Not safe for two threads at once."""

    def __init__(self) -> None:
        self.window = 8.0 * LEAST
        """Bytes that may be on the way."""
        self.rate: float | None = None
        """Bytes a second that arrive while the line is kept busy; None while unknown."""
        self.delay: float | None = None
        """Seconds of the last acknowledgement's way there and back; None while unknown."""
        self._sent: deque[tuple[int, float, bool]] = deque()
        self._in_flight = 0
        self._slow_start = True
        self._ramp = _RAMP
        self._arrived_at = 0.0
        self._trip = _Least()
        self._empty_line = _Least()
        self._lately: deque[float] = deque(maxlen=_FILTER)
        self._per_byte = _Least()
        self._span_at = 0.0
        self._span = 0

    def room(self) -> int:
        """Bytes that the next frame of sound may have now; 0 for none."""
        size = max(LEAST, min(MOST_BYTES, int(self.window / _FRAMES)))
        size -= size % 3
        return size if self._in_flight == 0 or self._in_flight + size <= min(self.window, self._ramp) else 0

    def sent(self, size: int, now: float) -> None:
        """A frame of sound went out."""
        # Acknowledgements that came together leave nothing on the way for a moment: that is no pause.
        if self._in_flight == 0 and now - self._arrived_at > self.base:
            self._ramp = _RAMP
        self._sent.append((size, now, self._in_flight > 0))
        self._in_flight += size

    def arrived(self, now: float) -> None:
        """The oldest frame on the way was acknowledged; one that nobody sent counts for nothing."""
        if not self._sent:
            return
        size, at, behind_another = self._sent.popleft()
        self._in_flight -= size
        self._count(size if behind_another else 0, now)
        self._ramp += size
        self._arrived_at = now
        self.delay = now - at
        self._trip.note(self.delay, now)
        alike = self.delay - (max(0, size - LEAST) / self.rate if self.rate else 0.0)
        self._empty_line.note(self.delay, now)
        self._lately.append(alike)
        off = 1 - (min(self._lately) - (self._empty_line.value or 0.0)) / TARGET
        if self._slow_start and off < 0.5:
            self._slow_start = False
        if self._slow_start:
            self.window += size
        elif off >= 0:
            self.window += off * size * LEAST / self.window
        else:
            # A quarter of a window a round trip at most: one late answer is no reason to stop.
            self.window += max(off, -2.0) * size / 8
        held = self.base / self._per_byte.value if self._per_byte.value else 0.0
        self.window = min(max(self.window, float(LEAST), _FLOOR * held), float(MOST))

    def _count(self, size: int, now: float) -> None:
        """So many bytes arrived behind others; 0 for what came after a pause."""
        if not size:
            self._span_at, self._span = now, 0
            return
        self._span += size
        if now - self._span_at >= _SPAN:
            pace = self._span / (now - self._span_at)
            self._per_byte.note(1 / pace, now)
            self.rate = pace if self.rate is None else self.rate + _SMOOTH * (pace - self.rate)
            self._span_at, self._span = now, 0

    def pinged(self, delay: float, now: float) -> None:
        """A message without sound came back after `delay` seconds."""
        self._trip.note(delay, now)

    @property
    def base(self) -> float:
        """The least delay of the last minute or two, in seconds; 0 while none is known."""
        return self._trip.value or 0.0

    @property
    def slow(self) -> bool:
        """Whether a clip takes a good part of its own length to arrive, so that more of them should travel ahead."""
        return self.rate is not None and self.rate < SLOW

    @property
    def in_flight(self) -> int:
        """Bytes on the way."""
        return self._in_flight
