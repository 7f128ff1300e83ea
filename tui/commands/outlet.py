"""The last filter in front of a terminal that a command writes to, as the painter is for the screen."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


def filter_output() -> None:
    """From now on no control character goes out through standard output and standard error but tabs and line feeds.

    Names of files, settings and clips come from elsewhere, and click shows some of them as they are. What a command
    writes to `sys.stdout.buffer` is data for a program and goes past this.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            _filter(stream)


@contextmanager
def unfiltered() -> Iterator[None]:
    """Let everything through while the review screen draws: its painter filters what comes from data."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if stream is not None and "write" in vars(stream)]
    for stream in streams:
        del stream.write
    try:
        yield
    finally:
        for stream in streams:
            _filter(stream)


def _filter(stream: TextIO) -> None:
    write = stream.write

    def write_harmless(text: str, /) -> int:
        if not text.replace("\n", "").isprintable():
            from earmark.queue.text import escaped

            text = escaped(text)
        return write(text)

    stream.write = write_harmless  # type: ignore[method-assign]  # a wrapper would have to own the stream's buffer
