"""Journal lines of a push taken apart, whichever kind of store they go to."""

from __future__ import annotations

from collections.abc import Sequence

from earmark.queue.journal.line import BadLine, Parts, split
from earmark.queue.store.interface import StoreError


def parted(lines: Sequence[bytes]) -> list[Parts]:
    """Each line's envelope, payload and chain. Raises `StoreError` for bytes that are no line."""
    parts = []
    for place, line in enumerate(lines, 1):
        try:
            parts.append(split(line))
        except BadLine as reason:
            raise StoreError(f"line {place} of a push: {reason}; run 'earmark journal verify'") from None
    return parts
