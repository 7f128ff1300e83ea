"""Names and told times for journal entries."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta


def uuid7(now_ms: int, entropy: bytes) -> str:
    """A UUID of version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 74 random bits from 10 bytes of
    `entropy`.
    """
    value = (now_ms & (2**48 - 1)) << 80 | int.from_bytes(entropy[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_id() -> str:
    """A fresh UUIDv7."""
    return uuid7(time.time_ns() // 1_000_000, os.urandom(10))


def seconds_of(told: str) -> float:
    """A told time in Unix seconds; 0 for what is none."""
    try:
        return datetime.fromisoformat(told).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def told_time(days_ago: float = 0.0) -> str:
    """The wall clock in UTC, RFC 3339 with milliseconds, now or some days ago: for people, never to order by."""
    told = datetime.now(UTC) - timedelta(days=days_ago)
    return told.isoformat(timespec="milliseconds").replace("+00:00", "Z")
