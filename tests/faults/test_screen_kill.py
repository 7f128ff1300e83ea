"""kill -9 of the whole program while somebody reviews at speed: what was shown as saved is there, once."""

from __future__ import annotations

import os
import random
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from earmark.queue.journal.verify import verify
from terminal.console import Console
from terminal.home import Home, leave, opened, saved

LONG = bool(os.environ.get("EARMARK_LONG"))
KILLS = 500 if LONG else 12
SEED = int(os.environ.get("EARMARK_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
KEYS = {"u": "unintelligible", "s": "skipped", "d": "escalated", "c": "critical", "\r": "accepted", "\x7f": "retracted"}


class Hand:
    """Presses decision keys without a pause and notes what the screen showed of them. `shown` is its `saved`."""

    def __init__(self, console: Console, draw: random.Random, word: int) -> None:
        self.console = console
        self.draw = draw
        self.word = word
        self.shown = 0
        self.texts: list[str] = []
        """Texts whose saving was shown."""

    def work(self, until: float) -> None:
        while time.monotonic() < until:
            if self.draw.random() < 0.4:
                self.word += 1
                text = f"word{self.word}"
                self.console.type(f"e {text} \r")
            else:
                text = None
                self.console.type(self.draw.choice(list(KEYS)))
            self.look(min(until, time.monotonic() + 0.45), text)

    def look(self, until: float, text: str | None) -> None:
        """Read for a while, or until one more decision is shown as saved."""
        before = self.shown
        while time.monotonic() < until and self.shown == before:
            self.console.pump(0.02)
            self.shown = max(self.shown, saved(self.console))
        if text is not None:
            if self.shown > before:
                self.texts.append(text)
            else:
                self.console.type("\x07")  # too early: out of the field, or the next key would be text
                self.console.pump(0.05)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path, EARMARK_SYNC_SECONDS="0.3")
    home.fill(f"text {number}" for number in range(KILLS * 10 + 10))
    return home


def drained(console: Console) -> None:
    while console.pump(0.05):
        pass


def test_killed_at_any_moment(home: Home) -> None:
    print(f"seed {SEED}: repeat with EARMARK_SEED={SEED}")
    draw = random.Random(SEED)
    durable, word = 0, 0
    shown_texts: list[str] = []
    for kill in range(KILLS):
        with home.console("review") as console:
            opened(console)
            hand = Hand(console, draw, word)
            hand.work(time.monotonic() + draw.uniform(0.05, 2.5))
            console.kill()
            drained(console)
            hand.shown = max(hand.shown, saved(console))
            word = hand.word
        report = verify(home.journal())
        assert not report.faults, (kill, report.faults)
        ids = [line["id"] for line in home.decisions()]
        assert len(set(ids)) == len(ids), kill
        # At most the one decision that was on its way to the screen is there as well.
        assert durable + hand.shown <= len(ids) <= durable + hand.shown + 1, (kill, durable, hand.shown, len(ids))
        durable = len(ids)
        shown_texts += hand.texts
    assert durable > KILLS, "the hand decided nothing"

    with home.console("review") as console:
        opened(console)
        assert saved(console) == 0
        assert leave(console) == 0
    assert home.run("sync").returncode == 0
    assert home.run("journal", "verify").returncode == 0
    decisions = home.decisions()
    with home.database() as database:
        arrived = Counter(row[0] for row in database.execute("SELECT id FROM line WHERE verdict IS NOT NULL"))
    database.close()
    assert arrived == Counter(line["id"] for line in decisions)
    said = home.run("status", "--json").stdout
    assert '"unsynced": 0' in said, said
    stands: dict[str, bool] = {}
    for line in decisions:
        taken_back = line["verdict"] == "retracted"
        assert stands.get(line["clip"], False) == taken_back, "a clip that was decided came up again"
        stands[line["clip"]] = not taken_back
    texts = Counter(re.findall(r"word\d+", " ".join(str(line["payload"]) for line in decisions if line["payload"])))
    critical = {line["clip"] for line in decisions if line["verdict"] == "critical"}
    erased = sum(line["payload"] is None for line in decisions if line["clip"] in critical)
    lost = [text for text in shown_texts if text not in texts]
    assert len(lost) <= erased, lost
    print(f"{KILLS} kills, {durable} decisions, {len(shown_texts)} texts shown as saved")
