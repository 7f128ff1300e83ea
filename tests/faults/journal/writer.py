"""Writes decisions into a journal and says on stdout, unbuffered, what became of each. Run as a program by the tests.

    writer.py FOLDER FIRST COUNT [erase] [reopen]

Decision n is on clip `c<n>`. A line `saved n` is written after `append` returned, `refused n: words` after it raised.
With `erase` every tenth decision's clip is erased once the one after it is saved. With `reopen` the journal is opened
again after a refusal, and the same decision is given once more.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from earmark.queue.decision import Decision, Verdict
from earmark.queue.journal import Journal, JournalError, NotSaved
from earmark.queue.stamp import told_time


def decision(n: int) -> Decision:
    return Decision(
        id=f"id-{n}",
        at=told_time(),
        reviewer="anna",
        clip=f"c{n}",
        verdict=Verdict.CORRECTED,
        text=f"text {n} " + "w" * (n * 37 % 1500),
        shown="what the machine heard",
    )


def say(words: str) -> None:
    os.write(1, words.encode() + b"\n")


def main(folder: Path, first: int, count: int, *options: str) -> None:
    try:
        journal = Journal.open(folder, "anna", app="test", segment_bytes=30_000)
    except JournalError as error:
        say(f"unopened: {error}")
        return
    say("open")
    for n in range(first, first + count):
        try:
            journal.append(decision(n))
            say(f"saved {n}")
        except NotSaved as error:
            say(f"refused {n}: {error}")
            if "reopen" in options:
                journal.reopen()
                journal.append(decision(n))
                say(f"saved {n}")
        if "erase" in options and n % 10 == 1 and n > first:
            journal.erase(f"c{n - 1}", "withdrawal")
            say(f"erased {n - 1}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
