"""What fault tests count, and the books they keep: what was said to be saved, held against what a store has.

machine = Machine(folder, "ada", clips, open_store)
machine.decide(20)
…a fault…
machine.settle()
counted("kills of the server", 1, balance(rows, machine))
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from earmark.queue.decision import Decision, Verdict
from earmark.queue.journal import Journal
from earmark.queue.stamp import new_id, told_time
from earmark.queue.store.interface import ReviewStore, StoreError
from earmark.queue.sync import send

LONG = bool(os.environ.get("EARMARK_LONG"))
SEED = int(os.environ.get("EARMARK_SEED") or random.randrange(2**32))

Counted = Callable[..., None]
"""`counted(what, how_many, decisions, quarantined=0)`: for the summary after all tests. See `counted` in conftest."""


def sampled(few: int, whole: int) -> int:
    """How often a fault is made: a few times, but with --long the whole count."""
    return whole if LONG else few


class Machine:
    """A reviewer's machine: its journal, its way to the store, and every decision that was said to be saved (`shown`:
    its text by its id; `asked` holds those that were refused too). It decides the given clips in turn, each time with
    a text that no other decision has.
    """

    def __init__(
        self,
        folder: Path,
        reviewer: str,
        clips: Sequence[str],
        open_store: Callable[[], ReviewStore],
        *,
        segment_bytes: int = 50_000,
    ) -> None:
        self.folder = folder
        self.reviewer = reviewer
        self.clips = list(clips)
        self.asked: dict[str, str | None] = {}
        self.shown: dict[str, str | None] = {}
        self._open_store = open_store
        self._segment_bytes = segment_bytes
        self.journal = self.open()

    def open(self) -> Journal:
        place, most = self.folder / "journal", self._segment_bytes
        self.journal = Journal.open(place, self.reviewer, app="test", segment_bytes=most)
        return self.journal

    def decide(self, count: int = 1) -> None:
        for _ in range(count):
            number = len(self.asked)
            decision = Decision(
                id=new_id(),
                at=told_time(),
                reviewer=self.reviewer,
                clip=self.clips[number % len(self.clips)],
                verdict=Verdict.CORRECTED,
                text=f"{self.folder.name} {number:06}",
                shown="machine",
            )
            self.asked[decision.id] = decision.text
            self.journal.append(decision)
            # Not before the line above has returned, as on the screen.
            self.shown[decision.id] = decision.text

    def sync(self) -> None:
        """One sync over a connection of its own. Raises `StoreError`."""
        store = self._open_store()
        try:
            assert send(self.journal, store).unsent == 0
        finally:
            store.close()

    def settle(self, *, most: int = 100) -> int:
        """Sync until all has arrived, over as many connections as it takes; says how often something broke."""
        for broken in range(most):
            try:
                self.sync()
            except StoreError:
                continue
            return broken
        raise AssertionError(f"nothing arrives in {most} tries")

    def aside(self) -> set[str]:
        """The decisions that the store set aside, as this machine was told."""
        return {one.id for one in self.journal.quarantine()}


class Balance(NamedTuple):
    """Decisions that were said to be saved, and how many of them the store set aside and said so."""

    decisions: int
    quarantined: int


def balance(rows: Iterable[tuple[str, str | None]], shown: Mapping[str, str | None], aside: Collection[str]) -> Balance:
    """Check that a store, which has decisions with these ids and texts, has every one that was said to be saved
    (`shown`) exactly once, but for those that somebody was told are set `aside`, and none besides.

    A decision that went in twice under two ids shows by its text.
    """
    there = list(rows)
    doubled = [text for text, times in Counter(text for _, text in there if text).items() if times > 1]
    assert not doubled, f"{len(doubled)} of {len(shown)} doubled: {doubled[:5]}"
    lost = shown.keys() - set(aside) - {name for name, _ in there}
    assert not lost, f"{len(lost)} of {len(shown)} lost: {sorted(lost)[:5]}"
    expected = sorted((name, text) for name, text in shown.items() if name not in aside)
    assert sorted(there) == expected, "there is something that nobody decided, or that is set aside as well"
    return Balance(len(shown), len(shown) - len(expected))
