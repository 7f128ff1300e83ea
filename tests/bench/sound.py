"""Accept to the first sample of the next clip, and key to silence, against a bare `paplay`.

Everything plays into a PulseAudio null sink in real time. Two figures of each:

- at the seam: from the key to the moment at which the process that plays says so, or has been sent SIGKILL;
- by the monitor: from the key to the first, or after the last, sample in a recording of the sink, which renders sound
  in blocks of a few milliseconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from measure import both, load_speech, runs, show, workplace

from soundlab import Pulse, Recording
from terminal.console import Console

RATE = 16000
CLIP_SECONDS = 5.0
BLOCK_MS = 2
NOTING = str(Path(__file__).with_name("noting.py"))


def make_clips(folder: Path, count: int, spread: int = 4000) -> Path:
    """A manifest of clips of noise; every sample of one is above 0, of the next below 0: no clip begins with silence,
    and a recording shows to the sample which of two it is. `spread` is how loud the noise is upon that.
    """
    chance = np.random.default_rng(1)
    lines = []
    for number in range(count):
        level = chance.integers(2000, 2000 + spread, round(CLIP_SECONDS * RATE))
        with wave.open(str(folder / f"{number:04d}.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes((level if number % 2 else -level).astype("<i2").tobytes())
        line = {"audio_filepath": f"{number:04d}.wav", "duration": CLIP_SECONDS, "pred_text": f"clip {number}"}
        lines.append(json.dumps(line))
    manifest = folder / "noise.jsonl"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


@contextmanager
def fine_blocks(pulse: Pulse) -> Iterator[None]:
    """Have the sink render blocks of `BLOCK_MS`: the shortest latency that anybody asks of it counts."""
    shape = ["--raw", f"--rate={RATE}", "--channels=1", f"--latency-msec={BLOCK_MS}"]
    with subprocess.Popen(
        ["parec", "-d", "spk.monitor", *shape],
        env={**os.environ, **pulse.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as listener:
        try:
            yield
        finally:
            listener.kill()


def onset(recording: Recording, at: float) -> float:
    """Milliseconds from moment `at` to the first sample of another clip than the one that sounds there, if any does."""
    heard = np.sign(recording.between(at, at + 0.9))
    before = heard[0]
    (others,) = np.nonzero((heard != 0) & (heard != before))
    return float(others[0]) / recording.rate * 1000


def silence(recording: Recording, at: float) -> float:
    """Milliseconds from moment `at` to the end of what sounds there; a little below 0 where a block ended before."""
    (sounding,) = np.nonzero(recording.between(at - 0.1, at + 0.4))
    return float(sounding[-1] + 1) / recording.rate * 1000 - 100


class Notes:
    """What `noting.py` writes."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def after(self, at: float, word: str) -> float:
        """Milliseconds from moment `at` to the next note of this word."""
        moments = [line.split() for line in self._file.read_text().splitlines()]
        return (min(float(when) for what, when in moments if what == word and float(when) > at) - at) * 1000


def pass_time(console: Console, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        console.pump(left)


def press(console: Console, key: str, then: float) -> float:
    """Press a key and let time pass; the moment of the key."""
    at = time.monotonic()
    console.type(key)
    pass_time(console, then)
    return at


def bare(console: Console, file: Path, env: dict[str, str]) -> tuple[float, float]:
    """Play a file with `paplay` for a while; the moments at which it was started and killed."""
    began = time.monotonic()
    with subprocess.Popen(["paplay", str(file)], env={**os.environ, **env}) as player:
        pass_time(console, 1.0)
        ended = time.monotonic()
        player.kill()
    pass_time(console, 0.5)
    return began, ended


def main() -> None:
    count = runs(__doc__ or "", 40)
    seam: dict[str, list[float]] = {"sounds": [], "silent": []}
    heard: dict[str, list[float]] = {name: [] for name in ("sounds", "silent", "bare sounds", "bare silent")}
    with workplace() as (folder, env):
        manifest = make_clips(folder, count + 3)
        load_speech(folder / "home", env, manifest)
        notes = Notes(folder / "notes")
        pulse = Pulse(folder)
        pulse.start()
        env |= {**pulse.environment, "EARMARK_MUST_HEAR": "0", "EARMARK_IDLE_BLANK": "0"}
        program = [sys.executable, NOTING, str(folder / "notes"), "--home", str(folder / "home"), "review"]
        try:
            with fine_blocks(pulse), pulse.recording() as recording, Console(program, env) as console:
                console.wait("playing")
                pass_time(console, 1.5)
                for _ in range(count):
                    accepted = press(console, "\r", then=1.0)
                    seam["sounds"].append(notes.after(accepted, "sounds"))
                    heard["sounds"].append(onset(recording, accepted))
                    paused = press(console, " ", then=0.5)
                    seam["silent"].append(notes.after(paused, "silent"))
                    heard["silent"].append(silence(recording, paused))
                    began, ended = bare(console, folder / "0000.wav", env)
                    heard["bare sounds"].append(onset(recording, began))
                    heard["bare silent"].append(silence(recording, ended))
                    press(console, " ", then=0.8)
        finally:
            pulse.stop()
    rows = []
    for what, word, most in (
        ("accept to the next clip's first sample", "sounds", 25),
        ("key to silence", "silent", 15),
    ):
        rows += both(f"{what}, at the seam", seam[word], unit="ms", most=most)
        rows += both(f"{what}, by the monitor", heard[word], heard[f"bare {word}"], unit="ms", most=most)
    show(rows)


if __name__ == "__main__":
    main()
