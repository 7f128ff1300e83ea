"""Accept to the first sample of the next clip, and key to silence, through the page of `earmark speaker --web`.

The page is in a real Chromium without a window, which plays into a PulseAudio null sink in real time. From the key to
the first, or after the last, sample in a recording of the sink. The baseline is a bare `paplay`, started and killed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from measure import both, load_speech, runs, show, workplace
from sound import bare, fine_blocks, make_clips, pass_time, press

from browser import Browser, Tab
from soundlab import Pulse, Recording
from terminal.console import Console, earmark

LOUD = 1000
"""Of 32768: what the filters on the way leave around an edge is less, what `make_clips` makes is more."""


@contextmanager
def page(folder: Path, env: Mapping[str, str]) -> Iterator[Tab]:
    """The page, clicked, and waiting for a sitting."""
    whole = {**os.environ, **env}
    with (
        subprocess.Popen(
            earmark("speaker", "--web"), env=whole, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as served,
        Browser(folder / "profile", env) as browser,
    ):
        assert served.stderr
        address = next(found[0] for line in served.stderr if (found := re.search(r"http://\S+", line)))
        tab = browser.open(address)
        tab.click("#go")
        tab.wait("document.body.dataset.state === 'waiting'")
        try:
            yield tab
        finally:
            served.terminate()


def onset(recording: Recording, at: float) -> float:
    """Milliseconds from moment `at` to the first sample of another clip than the one that sounds there, if any does."""
    heard = recording.between(at, at + 0.9).astype(int)
    heard = np.sign(np.where(np.abs(heard) > LOUD, heard, 0))
    (others,) = np.nonzero((heard != 0) & (heard != heard[0]))
    return float(others[0]) / recording.rate * 1000


def silence(recording: Recording, at: float) -> float:
    """Milliseconds from moment `at` to the end of what sounds there; a little below 0 where a block ended before."""
    (sounding,) = np.nonzero(np.abs(recording.between(at - 0.1, at + 0.4).astype(int)) > LOUD)
    return float(sounding[-1] + 1) / recording.rate * 1000 - 100


def main() -> None:
    count = runs(__doc__ or "", 40)
    heard: dict[str, list[float]] = {name: [] for name in ("sounds", "silent", "bare sounds", "bare silent")}
    with workplace() as (folder, env):
        manifest = make_clips(folder, count + 3)
        load_speech(folder / "home", env, manifest)
        pulse = Pulse(folder)
        pulse.start()
        env |= {**pulse.environment, "EARMARK_MUST_HEAR": "0", "EARMARK_IDLE_BLANK": "0"}
        program = [sys.executable, "-m", "earmark.tui", "--home", str(folder / "home"), "review", "--sound", "speaker"]
        try:
            with (
                fine_blocks(pulse),
                pulse.recording() as recording,
                page(folder, env) as tab,
                Console(program, env) as console,
            ):
                console.wait("speaker web", 20)
                tab.wait("document.body.dataset.state === 'playing'")
                pass_time(console, 1.5)
                for _ in range(count):
                    accepted = press(console, "\r", then=1.0)
                    heard["sounds"].append(onset(recording, accepted))
                    paused = press(console, " ", then=0.5)
                    heard["silent"].append(silence(recording, paused))
                    began, ended = bare(console, folder / "0000.wav", env)
                    heard["bare sounds"].append(onset(recording, began))
                    heard["bare silent"].append(silence(recording, ended))
                    press(console, " ", then=0.8)
                says = tab.evaluate("`${audio.baseLatency} ${audio.outputLatency}`")
        finally:
            pulse.stop()
    rows = []
    for what, word, most in (
        ("page: accept to the next clip's first sample", "sounds", 40),
        ("page: key to silence", "silent", 30),
    ):
        rows += both(what, heard[word], heard[f"bare {word}"], unit="ms", most=most)
    show(rows)
    print(f"\nThe browser says of its own latency, in seconds (base, output): {says}")


if __name__ == "__main__":
    main()
