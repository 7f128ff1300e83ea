"""Going on as another device, when the store holds other lines under this device's numbers.

Happens when a journal was put back from a backup, or copied. Every line is written anew under a new device id, each
with its own id, time and payload; the store takes each decision once, by its id. The old lines are kept without their
payloads in `forked-1`, `forked-2`, …, so that what was sent can be told later and no text lies where an erasure would
not look.

The new journal is built beside the old one, in `renewing`; the rename to `renewed` decides, and what follows (each file
moves over the old one of its name) can be done again from any point.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from earmark.queue import files
from earmark.queue.journal.errors import JournalCorrupt, JournalError
from earmark.queue.journal.line import chain_in, erased, reissued
from earmark.queue.journal.segments import lines_of, segment_paths
from earmark.queue.journal.verify import verify

_BUILDING = "renewing"
_BUILT = "renewed"
_OLD = "forked"


def build(folder: Path, device: str) -> None:
    """Write every line anew for `device`, and decide for it.

    Raises `JournalError`, `OSError`: then nothing has changed.
    """
    faults = verify(folder).faults
    if faults:
        raise JournalCorrupt(faults[0].file, faults[0].line, faults[0].what)
    building = folder / _BUILDING
    files.make_folder(building / _OLD)
    seq, chain = 0, ""
    for path in segment_paths(folder):
        old: list[bytes] = []
        new: list[bytes] = []
        for line in lines_of(files.read(path)):
            seq += 1
            new.append(reissued(line, device=device, seq=seq, previous=chain))
            chain = chain_in(new[-1])
            old.append(erased(line))
        files.create(building / path.name, b"".join(new))
        files.create(building / _OLD / path.name, b"".join(old))
    files.create(building / "device", device.encode() + b"\n")
    files.sync_folder(building / _OLD)
    files.sync_folder(building)
    if verify(building).faults:  # before the only other copy of the payloads goes
        drop(folder)
        raise JournalError("the journal could not be written anew: nothing has been changed; ask for help")
    building.rename(folder / _BUILT)
    files.sync_folder(folder)


def drop(folder: Path) -> None:
    """Forget a new journal that has not been decided for."""
    shutil.rmtree(folder / _BUILDING, ignore_errors=True)


def finish(folder: Path) -> bool:
    """Put a new journal that has been decided for in the old one's place; says whether one was. Raises `OSError`."""
    drop(folder)
    built = folder / _BUILT
    if not built.is_dir():
        return False
    # Its numbers mean other lines now; the store will say again what it sets aside.
    files.remove(folder / "quarantine.jsonl")
    for path in [*segment_paths(built), built / "device"]:
        if path.exists():
            files.move(path, folder / path.name)
    if (built / _OLD).is_dir():
        number = 1
        while (folder / f"{_OLD}-{number}").exists():
            number += 1
        (built / _OLD).rename(folder / f"{_OLD}-{number}")
        files.sync_folder(folder)
    built.rmdir()
    files.sync_folder(folder)
    return True
