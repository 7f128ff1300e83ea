"""Key to paint, and bytes to the terminal, at 80×24: against the plainest Textual program for the same key."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from measure import Row, both, load_speech, runs, show, workplace

from soundlab import Pulse
from terminal.console import Console, earmark

PLAIN = str(Path(__file__).with_name("plain.py"))
LETTERS = "the quick brown fox jumps over the lazy dog "
PLAYING_SECONDS = 10.0
IDLE_SECONDS = 10.0


class Pressed:
    """What a program did after each of a row of keys: milliseconds until its answer had come, and bytes in all."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.ms: list[float] = []
        self.bytes: list[float] = []

    def press(self, key: str, shown: str | Callable[[str], bool]) -> None:
        """Press a key, wait until the screen shows what it does, and then until nothing more comes."""
        before = len(self.console.raw)
        at = time.monotonic()
        self.console.type(key)
        self.console.wait(shown)
        self.ms.append((self.console.arrivals[-1][0] - at) * 1000)
        self.console.settle(0.12)
        self.bytes.append(len(self.console.raw) - before)


def changed(console: Console) -> Callable[[str], bool]:
    """Says of a later screen whether it has another text than now, or the caret elsewhere, as after a space."""
    before, caret = console.text(), console.screen.cursor.x
    return lambda text: text != before or console.screen.cursor.x != caret


def rate(console: Console, seconds: float) -> float:
    """Bytes a second that come by themselves."""
    before = len(console.raw)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        console.pump(left)
    return (len(console.raw) - before) / seconds


def letters(screen: Console, plain: Console, count: int) -> list[Row]:
    """Letters typed at the end of the text, one here, one there."""
    ours, theirs = Pressed(screen), Pressed(plain)
    for number in range(count):
        for side in (ours, theirs):
            side.press(LETTERS[number % len(LETTERS)], changed(side.console))
    return rows("a letter in edit", ours, theirs, most_bytes=600)


def labels(screen: Console, plain: Console, count: int) -> list[Row]:
    """The speed goes up and down while nothing plays: a label on the clock line."""
    ours, theirs = Pressed(screen), Pressed(plain)
    for number in range(count):
        if number % 2:
            ours.press(",", " 1× ")
        else:
            ours.press(".", " 1.25× ")
        theirs.press("x", f"READY {number + 1}")
    return rows("a label", ours, theirs, most_bytes=120)


def rows(what: str, ours: Pressed, theirs: Pressed, most_bytes: float) -> list[Row]:
    return [
        *both(f"{what}, key to paint", ours.ms, theirs.ms, unit="ms", most=12),
        *both(f"{what}, written", ours.bytes, theirs.bytes, unit="B", most=most_bytes),
    ]


def main() -> None:
    count = runs(__doc__ or "", 60)
    with workplace() as (folder, env):
        home = folder / "home"
        load_speech(home, env)
        pulse = Pulse(folder)
        pulse.start()
        env |= {**pulse.environment, "EARMARK_IDLE_BLANK": "0"}

        def plain(kind: str) -> Console:
            console = Console([sys.executable, PLAIN, kind], env)
            console.wait("%" if kind == "progress" else "READY")
            console.settle(0.5)
            return console

        try:
            with (
                Console(earmark("--home", str(home), "review"), env) as screen,
                plain("text") as text,
                plain("label") as label,
                plain("progress") as progress,
            ):
                screen.wait("MACHINE HEARD")
                screen.press("l")
                screen.wait("playing")
                screen.settle(0.05, 1.0)
                playing = rate(screen, PLAYING_SECONDS), rate(progress, PLAYING_SECONDS)
                progress.close()
                screen.press(" ")
                screen.wait("paused")
                screen.settle(0.5)
                idle = rate(screen, IDLE_SECONDS), rate(text, IDLE_SECONDS)
                table = labels(screen, label, count)
                screen.press("e")
                screen.wait("EDITING")
                screen.settle(0.5)
                text.press("end")
                text.settle(0.5)
                table += letters(screen, text, count)
        finally:
            pulse.stop()
    show(
        [
            *table,
            Row("playing", playing[0], "B/s", playing[1], playing[0] / playing[1], most=800),
            Row("idle", idle[0], "B/s", idle[1], idle[0] / idle[1] if idle[1] else None, most=0),
        ]
    )


if __name__ == "__main__":
    main()
