"""Saving a decision in the journal, against appending the same bytes to a file and syncing them."""

from __future__ import annotations

import os
import statistics
import time

from measure import Row, both, runs, show, workplace

from earmark.queue.decision import Decision, Verdict
from earmark.queue.journal import Journal
from earmark.queue.stamp import new_id, told_time

TEXT = "and mister john dashwood had then leisure to consider how much there might be prudently in his power to do"


def decision(number: int) -> Decision:
    """A correction of a text of usual length, of a clip of its own."""
    return Decision(
        id=new_id(),
        at=told_time(),
        reviewer="bench",
        clip=f"{number:032x}",
        verdict=Verdict.CORRECTED,
        text=TEXT,
        shown=TEXT[4:],
        lease="0" * 32,
        heard=0.97,
        plays=2,
        seconds=14.2,
        keys=37,
    )


def main() -> None:
    count = runs(__doc__ or "", 1000)
    ours: list[float] = []
    theirs: list[float] = []
    with workplace() as (folder, _), Journal.open(folder / "journal", "bench", app="bench") as journal:
        bare = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number in range(count):
            entry = decision(number)
            began = time.perf_counter()
            at = journal.append(entry)
            ours.append((time.perf_counter() - began) * 1000)
            (line,) = journal.lines(at.seq - 1, most=1)
            began = time.perf_counter()
            os.write(bare, line)
            os.fdatasync(bare)
            theirs.append((time.perf_counter() - began) * 1000)
        os.close(bare)
    adds = [a - b for a, b in zip(ours, theirs, strict=True)]
    show(
        [
            *both("saving a decision", ours, theirs, unit="ms", most_ratio=1.3),
            Row("of that, what the journal adds: median", statistics.median(adds), "ms"),
        ]
    )


if __name__ == "__main__":
    main()
