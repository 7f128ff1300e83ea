"""The disk under a journal fails at any call, again and again, while decisions are written and sent: what was said to
be saved arrives once, and what was refused does not arrive.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from contract.store.tools import make_incoming
from counted import SEED, Counted, balance, sampled
from earmark.queue.journal.verify import verify
from faults.store.conftest import CLIPS, arrived, done_by
from needs import need
from system.store.postgres.conftest import Team

FAULTS = sampled(20, 250)
CALLS = {"openat": 40, "read": 40, "write": 9, "fdatasync": 9, "fsync": 9}
"""Calls that fail, and how many of a kind come before it fails again, at least: an opening needs many of some."""

SEGMENTS = 60

# Tries again after each refusal, as somebody at the screen does: the journal is opened again, and the decision is made
# anew. Says in the end what was asked for, what was said to be saved, and what the store set aside.
WORK = """
import json, random, sys
from pathlib import Path
given = json.loads(sys.argv[1])
sys.path.insert(0, given["tests"])
from counted import Machine
from earmark.queue.journal import JournalError
from earmark.queue.store.postgres import PostgresStore

def open_store():
    return PostgresStore(given["url"], lease_seconds=900.0)

def tried(do):
    for _ in range(100):
        try:
            return do()
        except JournalError:
            try:
                machine.journal.reopen()
            except (JournalError, NameError):
                continue
    raise SystemExit("the journal works no more")

chance = random.Random(given["seed"])
machine = tried(lambda: Machine(Path(given["folder"]), "ada", given["clips"], open_store, segment_bytes=6_000))
for _ in range(60):
    tried(machine.decide)
    if chance.random() < 0.1:
        tried(machine.settle)
tried(machine.settle)
print(json.dumps([machine.asked, machine.shown, sorted(tried(machine.aside))]))
"""


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_the_disk_fails_now_and_then(error: str, team: Team, tmp_path: Path, counted: Counted) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    list(team.add(make_incoming(n) for n in range(CLIPS)))
    team.open("ada")
    clips = [clip for (clip,) in team.sql("SELECT id FROM earmark.clip")]
    shown: dict[str, str | None] = {}
    aside: set[str] = set()
    made, refused = 0, 0
    while made < FAULTS:
        folder = tmp_path / f"machine {chance.randrange(10**9):09}"
        given = {"tests": str(Path(__file__).parents[2]), "folder": str(folder), "seed": chance.randrange(10**9)}
        given |= {"url": team.url("ada"), "clips": clips}
        trace = tmp_path / "trace"
        # Calls on the journal's own files alone, or the program would not even start.
        files = [folder / "journal", *(folder / "journal" / f"{number:06}.jsonl" for number in range(1, SEGMENTS))]
        inject = [
            f"inject={call}:error={error}:when={chance.randint(1, 25)}+{chance.randint(least, 2 * least + 20)}"
            for call, least in CALLS.items()
        ]
        command = [need("strace"), "-f", "-o", str(trace), "-e", f"trace={','.join(CALLS)}"]
        command += [word for one in inject for word in ("-e", one)]
        command += [word for one in files for word in ("-P", str(one))]
        asked_now, shown_now, aside_now = done_by(WORK, given, command)
        shown |= shown_now
        refused += len(asked_now) - len(shown_now)
        aside |= set(aside_now)
        made += trace.read_text().count("(INJECTED)")
        assert verify(folder / "journal").faults == ()
    assert refused
    counted(f"{error} at any call on the journal's files", made, *balance(arrived(team), shown, aside))
