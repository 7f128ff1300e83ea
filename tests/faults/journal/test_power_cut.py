"""The power goes: only what had reached the block device is left. An ext4 image is copied while it is mounted, as the
cut.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CUTS = 6

# Runs where it may mount. Says after each cut how many lines were said to be saved, and how many the copy holds.
CUT = """
import shutil, subprocess, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from writer import decision, say
from earmark.queue import files
from earmark.queue.journal import Journal
from earmark.queue.journal.verify import verify
work, cuts, sync = Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "sync"
image, disk, copy, after = work / "image", work / "disk", work / "copy", work / "after"
disk.mkdir()
after.mkdir()
# No commit by the clock: what is on the device is what was asked for.
subprocess.run(["mount", "-o", "loop,commit=300", str(image), str(disk)], check=True)
folder = disk / "journal"
Journal.open(folder, "anna", app="test").close()
subprocess.run(["sync", "-f", str(disk)], check=True)
if not sync:
    files.sync = lambda fd: None
saved = 0
with Journal.open(folder, "anna", app="test", segment_bytes=6_000) as journal:
    for _ in range(cuts):
        for _ in range(3):
            saved += 1
            journal.append(decision(saved))
        shutil.copyfile(image, copy)
        subprocess.run(["mount", "-o", "loop", str(copy), str(after)], check=True)
        try:
            with Journal.open(after / "journal", "anna", app="test") as found:
                clips = [entry.clip for entry in found.entries()]
            assert clips == [f"c{n}" for n in range(1, len(clips) + 1)], clips
            assert verify(after / "journal").faults == ()
        finally:
            subprocess.run(["umount", str(after)], check=True)
        say(f"{saved} {len(clips)}")
subprocess.run(["umount", str(disk)], check=True)
"""


def cut(tmp_path: Path, apart: list[str], need: Callable[[str], str], how: str) -> list[tuple[int, int]]:
    shm = Path("/dev/shm")
    work = (shm if shm.is_dir() else tmp_path) / f"earmark-cut-{os.getpid()}"
    work.mkdir()
    try:
        with (work / "image").open("wb") as file:
            file.truncate(16 << 20)
        subprocess.run([need("mkfs.ext4"), "-q", "-F", str(work / "image")], check=True, capture_output=True)
        here = str(Path(__file__).parent)
        done = subprocess.run(
            [*apart, sys.executable, "-c", CUT, here, str(work), str(CUTS), how],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
    finally:
        for path in sorted(work.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        work.rmdir()
    return [(int(line.split()[0]), int(line.split()[1])) for line in done.stdout.splitlines()]


def test_what_was_saved_survives_a_power_cut(tmp_path: Path, apart: list[str], need: Callable[[str], str]) -> None:
    told = cut(tmp_path, apart, need, "sync")
    assert told == [(n, n) for n in range(3, 3 * CUTS + 1, 3)]


def test_without_the_sync_a_power_cut_loses_lines(tmp_path: Path, apart: list[str], need: Callable[[str], str]) -> None:
    """The control: if nothing were lost here, the test above would prove nothing."""
    told = cut(tmp_path, apart, need, "no sync")
    assert len(told) == CUTS
    assert any(found < saved for saved, found in told)
