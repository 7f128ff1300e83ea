"""The power of a reviewer's machine goes: only what had reached its block device is left, and life goes on from there.

An ext4 image is copied while it is mounted, as the cut; the copy is the disk that the machine then starts from.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.store.tools import make_incoming
from counted import SEED, Counted, balance, sampled
from faults.store.conftest import CLIPS, arrived, done_by
from needs import need
from system.store.postgres.conftest import Team

CUTS = sampled(8, 100)

# Runs where it may mount. Says in the end what was said to be saved, and what the store set aside.
LIFE = """
import json, random, shutil, subprocess, sys
from pathlib import Path
given = json.loads(sys.argv[1])
sys.path.insert(0, given["tests"])
from counted import Machine
from earmark.queue import files
from earmark.queue.journal import JournalError
from earmark.queue.journal.verify import verify
from earmark.queue.store.postgres import PostgresStore
chance = random.Random(given["seed"])
work = Path(given["work"])
disk, image, after = work / "disk", work / "image", work / "after"
disk.mkdir()

def switch_on():
    # No commit by the clock: what is on the device is what was asked for.
    subprocess.run(["mount", "-o", "loop,commit=300", str(image), str(disk)], check=True)

def cut():
    shutil.copyfile(image, after)
    machine.journal.close()
    subprocess.run(["umount", str(disk)], check=True)
    after.replace(image)

switch_on()
machine = Machine(
    disk, "ada", given["clips"], lambda: PostgresStore(given["url"], lease_seconds=900.0), segment_bytes=6_000
)
subprocess.run(["sync", "-f", str(disk)], check=True)
if not given["sync"]:
    files.sync = lambda fd: None
for _ in range(given["cuts"]):
    machine.decide(chance.randint(1, 6))
    if chance.random() < 0.5:
        machine.settle()
        machine.decide(chance.randint(0, 3))
    cut()
    switch_on()
    try:
        machine.open()
    except JournalError:
        if given["sync"]:
            raise
        break  # all that had not been sent is lost: that is what the control is for
    assert verify(disk / "journal").faults == ()
else:
    machine.settle()
print(json.dumps([machine.shown, sorted(machine.aside())]))
machine.journal.close()
subprocess.run(["umount", str(disk)], check=True)
"""

Live = Callable[..., tuple[dict[str, str | None], list[str]]]


@pytest.fixture
def live(team: Team, tmp_path: Path, apart: list[str]) -> Iterator[Live]:
    """A machine's life with power cuts in it, with or without the journal's syncs; gives what it said was saved, and
    what the store set aside.
    """
    shm = Path("/dev/shm")
    work = (shm if shm.is_dir() else tmp_path) / f"earmark-cut-{os.getpid()}"
    work.mkdir()
    list(team.add(make_incoming(n) for n in range(CLIPS)))
    team.open("ada")

    def live(*, sync: bool) -> Any:
        with (work / "image").open("wb") as file:
            file.truncate(16 << 20)
        subprocess.run([need("mkfs.ext4"), "-q", "-F", str(work / "image")], check=True, capture_output=True)
        given = {
            "tests": str(Path(__file__).parents[2]),
            "work": str(work),
            "seed": SEED,
            "cuts": CUTS,
            "sync": sync,
            "url": team.url("ada"),
            "clips": [clip for (clip,) in team.sql("SELECT id FROM earmark.clip ORDER BY arrival")],
        }
        return done_by(LIFE, given, apart)

    try:
        yield live
    finally:
        shutil.rmtree(work)


def test_what_was_saved_survives_power_cuts_and_arrives_once(live: Live, team: Team, counted: Counted) -> None:
    shown, aside = live(sync=True)
    assert len(shown) > 2 * CUTS
    counted("power cuts of the journal's disk", CUTS, *balance(arrived(team), shown, aside))


def test_without_the_sync_power_cuts_lose(live: Live, team: Team) -> None:
    """The control: if nothing were lost here, the test above would prove nothing."""
    shown, _ = live(sync=False)
    there = [name for name, _ in arrived(team)]
    assert len(there) == len(set(there))
    assert set(there) < shown.keys()
