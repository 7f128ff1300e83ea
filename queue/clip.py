"""What is to be heard: a clip and what the machine made of it."""

from __future__ import annotations

import msgspec


class Word(msgspec.Struct, frozen=True, gc=False):
    """One word of a hypothesis.

    `start` and `end` are seconds from the beginning of the clip; `confidence` is the recogniser's own,
    from 0 to 1. Either may be unknown (None).
    """

    text: str
    start: float | None = None
    end: float | None = None
    confidence: float | None = None


class Hypothesis(msgspec.Struct, frozen=True):
    """The machine transcript: its text and, where the recogniser gave them, its words in order."""

    text: str
    words: tuple[Word, ...] = ()


class Clip(msgspec.Struct, frozen=True):
    """One utterance to review, under an opaque id.

    `duration` is in seconds, `rate` in frames a second (the audio is always one channel). `peaks` holds the
    waveform as one byte a slice of equal length, 0 to 255, the largest magnitude in that slice.
    """

    id: str
    duration: float
    rate: int
    hypothesis: Hypothesis
    lang: str | None = None
    peaks: bytes = b""
