"""Speed keeps pitch, length and place."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.tui.sound.player import SPEEDS
from earmark.tui.sound.stretch import stretch

CHANGED = [speed for speed in SPEEDS if speed != 1]


def pitch(samples: Any, rate: int) -> float:
    """Hz of the strongest partial."""
    padded = 1 << 20
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size), padded))
    return float(spectrum.argmax() * rate / padded)


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("tone", [150, 440, 2500])
def test_a_tone_keeps_its_pitch(speed: float, rate: int, tone: int) -> None:
    t = np.arange(2 * rate) / rate
    clip = (12000 * np.sin(2 * np.pi * tone * t)).astype(np.int16)
    fast = stretch(clip, rate, speed)
    assert pitch(fast.astype(float), rate) == pytest.approx(tone, rel=0.01)
    middle = fast[fast.size // 4 : -fast.size // 4].astype(float)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(12000 / np.sqrt(2), rel=0.15)


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("count", [0, 1, 2, 159, 160, 639, 640, 641, 4000, 15999, 47777])
def test_the_length_is_exact(speed: float, count: int) -> None:
    clip = np.random.default_rng(count).integers(-9000, 9000, count).astype(np.int16)
    fast = stretch(clip, 16000, speed)
    assert fast.shape == (round(count / speed),)
    assert fast.dtype == np.int16


@pytest.mark.parametrize("speed", CHANGED)
def test_a_very_short_sound_is_not_swallowed(speed: float) -> None:
    clip = (9000 * np.sin(np.arange(300) * 0.3)).astype(np.int16)
    fast = stretch(clip, 16000, speed).astype(float)
    assert np.sqrt(np.mean(fast**2)) > 0.6 * 9000 / np.sqrt(2)


@pytest.mark.parametrize("speed", CHANGED)
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_click_lands_where_it_belongs(speed: float, rate: int) -> None:
    clip = np.zeros(4 * rate, np.int16)
    moments = [0.0, 0.5, 2.0, 3.3, 3.99]
    for moment in moments:
        clip[round(moment * rate) : round(moment * rate) + 16] = 30000
    power = stretch(clip, rate, speed).astype(float) ** 2
    for moment in moments:
        near = slice(max(0, round((moment / speed - 0.1) * rate)), round((moment / speed + 0.1) * rate))
        where = np.arange(power.size)[near]
        centre = (where * power[near]).sum() / power[near].sum() / rate
        assert centre == pytest.approx(moment / speed, abs=0.010)


@pytest.mark.parametrize("speed", CHANGED)
def test_real_speech_keeps_its_course_and_its_spectrum(shared: Path, speed: float) -> None:
    clip, rate = soundfile.read(shared / "speech/audio/en/en-librivox-0880.wav", dtype="int16")
    fast = stretch(clip, rate, speed)
    assert fast.size == round(clip.size / speed)
    # The same moments are loud: envelopes, brought to the same length, agree.
    ours, theirs = envelope(fast, 60), envelope(clip, 60)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.97
    # The same frequencies are loud: a change of pitch by the speed would move the spectrum by half and more.
    assert np.corrcoef(bands(fast, rate), bands(clip, rate))[0, 1] > 0.97


def envelope(samples: Any, parts: int) -> Any:
    return [np.sqrt(np.mean(np.square(part.astype(float)))) for part in np.array_split(samples, parts)]


def bands(samples: Any, rate: int) -> Any:
    """dB in 40 bands up to 4 kHz."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    edges = np.linspace(100, 4000, 41) / (rate / 2) * (power.size - 1)
    return [10 * np.log10(power[int(a) : int(b)].mean()) for a, b in pairwise(edges)]


def test_it_sounds_the_same_each_time() -> None:
    clip = np.random.default_rng(3).integers(-9000, 9000, 16000).astype(np.int16)
    assert np.array_equal(stretch(clip, 16000, 1.5), stretch(clip, 16000, 1.5))


@pytest.mark.parametrize("speed", [0.49, 3.01, 0.0, -1.0, float("nan")])
def test_other_speeds_are_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        stretch(np.zeros(10, np.int16), 16000, speed)
