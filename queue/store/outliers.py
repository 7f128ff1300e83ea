"""Whose decisions stand out against everybody else's. Pure.

A reviewer's share (such as of skipped clips) is compared with that of all others together by the two-proportion z-test
with pooled variance (NIST/SEMATECH e-Handbook of Statistical Methods, 7.3.3). It needs counts that are not small: at
least five of either kind expected on both sides, the usual rule. Many comparisons find something by chance, so the
level is divided by their number (Bonferroni); and with thousands of decisions every difference is significant, so it
must also be one that matters. What stands out is a reason to listen to some clips, not a finding: clips differ too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import NormalDist

import msgspec

LEAST_DECISIONS = 100
"""Of a reviewer, and of the others together, before anything is said of them."""

LEAST_EXPECTED = 5.0
LEVEL = 0.01
LEAST_DIFFERENCE = 0.02
"""Of two shares (0 to 1): less than two clips in a hundred is nobody's concern."""


class Count(msgspec.Struct, frozen=True):
    """How many decisions of a kind there were, and among how many."""

    hits: int
    among: int

    @property
    def share(self) -> float:
        return self.hits / self.among if self.among else 0.0


class Outlier(msgspec.Struct, frozen=True):
    """A reviewer's share of `kind` and that of the others, and how many standard errors lie between them."""

    reviewer: str
    kind: str
    own: float
    others: float
    z: float


def z_of(one: Count, other: Count) -> float | None:
    """The statistic of the two-proportion test; None where the counts are too small for it."""
    if one.among < LEAST_DECISIONS or other.among < LEAST_DECISIONS:
        return None
    pooled = (one.hits + other.hits) / (one.among + other.among)
    if min(one.among, other.among) * min(pooled, 1 - pooled) < LEAST_EXPECTED:
        return None
    error = sqrt(pooled * (1 - pooled) * (1 / one.among + 1 / other.among))
    return (one.share - other.share) / error


def outliers(kinds: Mapping[str, Mapping[str, Count]]) -> Sequence[Outlier]:
    """What stands out, the furthest first; `kinds` has for each kind of decision every reviewer's count."""
    compared: list[Outlier] = []
    for kind, counts in kinds.items():
        hits, among = (sum(getattr(count, name) for count in counts.values()) for name in ("hits", "among"))
        for reviewer, own in counts.items():
            rest = Count(hits - own.hits, among - own.among)
            z = z_of(own, rest)
            if z is not None:
                compared.append(Outlier(reviewer, kind, own.share, rest.share, z))
    if not compared:
        return ()
    beyond = NormalDist().inv_cdf(1 - LEVEL / 2 / len(compared))
    found = [one for one in compared if abs(one.z) > beyond and abs(one.own - one.others) >= LEAST_DIFFERENCE]
    return sorted(found, key=lambda one: -abs(one.z))
