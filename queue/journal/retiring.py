"""The retention rule at work on a journal that somebody is writing to meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from earmark.queue.journal.erasing import SetAside
from earmark.queue.journal.errors import NotSaved
from earmark.queue.journal.line import Entry
from earmark.queue.journal.writer import Journal


class Retirement:
    """The journal as the retention rule sees it: what the rule finds due is noted, and erased in small jobs afterwards.

    Between two of them goes whatever cannot wait: a decision, or the erasure that a critical mark or a withdrawal asks
    for. A clip that is given a text after the rule has begun to look keeps what it has.
    """

    def __init__(self, journal: Journal) -> None:
        self.due: list[str] = []
        self._journal = journal
        self._known = journal.head.seq

    def entries(self) -> Iterator[Entry]:
        return self._journal.entries()

    def drafts(self) -> dict[str, str]:
        return self._journal.drafts()

    def quarantine(self) -> Sequence[SetAside]:
        return self._journal.quarantine()

    def retire(self, clips: Iterable[str]) -> int:
        """Note that these are due. None has lost anything yet."""
        self.due += clips
        return 0

    def go_on(self) -> int:
        """Erase a few of what is `due`; says how many lines lost their payloads. Raises `NotSaved`: then the rest is
        left to another sitting.
        """
        try:
            return self._journal.retire_some(self.due, self._known)
        except NotSaved:
            self.due.clear()
            raise
