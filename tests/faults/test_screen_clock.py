"""The machine's clock jumps both ways while somebody reviews: what was shown as saved is there, once, in its order."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from counted import SEED, Counted, sampled
from earmark.queue.journal.verify import verify
from needs import without
from terminal.home import Home, decide, leave, opened, saved

JUMPS = sampled(8, 200)
SITTING = 10
"""Jumps in one sitting; then the program is left, or killed, and started again."""

KEYS = ("u", "s", "enter")


@pytest.fixture
def faketime() -> Path:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        without("libfaketime is not installed")
    return found[0]


def test_the_clock_jumps_in_mid_sitting(faketime: Path, tmp_path: Path, counted: Counted) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    home = Home(tmp_path, EARMARK_SYNC_SECONDS="0.3")
    home.fill(f"text {number}" for number in range(JUMPS + 10))
    offset = tmp_path / "offset"
    clock = {
        "LD_PRELOAD": str(faketime),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        # What waits is counted by a clock that never jumps, on a real machine too.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    offset.write_text("+0d\n")
    jumps = shown = 0
    while jumps < JUMPS:
        with home.console("review", env=clock) as console:
            opened(console)
            for _ in range(min(SITTING, JUMPS - jumps)):
                decide(console, chance.choice(KEYS))
                jumps += 1
                offset.write_text(f"{(-1) ** jumps * chance.choice((60, 3600, 86_400, 34_560_000)):+}\n")
            shown += saved(console)
            if chance.random() < 0.5:
                assert leave(console) == 0
            else:
                console.kill()
        assert len(home.decisions()) == shown
    assert not verify(home.journal()).faults
    assert home.run("sync").returncode == 0
    decisions = home.decisions()
    assert [line["seq"] for line in home.lines()] == list(range(1, len(home.lines()) + 1))
    times = [line["at"] for line in decisions]
    assert times != sorted(times), "the clock did not jump back"
    with home.database() as database:
        arrived = Counter(row[0] for row in database.execute("SELECT id FROM line WHERE verdict IS NOT NULL"))
        assert database.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)
    database.close()
    assert arrived == Counter(line["id"] for line in decisions)
    counted("jumps of the clock under the whole program", jumps, shown)
