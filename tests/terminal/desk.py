"""A reviewer's desk: a home folder with clips in its store, and the program's commands and screen working on it."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import unicodedata
from pathlib import Path
from typing import Any, NamedTuple

from earmark.queue.store.interface import Result
from earmark.queue.store.open import open_store
from terminal.console import SHARED, Console, TimedOut, earmark

REVIEWER = "ann"
SPEECH = SHARED / "speech" / "manifest.jsonl"
CLIPS = 67
"""Clips in `SPEECH`."""

QUICK = "That was quick"
NOISE = re.compile(r"[\s‹›]")


class Loaded(NamedTuple):
    """A clip of the store: `text` is the machine's, `duration` in seconds."""

    id: str
    text: str
    duration: float


class Desk:
    """What one reviewer has on a machine. `folder` is the user's home; no settings of the machine's count."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.store = self.home / "store"
        self.settings = {
            "EARMARK_HOME": str(self.home),
            "EARMARK_REVIEWER": REVIEWER,
            "EARMARK_IDLE_BLANK": "0",
            **settings,
        }

    def environment(self) -> dict[str, str]:
        """The whole environment for the program: the machine's without settings of Earmark's, and this desk's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("EARMARK_", "XDG_CONFIG"))}
        return {**kept, "LANG": "C.UTF-8", "TZ": "UTC", "HOME": str(self.folder), **self.settings}

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and check its exit code."""
        done = subprocess.run(
            earmark(*arguments), env=self.environment(), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == code, f"earmark {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}"
        return done

    def load(self, manifest: Path = SPEECH) -> None:
        """Put a manifest's clips into the store."""
        self.run("load", str(manifest))

    def review(self, *arguments: str, columns: int = 80, rows: int = 24, reviewer: str = REVIEWER) -> Console:
        """Open the review screen; without sound unless the arguments say otherwise."""
        return self.open(
            "--reviewer", reviewer, "review", *(arguments or ("--sound", "none")), columns=columns, rows=rows
        )

    def open(self, *arguments: str, columns: int = 80, rows: int = 24) -> Console:
        """Run a command in a terminal."""
        return Console(earmark(*arguments), self.environment(), columns=columns, rows=rows)

    # -- what is on disk ---------------------------------------------------------------------------------------------

    def clips(self) -> list[Loaded]:
        """The store's clips in the order in which they are handed out, read past the program."""
        rows = self.sql("SELECT id, json_extract(hypothesis, '$.text'), duration FROM clip ORDER BY arrival")
        return [Loaded(*row) for row in rows]

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the store's database itself."""
        connection = sqlite3.connect(f"file:{self.store / 'store.db'}?mode=ro", uri=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def journal(self, reviewer: str = REVIEWER) -> list[dict[str, Any]]:
        """The journal's lines, as `earmark journal show --json` prints them; the chain is verified first."""
        self.run("--reviewer", reviewer, "journal", "verify")
        shown = self.run("--reviewer", reviewer, "journal", "show", "--json").stdout
        return [json.loads(line) for line in shown.splitlines()]

    def results(self, **asked: Any) -> list[Result]:
        """What `Store.results` gives."""
        store = open_store(f"sqlite:///{self.store}")
        try:
            return list(store.results(**asked))
        finally:
            store.close()

    def files_with(self, text: str) -> list[str]:
        """The files under the home folder that hold a text."""
        wanted = text.encode()
        return [str(file) for file in self.home.rglob("*") if file.is_file() and wanted in file.read_bytes()]


# -- reading the screen and deciding ---------------------------------------------------------------------------------


def squeezed(text: str) -> str:
    """The text without spaces, line breaks and marks of doubt, composed: what can be compared with a wrapped screen."""
    return NOISE.sub("", unicodedata.normalize("NFC", text))


def shows(console: Console, clip: Loaded) -> bool:
    """Whether the clip's machine text is on the screen."""
    return squeezed(clip.text or "(the machine heard no words)") in squeezed(console.text())


def wait_for(console: Console, clip: Loaded, seconds: float = 15.0) -> None:
    """Wait until the clip's machine text is on the screen."""
    console.wait(lambda _: shows(console, clip), seconds)


def number(console: Console, name: str) -> int:
    """A count of the status line: `saved`, `unsent`, `decided` or `to go`; -1 while it is not there."""
    pattern = rf"{name} (\d+)" if name in ("saved", "unsent") else rf"(\d+) {name}"
    found = re.search(pattern, console.lines()[0])
    return int(found[1]) if found else -1


def decide(console: Console, *keys: str) -> None:
    """Press a deciding key (after others, if given) and wait until one more line counts as saved.

    A decision that is too quick for the program (a clip that has only just opened) is pressed again, as a person would.
    """
    before = number(console, "saved")
    assert before >= 0, console.text()
    *first, key = keys
    if first:
        console.press(*first)
    console.settle(0.32, 0.5)
    for _ in range(20):
        console.press(key)
        console.wait(lambda text: number(console, "saved") > before or QUICK in text)
        if number(console, "saved") > before:
            assert number(console, "saved") == before + 1, console.text()
            return
        # The next hint must be told from this one: a key without action clears it.
        console.settle(0.35, 0.35)
        console.press("up")
        console.wait(lambda text: QUICK not in text or number(console, "saved") > before)
    raise TimedOut(f"{key} decides nothing; the screen is\n{console.text()}")


def ready(console: Console, clip: Loaded) -> None:
    """Wait until the clip is on the screen and has its sound."""
    wait_for(console, clip)
    console.wait(lambda text: "opening" not in text and "fetching" not in text)


def leave(console: Console, key: str = "q", code: int = 0) -> str:
    """Leave with a key; what the program said last."""
    console.press(key)
    assert console.wait_exit(20) == code, console.text()
    return console.text()
