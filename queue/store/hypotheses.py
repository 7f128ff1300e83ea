"""Machine transcripts as the stores keep them: JSON."""

from __future__ import annotations

import msgspec

from earmark.queue.clip import Hypothesis

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Hypothesis).decode


def hypothesis_in(column: str | bytes | None) -> Hypothesis:
    """The hypothesis as the store keeps it; none where it was erased or is damaged: the sound can be reviewed still."""
    try:
        return _decode(column or "{}")
    except (msgspec.DecodeError, UnicodeError):
        return Hypothesis("")
