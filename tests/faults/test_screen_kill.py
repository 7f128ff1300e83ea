"""kill -9 of the whole program while somebody reviews at speed: what was shown as saved is there, once."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from counted import SEED, Counted, sampled
from earmark.queue.journal.verify import verify
from system.team.conftest import Team, ada, team
from terminal.console import Console
from terminal.home import Home, leave, opened, saved

__all__ = ["ada", "team"]  # fixtures

HERE, OVER_A_GATE = sampled(8, 500), sampled(2, 50)
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


class Place(NamedTuple):
    """Where somebody reviews until they have been killed so often, and what says which decisions the store has."""

    home: Home
    kills: int
    arrived: Callable[[], list[str]]


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """With a store of one's own."""
    home = Home(tmp_path, EARMARK_SYNC_SECONDS="0.3")
    home.fill(texts(HERE))

    def arrived() -> list[str]:
        with home.database() as database:
            rows = database.execute("SELECT id FROM line WHERE verdict IS NOT NULL").fetchall()
        database.close()
        return [row[0] for row in rows]

    return Place(home, HERE, arrived)


@pytest.fixture
def over_a_gate(team: Team, ada: Home) -> Place:
    """With a team's store in PostgreSQL, over a gate behind sshd."""
    team.host.fill(texts(OVER_A_GATE), name="more")
    ada.env["EARMARK_SYNC_SECONDS"] = "0.3"

    def arrived() -> list[str]:
        return [row[0] for row in team.sql("SELECT id::text FROM earmark.line WHERE verdict IS NOT NULL")]

    return Place(ada, OVER_A_GATE, arrived)


def texts(kills: int) -> list[str]:
    return [f"text {number}" for number in range(kills * 10 + 10)]


def drained(console: Console) -> None:
    while console.pump(0.05):
        pass


@pytest.mark.parametrize("where", ["here", "over_a_gate"])
def test_killed_at_any_moment(where: str, request: Any, counted: Counted) -> None:
    print(f"seed {SEED}: repeat with EARMARK_SEED={SEED}")
    home, kills, arrived = request.getfixturevalue(where)
    draw = random.Random(SEED)
    durable, word = 0, 0
    shown_texts: list[str] = []
    for kill in range(kills):
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
    assert durable > kills // 2, "the hand decided nothing"

    with home.console("review") as console:
        opened(console)
        assert saved(console) == 0
        assert leave(console) == 0
    assert home.run("sync").returncode == 0
    assert home.run("journal", "verify").returncode == 0
    decisions = home.decisions()
    assert Counter(arrived()) == Counter(line["id"] for line in decisions)
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
    counted(f"kills of the reviewing program, {where.replace('_', ' ')}", kills, durable)
