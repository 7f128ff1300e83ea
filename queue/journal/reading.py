"""Reading a journal without opening it: another process may hold its lock and be writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from earmark.queue import files
from earmark.queue.decision import Decision, Verdict
from earmark.queue.journal.erasing import SetAside, quarantine
from earmark.queue.journal.line import Entry, Reason
from earmark.queue.journal.segments import entries, entries_in, segment_paths
from earmark.queue.store.interface import Head

__all__ = ["Standing", "arrived", "decision_of", "last_told", "read_entries", "read_quarantine", "standing"]


class Standing(msgspec.Struct, frozen=True):
    """How a journal stands: its device id (empty when there is no journal), its last number, and how many clips stand
    decided by each verdict.
    """

    device: str = ""
    seq: int = 0
    verdicts: dict[str, int] = {}

    @property
    def decided(self) -> int:
        """How many clips stand decided."""
        return sum(self.verdicts.values())


def standing(folder: Path) -> Standing:
    """How the journal in `folder` stands; one that is not there has nothing. A withdrawn clip counts no longer.

    Raises `JournalCorrupt`, `OSError`.
    """
    if not folder.is_dir():
        return Standing()
    device, seq = "", 0
    verdicts: dict[str, str] = {}
    for entry in entries(folder):
        device, seq = entry.device, entry.seq
        if entry.verdict is not None:
            verdicts[entry.clip] = entry.verdict.value
        elif entry.reason is Reason.WITHDRAWAL:
            verdicts.pop(entry.clip, None)
    counts = Counter(verdict for verdict in verdicts.values() if verdict != Verdict.RETRACTED)
    return Standing(device, seq, dict(sorted(counts.items())))


def arrived(folder: Path, head: Head) -> int:
    """How many lines of the journal in `folder` a store has whose cursor is `head`. Where that is on a line of another
    one (a copy went on elsewhere, or this was put back from one), it has none: all will go to it under a new number.

    Raises `JournalCorrupt`, `OSError`.
    """
    return head.seq if head.seq and any(entry.chain == head.chain for entry in entries(folder)) else 0


def last_told(folder: Path) -> str:
    """When the last line was written, as it says itself; "" where there is none. Raises `JournalCorrupt`, `OSError`."""
    for path in reversed(segment_paths(folder)) if folder.is_dir() else ():
        data = files.read(path)
        end = data.rfind(b"\n") + 1
        if end:
            (entry,) = entries_in(path.name, data[data.rfind(b"\n", 0, end - 1) + 1 : end])
            return entry.at
    return ""


def read_entries(folder: Path) -> Iterator[Entry]:
    """Every line, decoded, in order. Raises `JournalCorrupt`, `OSError`."""
    return entries(folder)


def decision_of(entry: Entry) -> Decision:
    """The decision that a line records, without the machine text, of which only a hash was kept. Raises ValueError for
    another kind.
    """
    if entry.verdict is None:
        raise ValueError(f"line {entry.seq} is no decision")
    return Decision(
        id=entry.id,
        at=entry.at,
        reviewer=entry.reviewer,
        clip=entry.clip,
        verdict=entry.verdict,
        lease=entry.lease,
        revision=entry.revision,
        text=entry.text,
        heard=entry.heard,
        plays=entry.plays,
        seconds=entry.seconds,
        keys=entry.keys,
        pressed=entry.pressed,
    )


def read_quarantine(folder: Path) -> tuple[SetAside, ...]:
    """The lines that the store would not take. Raises `OSError`."""
    return quarantine(folder)
