"""Clocks that jump both ways, the store's and the reviewer's: what was decided, at hand or offline, arrives once."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from pathlib import Path

import laptop
from contract.store.tools import make_incoming
from counted import LONG, SEED, Counted, balance, sampled
from earmark.queue.decision import Decision
from earmark.queue.journal.verify import verify
from earmark.queue.offline import checkin
from earmark.queue.offline.batch_file import BatchError, open_batch
from earmark.queue.stamp import uuid7
from earmark.queue.sync import send
from faults.store.conftest import arrived
from laptop import DAY
from system.store.postgres.conftest import Clock, Team

JUMPS = sampled(40, 1000)
DAYS = (1 / 48, 0.5, 4, 40, 400)
"""From less than a lease lasts to more than a batch can."""


class Life:
    """anna, who has a laptop and a wall clock that is wrong, and a store whose clock jumps too."""

    def __init__(self, team: Team, folder: Path) -> None:
        self.clock = Clock(team)
        self.store = team.open("anna")
        self.machine = laptop.Machine(folder / "home", self.store, self.clock)  # type: ignore[arg-type]
        self.chance = random.Random(SEED)
        self.shown: dict[str, str | None] = {}
        self.jumps = 0
        self.over = 0
        """Batches whose time was over before they came back."""

    def jump(self) -> None:
        """One of the clocks, by up to some hundred days, or the machine starts anew."""
        by = self.chance.choice((-1, 1)) * self.chance.uniform(0, DAY * self.chance.choice(DAYS))
        match self.chance.randrange(4):
            case 0:
                # Both: the machine's own is behind or ahead of the store's. A counter since the start never goes back.
                self.clock.now += by
                self.machine.started += min(by, 0)
            case 1:
                self.machine.restart()
            case _:
                self.machine.ahead = by
        self.jumps += 1

    def decision(self, clip: str, lease: str) -> Decision:
        wall = self.machine.clocks().wall
        text = f"text {len(self.shown)}"
        at = datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        decided = uuid7(int(wall * 1000), os.urandom(10))
        return laptop.decide(clip, "corrected", text, id=decided, at=at, lease=lease)

    def at_hand(self) -> None:
        """Leases, decides and sends; clocks jump in between."""
        with self.machine.journal() as journal:
            for leased in self.store.lease("anna", self.chance.randint(1, 4)):
                self.jump()
                decision = self.decision(leased.clip.id, leased.lease)
                journal.append(decision)
                self.shown[decision.id] = decision.text
                if self.chance.random() < 0.5:
                    send(journal, self.store)
            assert send(journal, self.store).unsent == 0

    def away(self) -> None:
        """Checks out, decides what is there as long as it is there, and checks in; clocks jump all the time."""
        try:
            _, key = self.machine.checkout(self.chance.randint(1, 4))
        except BatchError:  # by a clock that is ahead, the leases have run out before they began
            self.machine.ahead = 0.0
            return
        offline, journal = self.machine.sit_down(key)
        with journal:
            while leased := offline.lease("anna", 1):
                decision = self.decision(leased[0].clip.id, leased[0].lease)
                journal.append(decision)
                self.shown[decision.id] = decision.text
                self.jump()
            offline.close()
        batch = open_batch(self.machine.place)
        with self.machine.journal() as journal:
            if batch is None:
                self.over += 1
                assert send(journal, self.store).unsent == 0
            else:
                assert checkin.meet(batch, journal, self.store, self.machine.clocks())[1].unsent == 0
                checkin.give_back(batch, self.store)


def test_clocks_that_jump(team: Team, tmp_path: Path, counted: Counted) -> None:
    print(f"seed {SEED}")
    life = Life(team, tmp_path)
    list(team.add(make_incoming(n) for n in range(2 * JUMPS)))
    while life.jumps < JUMPS:
        life.chance.choice((life.at_hand, life.away))()
    assert life.over or not LONG, "no batch ran out: nothing jumped far enough"
    with life.machine.journal() as journal:
        numbers = [entry.seq for entry in journal.entries()]
        aside = {one.id for one in journal.quarantine()}
        ids = [entry.id for entry in journal.entries()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert ids != sorted(ids), "the order of the lines is the clock's"
    assert verify(tmp_path / "home" / "journal").faults == ()
    counted("jumps of the store's and the reviewer's clock", life.jumps, *balance(arrived(team), life.shown, aside))
