"""Eight reviewers on one machine, each in a terminal of their own, on one store."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from terminal.console import Console
from terminal.desk import CLIPS, Desk, decide, leave, squeezed

EMPTY = "NOTHING IS LEFT HERE"
NO_WORDS = squeezed("(the machine heard no words)")
REVIEWERS = [f"r{number}" for number in range(1, 9)]


class Room:
    """Who has which text on the screen now, and how many clips are decided."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = sorted({squeezed(text) for text in texts if text}, key=len, reverse=True)
        self.lock = threading.Lock()
        self.here: dict[str, str] = {}
        self.decided = 0
        self.clashes: list[tuple[str, str]] = []

    def look(self, reviewer: str, console: Console) -> None:
        """Note what the reviewer sees; somebody else who sees it too makes a clash."""
        screen = squeezed(console.text())
        text = next((text for text in self.texts if text in screen), NO_WORDS)
        with self.lock:
            if text != NO_WORDS:
                self.clashes += [(reviewer, other) for other, seen in self.here.items() if seen == text]
            self.here[reviewer] = text

    def look_away(self, reviewer: str) -> None:
        with self.lock:
            self.here.pop(reviewer, None)


def sit(desk: Desk, reviewer: str, room: Room) -> None:
    """Decide clips until all are decided by somebody."""
    with desk.review("--sound", "none", reviewer=reviewer) as console:
        console.wait(lambda text: "MACHINE HEARD" in text or EMPTY in text, 60)
        while room.decided < CLIPS:
            console.wait(lambda text: "opening" not in text and "fetching" not in text, 30)
            console.settle(0.1)
            if EMPTY in console.text():
                continue
            room.look(reviewer, console)
            console.settle(0.3, 0.5)
            room.look_away(reviewer)
            decide(console, "enter")
            with room.lock:
                room.decided += 1
        leave(console)


def test_eight_reviewers_never_see_the_same_clip_and_decide_each_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path, EARMARK_BATCH="3", EARMARK_SYNC_SECONDS="1")
    desk.load()
    clips = desk.clips()
    texts = [clip.text for clip in clips if clip.text]
    assert len({squeezed(text) for text in texts}) == len(texts), "texts that cannot be told apart"
    room = Room(texts)
    with ThreadPoolExecutor(len(REVIEWERS)) as pool:
        for done in [pool.submit(sit, desk, reviewer, room) for reviewer in REVIEWERS]:
            done.result(150)
    assert room.clashes == []
    decided = Counter(line["clip"] for reviewer in REVIEWERS for line in desk.journal(reviewer))
    assert decided == Counter(clip.id for clip in clips)
    results = desk.results()
    assert Counter(result.clip for result in results) == decided
    assert len({result.reviewer for result in results}) > 4, "it was not much of a crowd"
    assert desk.sql("SELECT count(*) FROM clip WHERE owner IS NOT NULL") == [(0,)]
