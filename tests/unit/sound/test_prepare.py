"""Loudness is made even, silence stays silence, every rate comes out as one that every sink takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from earmark.tui.sound.prepare import PEAK, RATES, gain, nearest_rate, prepare

RATE = 16000


def speech_like(level: float, seconds: float = 3.0, rate: int = RATE) -> Any:
    """Bursts of a tone with pauses, of RMS `level` while they last, as float32."""
    t = np.arange(round(seconds * rate)) / rate
    on = (t % 1.0) < 0.6
    return (level * np.sqrt(2) * np.sin(2 * np.pi * 220 * t) * on).astype(np.float32)


def frames(pcm: bytes) -> Any:
    return np.frombuffer(pcm, "<i2").astype(np.float64) / 32767


@pytest.mark.parametrize("level", [0.005, 0.02, 0.1, 0.5])
def test_loudness_is_measured_where_something_sounds(level: float) -> None:
    sound = frames(prepare(speech_like(level), RATE).pcm)
    active = sound[np.arange(sound.size) / RATE % 1.0 < 0.6]
    assert 20 * np.log10(np.sqrt(np.mean(active**2))) == pytest.approx(-20, abs=0.5)


def test_noise_is_lifted_by_30_db_at_most() -> None:
    whisper = speech_like(0.0001)
    assert gain(whisper, RATE) == pytest.approx(10**1.5)


def test_a_peak_stays_below_full_scale() -> None:
    clip = speech_like(0.01)
    clip[1000] = 0.5
    sound = frames(prepare(clip, RATE).pcm)
    assert np.abs(sound).max() == pytest.approx(PEAK, abs=0.001)


def test_both_kinds_of_samples_give_the_same() -> None:
    clip = speech_like(0.05)
    whole = np.rint(clip * 32767).astype(np.int16)
    ours, theirs = frames(prepare(whole, RATE).pcm), frames(prepare(clip, RATE).pcm)
    assert np.abs(ours - theirs).max() < 3 / 32767


@pytest.mark.parametrize("count", [0, 1, 100, RATE * 2])
def test_digital_silence_stays_silence(count: int) -> None:
    sound = prepare(np.zeros(count, np.int16), RATE)
    assert sound.pcm == bytes(2 * count)
    assert sound.frames == count


def test_what_is_not_a_number_counts_as_silence() -> None:
    clip = np.full(RATE, np.nan, np.float32)
    assert not any(prepare(clip, RATE).pcm)


@pytest.mark.parametrize("count", [1, 7, 300])
def test_a_clip_shorter_than_a_frame_is_made_even_too(count: int) -> None:
    assert np.abs(frames(prepare(np.full(count, 100, np.int16), RATE).pcm)).max() > 0.01


@pytest.mark.parametrize("rate", [*RATES, 12000, 7350, 37800, 200000])
def test_every_rate_becomes_one_that_every_sink_takes(rate: int) -> None:
    t = np.arange(rate) / rate
    clip = (0.3 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)
    sound = prepare(clip, rate)
    assert sound.rate in RATES
    assert sound.rate == rate or rate not in RATES
    assert sound.frames / sound.rate == pytest.approx(1.0, abs=0.002)
    spectrum = np.abs(np.fft.rfft(frames(sound.pcm)[: sound.rate]))
    assert spectrum.argmax() * sound.rate / min(sound.rate, sound.frames) == pytest.approx(1000, rel=0.01)


def test_a_rate_is_raised_rather_than_lowered() -> None:
    assert nearest_rate(12000) == 16000
    assert nearest_rate(16000) == 16000
    assert nearest_rate(400000) == 192000


def test_a_long_clip_is_worked_on_in_blocks_without_a_seam() -> None:
    clip = speech_like(0.03, seconds=200)  # more than one block
    sound = frames(prepare(clip, RATE).pcm)
    factor = gain(clip, RATE)
    assert sound.size == clip.size
    assert np.abs(sound - clip * factor).max() < 2 / 32767


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one dimension"):
        prepare(np.zeros((10, 2), np.int16), RATE)
    with pytest.raises(ValueError, match="rate"):
        prepare(np.zeros(10, np.int16), 0)
