"""How much sound is on its way: enough to fill the line, and never so much that a stop waits behind it.

The line is reckoned, not waited for: a queue that is served at a rate, then a delay.
"""

from __future__ import annotations

import heapq
import math

import pytest

from earmark.tui.sound.speaker.flow import LEAST, TARGET, Flow
from earmark.tui.sound.speaker.frames import MOST_BYTES

SECONDS = 30.0
PLENTY = 128_000
"""Bytes a second: as much as eight clips at once need."""


class Line:
    """A line of `rate` bytes a second and `delay` seconds there and back, and how long its queue was."""

    def __init__(self, rate: float, delay: float, bunch: float = 0.0) -> None:
        """`bunch`: acknowledgements come together, at most once in so many seconds."""
        self.rate, self.delay, self.bunch = rate, delay, bunch
        self.free_at = 0.0
        self.waited: list[tuple[float, float]] = []

    def carry(self, size: int, now: float) -> float:
        """The moment at which what is sent now is acknowledged."""
        begins = max(now, self.free_at)
        self.waited.append((now, begins - now))
        self.free_at = begins + size / self.rate
        arrives = self.free_at + self.delay
        return math.ceil(arrives / self.bunch) * self.bunch if self.bunch else arrives


def fill(flow: Flow, line: Line, seconds: float = SECONDS) -> float:
    """Send as much as the flow allows, for so long; gives the bytes a second that arrived in the second half."""
    now, arrived = 0.0, 0
    coming: list[tuple[float, int]] = []
    while now < seconds:
        while size := flow.room():
            flow.sent(size, now)
            heapq.heappush(coming, (line.carry(size, now), size))
        now, size = heapq.heappop(coming)
        flow.arrived(now)
        if now > seconds / 2:
            arrived += size
    return arrived / (seconds / 2)


@pytest.mark.parametrize("rate", [8_000, 32_000, 125_000, 1_250_000])
@pytest.mark.parametrize("delay", [0.002, 0.02, 0.2])
def test_the_line_is_filled_and_its_queue_is_short(rate: int, delay: float) -> None:
    flow, line = Flow(), Line(rate, delay)
    flow.pinged(delay, 0.0)
    assert fill(flow, line) > min(0.9 * rate, PLENTY)
    settled = [waited for at, waited in line.waited if at > SECONDS / 2]
    # What is sent next waits for the frame that is on the line, too: on the slowest that is more than the target.
    assert max(settled) < 3 * TARGET + 3 * LEAST / rate


def test_acknowledgements_that_come_in_bunches_deceive_nobody() -> None:
    flow, line = Flow(), Line(24_000, 0.2, bunch=0.03)
    flow.pinged(0.2, 0.0)
    assert fill(flow, line) > 0.7 * line.rate
    assert flow.slow


def test_acknowledgements_that_come_all_together_are_no_pause() -> None:
    flow = Flow()
    now = 1.0
    flow.pinged(0.2, now)
    sent = []
    for _ in range(8):
        count = 0
        while size := flow.room():
            flow.sent(size, now)
            count += 1
        sent.append(count)
        now += 0.2
        for _ in range(count):
            flow.arrived(now)
    assert sent[-1] > 2 * sent[0]


def test_the_rate_of_bunches_is_that_of_the_line() -> None:
    flow, line = Flow(), Line(24_000, 0.2, bunch=0.03)
    fill(flow, line)
    assert flow.rate == pytest.approx(line.rate, rel=0.3)


def test_after_a_pause_no_whole_window_goes_out_at_once() -> None:
    flow, line = Flow(), Line(32_000, 0.2)
    fill(flow, line)
    while flow.in_flight:
        flow.arrived(SECONDS)
    while size := flow.room():
        flow.sent(size, SECONDS + 10)
    assert flow.in_flight <= 3 * LEAST


def test_a_line_that_is_slow_for_speech_is_known_as_one() -> None:
    slow, fast = Flow(), Flow()
    fill(slow, Line(32_000, 0.2))
    fill(fast, Line(1_250_000, 0.02))
    assert slow.slow and not fast.slow
    assert not Flow().slow


@pytest.mark.parametrize("rate", [8_000, 1_250_000])
def test_a_frame_has_a_size_that_base64_can_join(rate: int) -> None:
    flow, line = Flow(), Line(rate, 0.05)
    fill(flow, line, 5.0)
    flow.arrived(100.0)
    while flow.in_flight:
        flow.arrived(100.0)
    assert LEAST <= flow.room() <= MOST_BYTES
    assert flow.room() % 3 == 0


def test_acknowledging_what_nobody_sent_opens_nothing() -> None:
    flow = Flow()
    before = flow.window
    for moment in range(10_000):
        flow.arrived(float(moment))
    assert (flow.window, flow.in_flight, flow.rate, flow.base) == (before, 0, None, 0.0)


def test_without_acknowledgement_no_more_than_a_window_goes_out() -> None:
    flow = Flow()
    while size := flow.room():
        flow.sent(size, 1.0)
    assert 0 < flow.in_flight <= flow.window


def test_a_window_never_closes_for_good() -> None:
    flow = Flow()
    now = 0.0
    flow.pinged(0.001, now)
    for _ in range(500):
        size = flow.room()
        assert size >= LEAST
        flow.sent(size, now)
        now += 5.0
        flow.arrived(now)
    assert flow.window >= LEAST


def test_the_least_delay_is_forgotten_when_the_route_changes() -> None:
    flow = Flow()
    flow.pinged(0.01, 0.0)
    for moment in range(1, 300):
        flow.pinged(0.3, float(moment))
    assert flow.base == pytest.approx(0.3)
