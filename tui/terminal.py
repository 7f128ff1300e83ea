"""What a terminal may do to the program: send bytes that are no text, and go away."""

from __future__ import annotations

import asyncio
import codecs
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.driver import Driver


def forgiving(driver: type[Driver]) -> type[Driver]:
    """The driver, to which bytes that are not UTF-8 are U+FFFD.

    A terminal that is set to Latin-1 sends them for every umlaut, and Textual's own decoder dies of the first one. Only
    the decoder of the driver's module is another one: its loop is Textual's own affair.
    """
    names = vars(sys.modules[driver.__module__])
    if "getincrementaldecoder" in names:
        names["getincrementaldecoder"] = _replacing
    return driver


def _replacing(encoding: str) -> Callable[[], codecs.IncrementalDecoder]:
    return lambda: codecs.getincrementaldecoder(encoding)("replace")


def when_gone(loop: asyncio.AbstractEventLoop, leave: Callable[[], None]) -> None:
    """Have `leave` called on the loop when the terminal goes away, or somebody ends the program."""
    for name in ("SIGHUP", "SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is None:
            continue  # Windows has no SIGHUP; closing its window gives SIGBREAK, which nothing else has
        try:
            loop.add_signal_handler(number, leave)
        except RuntimeError:  # the loops of Windows take none
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(leave))
