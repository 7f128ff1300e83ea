"""A real pseudo-terminal with a program in it, and a screen that understands what the program writes."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("EARMARK_SHARED", ROOT.parent / "shared"))

# Sequences that pyte does not know and would print: private keyboard and mode requests.
UNKNOWN = re.compile(r"\x1b\[[<>=?][0-9;]*\$?[a-zA-Z]")
ALTERNATE = re.compile(r"\x1b\[\?1049[hl]")
"""To the alternate screen and back: pyte has one screen only, so it begins empty at each."""
UNFINISHED = re.compile(r"\x1b(\[[<>=?]?[0-9;]*\$?)?\Z")

KEYS = {
    "enter": "\r",
    "space": " ",
    "escape": "\x1b",
    "backspace": "\x7f",
    "tab": "\t",
    "left": "\x1b[D",
    "right": "\x1b[C",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "f2": "\x1bOQ",
    "f3": "\x1bOR",
    "f4": "\x1bOS",
    "f5": "\x1b[15~",
    "f8": "\x1b[19~",
    "f9": "\x1b[20~",
    "ctrl+c": "\x03",
    "ctrl+g": "\x07",
    "ctrl+o": "\x0f",
    "ctrl+t": "\x14",
    "ctrl+y": "\x19",
    "ctrl+z": "\x1a",
}


class TimedOut(AssertionError):
    """What was waited for did not come; the message shows the screen."""


class Console:
    """A program in a pseudo-terminal of `columns` by `rows`.

    `raw` is every byte it wrote; `arrivals` tells when each piece came (monotonic seconds) and its length.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, *, columns: int = 80, rows: int = 24
    ) -> None:
        self.columns, self.rows = columns, rows
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self.screen)
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.raw = bytearray()
        self.arrivals: list[tuple[float, int]] = []
        self._fd, child = pty.openpty()
        self.resize(columns, rows)
        base = {k: v for k, v in os.environ.items() if not k.startswith("EARMARK_")}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            argv,
            stdin=child,
            stdout=child,
            stderr=child,
            env={**base, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", **(env or {})},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(child)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if (columns, rows) != (self.columns, self.rows):
            self.screen.resize(rows, columns)
            self.columns, self.rows = columns, rows

    # -- what the program writes -------------------------------------------------------------------------------------

    def pump(self, seconds: float = 0.0) -> bool:
        """Read what there is, waiting at most `seconds` for it; False when nothing came."""
        ready, _, _ = select.select([self._fd], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:
            return False
        if not data:
            return False
        self.raw += data
        self.arrivals.append((time.monotonic(), len(data)))
        self._feed(self._decoder.decode(data))
        return True

    def _feed(self, text: str) -> None:
        text = self._rest + text
        cut = UNFINISHED.search(text)
        text, self._rest = (text[: cut.start()], cut.group()) if cut else (text, "")
        first, *screens = ALTERNATE.split(text)
        self._stream.feed(UNKNOWN.sub("", first))
        for part in screens:
            self.screen.reset()
            self._stream.feed(UNKNOWN.sub("", part))

    def settle(self, quiet: float = 0.15, most: float = 5.0) -> None:
        """Read until nothing has come for `quiet` seconds."""
        end = time.monotonic() + most
        while time.monotonic() < end and self.pump(quiet):
            pass

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def text(self) -> str:
        return "\n".join(self.lines())

    def wait(self, what: str | Callable[[str], bool], seconds: float = 10.0) -> str:
        """Read until the screen's text holds `what` (or `what` says so of it); gives the text. Raises TimedOut."""
        holds = (lambda text: what in text) if isinstance(what, str) else what
        end = time.monotonic() + seconds
        while True:
            text = self.text()
            if holds(text):
                return text
            left = end - time.monotonic()
            if left <= 0:
                raise TimedOut(f"waited {seconds} s for {what!r}; the screen is\n{text}")
            self.pump(min(left, 0.05))

    # -- keys --------------------------------------------------------------------------------------------------------

    def type(self, text: str) -> None:
        """Send characters as they are, all at once."""
        self.type_bytes(text.encode())

    def type_bytes(self, sent: bytes) -> None:
        """Send what may be no text at all."""
        os.write(self._fd, sent)

    def press(self, *keys: str, pause: float = 0.03) -> None:
        """Press keys by name, or single characters."""
        for key in keys:
            self.type(KEYS.get(key, key))
            end = time.monotonic() + pause
            while time.monotonic() < end:
                self.pump(max(0.0, end - time.monotonic()))

    def paste(self, text: str) -> None:
        """A bracketed paste."""
        self.type(f"\x1b[200~{text}\x1b[201~")

    # -- the end -----------------------------------------------------------------------------------------------------

    def wait_exit(self, seconds: float = 10.0) -> int:
        """Read until the program has ended; its exit code (negative for a signal)."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise TimedOut(f"the program did not end within {seconds} s; the screen is\n{self.text()}")
            self.pump(0.02)
        while self.pump(0.05):
            pass
        return self.process.returncode

    def kill(self) -> None:
        """kill -9, the whole session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def hang_up(self) -> None:
        """Close the terminal under the program, as a lost connection does: the kernel sends it SIGHUP."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self.hang_up()

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def earmark(*arguments: str) -> list[str]:
    """The command line of the program under test, with this interpreter."""
    return [sys.executable, "-m", "earmark.tui", *arguments]
