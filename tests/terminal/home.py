"""A home, a store and a reviewer of a test's own, and the review screen in them."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from terminal.console import Console, TimedOut, earmark

SAVED = re.compile(r"saved (\d+)")


class Home:
    """A folder `path` in which everything of Earmark lies; what lies beside it nobody should write to."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.path = folder / "earmark"
        self.own, self.temporary, self.cwd = folder / "own", folder / "temporary", folder / "cwd"
        for place in (self.path, self.own, self.temporary, self.cwd):
            place.mkdir(parents=True)
        self.env = {
            "HOME": str(self.own),
            "TMPDIR": str(self.temporary),
            "EARMARK_HOME": str(self.path),
            "EARMARK_CONFIG": str(self.path / "config.toml"),
            "EARMARK_REVIEWER": "ada",
            "EARMARK_SOUND": "none",
            "PYTHONDONTWRITEBYTECODE": "1",
            **settings,
        }

    @property
    def whole_env(self) -> dict[str, str]:
        outer = {name: value for name, value in os.environ.items() if not name.startswith(("EARMARK_", "XDG_"))}
        return {**outer, "LANG": "C.UTF-8", **self.env}

    def run(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """A command of Earmark, to its end."""
        return subprocess.run(
            earmark(*arguments),
            env=self.whole_env,
            cwd=self.cwd,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
            **more,
        )

    def console(self, *arguments: str, argv: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Console:
        """A command of Earmark (or `argv` in its place) in a terminal of 80 by 24."""
        command = ["env", "-C", str(self.cwd), *(argv or earmark(*arguments))]
        return Console(command, {**self.whole_env, **(env or {})})

    def fill(self, texts: Iterable[str], *, name: str = "filled") -> None:
        """A clip for each text, each with a short sound of its own."""
        corpus = self.folder / name
        corpus.mkdir()
        draw = np.random.default_rng(len(list(self.folder.iterdir())))
        rows = []
        for number, text in enumerate(texts):
            soundfile.write(corpus / f"{number}.wav", draw.normal(0, 0.1, 2400), 8000)
            rows.append({"audio_filepath": f"{number}.wav", "pred_text": text, "lang": "en"})
        (corpus / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        loaded = self.run("load", str(corpus / "manifest.jsonl"))
        assert loaded.returncode == 0, loaded.stderr

    def database(self) -> sqlite3.Connection:
        """The store's own file."""
        return sqlite3.connect(self.path / "store" / "store.db")

    def journal(self) -> Path:
        """The folder of the only journal."""
        (folder,) = (self.path / "journals").iterdir()
        return folder

    def lines(self) -> list[dict[str, Any]]:
        """Every line of the journal, as written."""
        segments = sorted(self.journal().glob("*.jsonl"))
        segments = [path for path in segments if path.stem.isdigit()]
        return [json.loads(line) for path in segments for line in path.read_bytes().splitlines()]

    def decisions(self) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["kind"] == "decision"]

    def holding(self, word: str, below: Path | None = None) -> list[Path]:
        """The files that hold a word, as text or as UTF-16, in their content or their name."""
        wanted = (word.encode(), word.encode("utf-16-le"))
        files = [path for path in (below or self.folder).rglob("*") if path.is_file()]
        return [path for path in files if word in path.name or any(spelt in path.read_bytes() for spelt in wanted)]


def saved(console: Console) -> int:
    """The number of saved decisions that the screen shows; 0 where it shows none."""
    found = SAVED.search(console.text())
    return int(found[1]) if found else 0


def opened(console: Console, seconds: float = 20.0) -> None:
    """Wait until the screen is there and takes decisions."""
    console.wait("unsent", seconds)
    console.settle(0.4)


def decide(console: Console, key: str, seconds: float = 15.0) -> int:
    """Press a key until the screen shows one more decision as saved; says how many it shows then."""
    before = saved(console)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        console.press(key)
        try:
            console.wait(lambda text: saved(console) > before or "That was quick" in text, 2.0)
        except TimedOut:
            continue
        if saved(console) > before:
            return saved(console)
        console.settle(0.2)
    raise TimedOut(f"{key} saved nothing within {seconds} s; the screen is\n{console.text()}")


def leave(console: Console) -> int:
    """Quit; the exit code."""
    console.press("q")
    return console.wait_exit(20.0)
