"""Whose decisions stand out."""

from __future__ import annotations

import random

import pytest

from earmark.queue.store.outliers import Count, outliers, z_of


def test_the_statistic_is_the_textbooks() -> None:
    """The worked example of the NIST/SEMATECH e-Handbook, 7.3.3: 12 % of 200 against 9 % of 100 gives 0.78."""
    z = z_of(Count(24, 200), Count(9, 100))
    assert z == pytest.approx(0.78, abs=0.005)


def test_small_counts_say_nothing() -> None:
    assert z_of(Count(50, 99), Count(0, 10_000)) is None
    assert z_of(Count(50, 200), Count(0, 50)) is None
    assert z_of(Count(2, 100), Count(100, 10_000)) is None


def test_one_who_skips_stands_out_and_nobody_else() -> None:
    counts = {f"r{n}": Count(20, 1000) for n in range(30)} | {"eager": Count(150, 1000)}
    (one,) = outliers({"skipped": counts})
    assert (one.reviewer, one.kind, one.own) == ("eager", "skipped", 0.15)
    assert one.others == pytest.approx(0.02)
    assert one.z > 10


def test_a_difference_that_does_not_matter_is_not_told() -> None:
    counts = {"a": Count(10_000, 1_000_000), "b": Count(15_000, 1_000_000)}
    assert outliers({"skipped": counts}) == []


def test_chance_alone_makes_nobody_stand_out() -> None:
    chance = random.Random(5)
    told = 0
    for _ in range(100):
        counts = {f"r{n}": Count(sum(chance.random() < 0.1 for _ in range(200)), 200) for n in range(20)}
        told += bool(outliers({"skipped": counts}))
    assert told <= 5


def test_nobody_at_all() -> None:
    assert outliers({}) == ()
    assert outliers({"skipped": {"only": Count(5, 500)}}) == ()
