"""From fork to the first clip painted with its waveform, against a minimal Textual program that paints one word."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from measure import both, load_speech, runs, show, workplace

from soundlab import no_device
from terminal.console import Console, earmark

MINIMAL = [sys.executable, str(Path(__file__).with_name("plain.py")), "minimal"]


def clip_is_painted(text: str) -> bool:
    return "MACHINE HEARD" in text and "█" in text


def start(argv: list[str], env: dict[str, str], painted: Callable[[str], bool]) -> float:
    """Milliseconds from fork to the arrival of what completes the picture."""
    with Console(argv, env) as console:
        console.wait(painted)
        return (console.arrivals[-1][0] - console.started) * 1000


def main() -> None:
    count = runs(__doc__ or "", 21)
    with workplace() as (folder, env):
        home = folder / "home"
        load_speech(home, env)
        env |= no_device(folder)
        screen = earmark("--home", str(home), "review")
        ours, theirs = [], []
        for run in range(count + 1):
            pair = start(screen, env, clip_is_painted), start(MINIMAL, env, lambda text: "READY" in text)
            if run:  # the first run of each writes the bytecode
                ours.append(pair[0])
                theirs.append(pair[1])
    show(both("start to the first painted clip", ours, theirs, unit="ms", most_ratio=1.35))


if __name__ == "__main__":
    main()
