"""What was heard is a set of moments: order, overlap and repetition do not matter."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from earmark.queue.heard import Heard

TICKS = 40
tick = st.integers(-5, TICKS + 5)
spans = st.lists(st.tuples(tick, tick), max_size=30)


def ticks_of(parts: list[tuple[int, int]]) -> set[int]:
    """The whole ticks that lie in any of the parts: the plain way to say what `Heard` says cleverly."""
    return {tick for start, end in parts for tick in range(start, end)}


@given(spans)
def test_the_share_is_that_of_the_moments_heard(parts: list[tuple[int, int]]) -> None:
    heard = Heard()
    for start, end in parts:
        heard.add(start / 4, end / 4)
    expected = len(ticks_of(parts) & set(range(TICKS))) / TICKS
    assert math.isclose(heard.share(TICKS / 4), expected)


@given(spans)
def test_intervals_are_in_order_and_apart(parts: list[tuple[int, int]]) -> None:
    intervals = Heard(parts).intervals
    assert all(start < end for start, end in intervals)
    assert all(before[1] < after[0] for before, after in pairwise(intervals))
    assert {tick for start, end in intervals for tick in range(int(start), int(end))} == ticks_of(parts)


def test_parts_that_touch_are_one() -> None:
    assert Heard([(0, 1), (1, 2)]).intervals == ((0, 2),)
    assert Heard([(1, 2), (0, 1)]).intervals == ((0, 2),)
    assert Heard([(0, 1), (2, 3), (1, 2)]).intervals == ((0, 3),)


@given(spans, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(parts: list[tuple[int, int]], random: object) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert Heard(parts).intervals == Heard(shuffled).intervals


def test_what_was_heard_never_shrinks_and_copies_are_apart() -> None:
    heard = Heard([(0, 1)])
    copy = heard.copy()
    heard.add(2, 3)
    assert copy.intervals == ((0, 1),)
    assert heard.intervals == ((0, 1), (2, 3))


def test_nothing_is_missing_of_a_clip_without_length() -> None:
    assert Heard().share(0) == 1.0
    assert Heard([(math.nan, 1.0)]).share(1) == 0.0
