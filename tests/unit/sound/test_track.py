"""A clip cut into pieces, put together again, is the clip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from earmark.tui.sound.prepare import prepare
from earmark.tui.sound.track import SEGMENT, Track

RATE = 8000


def clip(seconds: float) -> Any:
    """Noise with a pause of 0.1 s after every 0.9 s."""
    noise = np.random.default_rng(5).integers(-3000, 3000, round(seconds * RATE)).astype(np.int16)
    noise[np.arange(noise.size) / RATE % 1.0 >= 0.9] = 0
    return noise


def pieces(track: Track, speed: float) -> list[Any]:
    cuts = []
    position = 0.0
    while position < track.duration:
        cut = track.cut(position, track.duration, speed)
        assert cut.end > position
        cuts.append(cut)
        position = cut.end
    return cuts


@pytest.mark.parametrize("seconds", [0.01, 3.0, SEGMENT + 1, 65.3])
def test_the_pieces_make_up_the_clip(seconds: float) -> None:
    samples = clip(seconds)
    cuts = pieces(Track(samples, RATE), 1.0)
    assert b"".join(cut.pcm for cut in cuts) == prepare(samples, RATE).pcm
    assert cuts[-1].end == pytest.approx(seconds)
    assert all(cut.end - cut.start < SEGMENT + 2.1 for cut in cuts)


def test_a_long_clip_is_cut_in_its_pauses() -> None:
    cuts = pieces(Track(clip(65.3), RATE), 1.0)
    assert len(cuts) == 4
    assert all(cut.end % 1.0 >= 0.9 for cut in cuts[:-1])


@pytest.mark.parametrize("speed", [0.5, 1.5, 3.0])
def test_pieces_last_as_long_as_they_should(speed: float) -> None:
    for cut in pieces(Track(clip(45.0), RATE), speed):
        assert len(cut.pcm) / 2 / cut.rate == pytest.approx((cut.end - cut.start) / speed, abs=0.001)


@pytest.mark.parametrize("speed", [1.0, 2.0])
def test_a_piece_begins_and_ends_where_asked(speed: float) -> None:
    track = Track(clip(5.0), RATE)
    whole = track.cut(0.0, 5.0, speed).pcm
    cut = track.cut(1.5, 2.25, speed)
    assert (cut.start, cut.end) == (1.5, 2.25)
    assert cut.pcm == whole[2 * round(1.5 * RATE / speed) : 2 * round(2.25 * RATE / speed)]


def test_a_rate_that_no_sink_takes_keeps_the_times() -> None:
    track = Track(np.ones(36000, np.int16), 12000)
    cut = track.cut(1.0, 3.0, 1.0)
    assert cut.rate == 16000
    assert cut.end == 3.0
    assert len(cut.pcm) / 2 / cut.rate == pytest.approx(2.0, abs=0.002)


@pytest.mark.parametrize("start", [3.0, 3.5])
def test_beyond_the_end_there_is_nothing(start: float) -> None:
    assert Track(clip(3.0), RATE).cut(start, 3.0, 1.0).pcm == b""
    assert Track(np.zeros(0, np.int16), RATE).cut(0.0, 0.0, 1.5).pcm == b""
