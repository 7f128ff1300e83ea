"""A home that was copied to a second machine, or put back from an older copy, and the whole program in each: every
decision that was shown as saved is in the store, once.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from counted import SEED, Counted, sampled
from earmark.queue.journal.verify import verify
from terminal.home import Home, decide, leave, opened, saved

ROUNDS = sampled(4, 60)


def ids(home: Home) -> set[str]:
    return {line["id"] for line in home.decisions()}


def copied(origin: Home, folder: Path) -> Home:
    """The home as it is now, on a machine of its own."""
    home = Home(folder, **{name: value for name, value in origin.env.items() if name == "EARMARK_STORE"})
    shutil.copytree(origin.path, home.path, dirs_exist_ok=True)
    return home


def test_sittings_at_two_machines_and_at_an_older_home(tmp_path: Path, counted: Counted) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    team = Home(tmp_path / "team")
    team.fill(f"text {number}" for number in range(ROUNDS * 8))
    first = Home(tmp_path / "machine 0", EARMARK_STORE=f"sqlite:///{team.path / 'store'}")
    every, pair = [first], [first]
    older: list[Home] = []
    shown: set[str] = set()

    def sit_down(home: Home) -> None:
        nonlocal shown
        before = ids(home) if list(home.path.glob("journals/*")) else set[str]()
        with home.console("review") as console:
            opened(console)
            for _ in range(chance.randint(1, 3)):
                decide(console, chance.choice("us"))
            count = saved(console)
            if chance.random() < 0.7:
                console.wait("unsent 0", 30)
                assert leave(console) == 0
            else:
                console.kill()
        now = ids(home) - before
        assert len(now) == count
        shown |= now

    sit_down(first)
    faults = 0
    for number in range(1, ROUNDS):
        home = chance.choice(pair)
        what = number % 3
        if what == 1:
            every.append(copied(home, tmp_path / f"machine {number}"))
            pair = [home, every[-1]]
            faults += 1
        elif what == 2:
            # What a machine has not sent when somebody puts an older home in its place is gone with its disk.
            assert home.run("sync").returncode == 0
            older.append(copied(home, tmp_path / f"older {number}"))
        else:
            assert home.run("sync").returncode == 0
            shutil.rmtree(home.path)
            shutil.copytree(chance.choice(older).path, home.path)
            faults += 1
        sit_down(home)
        for one in pair:
            if one is not home:
                sit_down(one)
    for home in every:
        assert home.run("sync").returncode == 0
        assert not verify(home.journal()).faults
    with team.database() as database:
        rows = database.execute("SELECT id FROM line WHERE verdict IS NOT NULL").fetchall()
    database.close()
    assert sorted(row[0] for row in rows) == sorted(shown)
    assert faults >= 2
    counted("whole homes copied to a second machine, or put back from an older copy", faults, len(shown))


def test_an_older_home_is_told_of_on_the_screen(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", EARMARK_STORE=f"sqlite:///{tmp_path / 'store'}")
    home.fill(f"text {number}" for number in range(6))
    with home.console("review") as console:
        opened(console)
        decide(console, "u")
        assert leave(console) == 0
    older = copied(home, tmp_path / "older")
    with home.console("review") as console:
        opened(console)
        decide(console, "u")
        console.wait("unsent 0", 30)
        assert leave(console) == 0
    with older.console("review") as console:
        console.wait("goes on under a new", 30)
        decide(console, "s")
        console.wait("unsent 0", 30)
        assert leave(console) == 0
    assert home.run("sync").returncode == older.run("sync").returncode == 0
