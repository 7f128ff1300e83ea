"""What the sinks that play in a child process share."""

from __future__ import annotations

import contextlib
import subprocess

NO_WINDOW: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Keeps Windows from opening a console for each child; 0 elsewhere."""

_LONGEST = 160


def send(process: subprocess.Popen[bytes], *parts: bytes) -> None:
    """Write to the child's standard input. A child that is gone is no error here: it shows where one listens to it."""
    assert process.stdin
    with contextlib.suppress(OSError):
        for part in parts:
            process.stdin.write(part)
        process.stdin.flush()


def reap(process: subprocess.Popen[bytes]) -> None:
    """Kill the child where it still lives, take its exit status, close its pipes: nothing of it is left."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with contextlib.suppress(OSError):  # what was still to be flushed has no reader any more
                pipe.close()


def one_line(text: str) -> str:
    """`text` as one short line without control characters, whatever a library or a player said."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST]
