"""How much one connection may ask: a token bucket. Who asks too fast waits; nobody is turned away."""

from __future__ import annotations

import time
from collections.abc import Callable

RATE = 100.0
"""Requests a second, in the long run."""

BURST = 500
"""Requests that may come at once."""


class Bucket:
    """Holds up to `burst` tokens and gains `rate` a second. `clock` gives seconds, `sleep` waits for them."""

    def __init__(
        self,
        rate: float = RATE,
        burst: int = BURST,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        self._tokens = float(burst)
        self._at = clock()

    def take(self) -> None:
        """Take a token, waiting until there is one."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        self._tokens -= 1
        if self._tokens < 0:
            self._sleep(-self._tokens / self._rate)
