"""What time it surely is, on a machine whose clock anybody may set. Pure, but for `read_clocks`.

The wall clock may be set back; the counter of seconds since the start of the machine cannot. From a moment that is
known, it says how much time has passed at least: all that it counted since, or, after another start, all that it counts
now. What no counter sees is time in which the machine was off, unless the wall clock tells.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_MACHINE = Path("/etc/machine-id")


class Clocks(msgspec.Struct, frozen=True):
    """What the clocks say now: `wall` in Unix seconds, and `since_boot`, seconds since the machine was started, those
    included in which it slept (CLOCK_BOOTTIME of Linux; elsewhere what the monotonic clock counts).

    `boot` names this start and `machine` the machine, "" where they have no names.
    """

    wall: float
    since_boot: float
    boot: str = ""
    machine: str = ""


class Evidence(msgspec.Struct, frozen=True):
    """It was `at` (Unix seconds) at the earliest when the counter of that start of that machine stood there."""

    at: float
    since_boot: float
    boot: str = ""
    machine: str = ""


def surely(known: Evidence, now: Clocks) -> float:
    """The earliest that it can be now, in Unix seconds: neither before the wall clock nor before what is known."""
    return max(now.wall, known.at + _passed(known, now))


def seen(known: Evidence, now: Clocks, at_least: float = 0.0) -> Evidence:
    """What is known after this look at the clocks; `at_least` is a time (Unix seconds) known from elsewhere."""
    return Evidence(max(surely(known, now), at_least), now.since_boot, now.boot, now.machine)


def _passed(known: Evidence, now: Clocks) -> float:
    """Seconds that have passed at least since something was known."""
    if known.machine != now.machine:
        return 0.0  # the folder was carried to another machine, whose counter says nothing of this one's
    if known.boot == now.boot:
        # Without names it may be another start: then more has passed than this, or the counter has gone back.
        passed = now.since_boot - known.since_boot
        return passed if passed >= 0 or now.boot else now.since_boot
    return now.since_boot if now.machine else 0.0


def read_clocks() -> Clocks:
    """The clocks of this machine."""
    counted = time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()
    return Clocks(time.time(), counted, _name(_BOOT), _name(_MACHINE))


def _name(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
