"""One writer a journal: a lock file that the system lets go of when the process ends, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from earmark.queue import files
from earmark.queue.journal.errors import JournalBusy


def take_lock(folder: Path) -> int:
    """Lock the journal in `folder`; close the descriptor to let go. Raises `JournalBusy` when another has it."""
    fd = files.open_file(folder / "lock", os.O_RDWR | os.O_CREAT)
    if not files.lock(fd):
        os.close(fd)
        raise JournalBusy(f"another Earmark is using the journal in {folder}: close it first")
    return fd


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the journal in `folder` without opening it. Raises `JournalBusy`."""
    fd = take_lock(folder)
    try:
        yield
    finally:
        os.close(fd)
