"""kill -9 at random moments: whatever was said to be saved is there, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from counted import SEED, Counted, sampled
from earmark.queue.journal import Journal
from earmark.queue.journal.verify import verify

ROUNDS = sampled(25, 200)


def test_what_was_saved_survives_kill_9(tmp_path: Path, writer: Callable[..., list[str]], counted: Counted) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    folder = tmp_path / "journal"
    saved: set[int] = set()
    erased: set[int] = set()
    started: set[int] = set()
    first = 1
    cut_short = 0
    for _ in range(ROUNDS):
        child = subprocess.Popen(writer(folder, first, 100_000, "erase"), stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        time.sleep(chance.uniform(0, 0.08))
        os.kill(child.pid, signal.SIGKILL)
        said = child.stdout.read().decode().split("\n")[:-1]
        child.wait()
        child.stdout.close()
        now = {int(words.split()[1]) for words in said if words.startswith("saved ")}
        gone = {int(words.split()[1]) for words in said if words.startswith("erased ")}
        saved |= now
        erased |= gone
        with Journal.open(folder, "anna", app="test", segment_bytes=30_000) as journal:
            cut_short += journal.recovered != ""
            entries = list(journal.entries())
        assert verify(folder).faults == ()
        clips = [int(entry.clip[1:]) for entry in entries if entry.kind == "decision"]
        assert len(clips) == len(set(clips)), "a decision is there twice"
        assert saved <= set(clips), f"lost: {sorted(saved - set(clips))}"
        assert clips == sorted(clips)
        # One line may be there whose saving had not been said yet.
        assert len(set(clips) - saved - started) <= 1
        started |= set(clips)
        texts = {int(entry.clip[1:]): entry.text for entry in entries if entry.kind == "decision"}
        asked = {int(entry.clip[1:]) for entry in entries if entry.kind == "erasure"}
        assert erased <= asked
        for n, text in texts.items():
            assert (text is None) is (n in asked), (
                f"line of clip {n}: erased {n in asked}, text there {text is not None}"
            )
            assert text is None or text.startswith(f"text {n} ")
        first = max(clips, default=0) + 1
    print(f"{len(saved)} saved, {len(erased)} erased, {cut_short} openings mended something")
    assert len(saved) > ROUNDS
    counted("kills of a program that writes and erases as fast as it can", ROUNDS, len(saved))
