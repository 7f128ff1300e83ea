"""One store, several programs at once, some of them killed."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from earmark.queue.store.open import open_store

HERE = Path(__file__).parent
LONG = bool(os.environ.get("EARMARK_LONG"))


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HERE / script), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def together(*processes: subprocess.Popen[str]) -> None:
    """Let reviewers begin, once all of them are ready."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def finish(process: subprocess.Popen[str]) -> list[list[str]]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return [line.split() for line in out.splitlines()]


def killed_while_holding(url: str, name: str, lease_seconds: float) -> list[list[str]]:
    """A reviewer leases four clips and is killed; returns clips and expiries."""
    process = start("reviewer.py", url, name, lease_seconds, 4, "hold")
    together(process)
    assert process.stdout is not None
    held = [process.stdout.readline().split()[1:] for _ in range(4)]
    process.kill()
    process.communicate()
    return held


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/store"


def test_eight_reviewers_never_hold_the_same_clip_and_decide_all(url):
    """Leases of 15 minutes end in this test by a decision only: a second lease of a clip would be a second holder."""
    clips = 2000 if LONG else 240
    finish(start("loader.py", url, clips))
    reviewers = [start("reviewer.py", url, f"r{number}", 900, 5) for number in range(8)]
    together(*reviewers)
    leased: Counter[str] = Counter()
    decided: Counter[str] = Counter()
    for process in reviewers:
        for what, clip, *_ in finish(process):
            (leased if what == "leased" else decided)[clip] += 1
    assert set(leased.values()) == set(decided.values()) == {1}
    assert len(leased) == len(decided) == clips
    with contextlib.closing(open_store(url)) as store:
        results = list(store.results())
        assert Counter(result.clip for result in results) == decided
        assert all(result.text == f"by {result.reviewer}" for result in results)
        assert store.counts("r0").decided == clips


def test_eight_programs_that_make_the_same_store_at_once(url):
    loaders = [start("loader.py", url, 50) for _ in range(8)]
    outcomes = Counter(line[0] for process in loaders for line in finish(process))
    assert outcomes == {"added": 50, "known": 350}
    with contextlib.closing(open_store(url)) as store:
        leased = store.lease("anna", 50)
        assert len(leased) == 50
        assert all(store.audio("anna", one.clip.id).startswith(b"fLaC") for one in leased)


def test_a_killed_reviewers_clips_come_back(url):
    finish(start("loader.py", url, 6))
    held = {clip: float(expires) for clip, expires in killed_while_holding(url, "killed", 3)}
    until = max(held.values())
    with contextlib.closing(open_store(url)) as store:
        early = {one.clip.id for one in store.lease("other", 6)}
        if time.time() < until:  # on a stalled machine they may have expired already: then this tells nothing
            assert not early & held.keys()
        time.sleep(max(0.0, until - time.time()) + 0.1)
        assert {one.clip.id for one in store.lease("other", 6)} == early | held.keys()
        assert len(early | held.keys()) == 6


def test_a_killed_reviewer_who_comes_back_gets_their_own(url):
    finish(start("loader.py", url, 6))
    held = [clip for clip, _ in killed_while_holding(url, "anna", 900)]
    with contextlib.closing(open_store(url)) as store:
        assert [one.clip.id for one in store.lease("anna", 4)] == held


def test_a_loader_killed_at_any_moment_leaves_a_sound_store(url, tmp_path):
    """What was told as added is there; loading again brings the rest; every clip can then be heard."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    clips, rounds = 1500, 40 if LONG else 8
    told = 0
    for _ in range(rounds):
        process = start("loader.py", url, clips)
        time.sleep(chance.uniform(0.1, 1.2))
        process.kill()
        out, _ = process.communicate()
        lines = out.count("\n")
        told = max(told, lines)
        with contextlib.closing(sqlite3.connect(tmp_path / "store" / "store.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        with contextlib.closing(open_store(url)) as store:
            assert store.counts("anna").clips >= told
    outcomes = [line[0] for line in finish(start("loader.py", url, clips))]
    assert outcomes[:told] == ["known"] * told
    assert set(outcomes) <= {"known", "added"}
    with contextlib.closing(open_store(url)) as store:
        leased = store.lease("anna", clips)
        assert len(leased) == clips
        for number, one in enumerate(leased):
            assert one.clip.hypothesis.text == f"text {number}"
            assert store.audio("anna", one.clip.id) == b"fLaC sound of %d" % number * 50
