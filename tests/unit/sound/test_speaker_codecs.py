"""Sound is the same at the other end, sample by sample, in every form in which it travels."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from earmark.tui.sound import speaker
from earmark.tui.sound.prepare import prepare
from earmark.tui.sound.speaker.codecs import encode
from earmark.tui.sound.speaker.frames import CODECS

RATE = 16000
SAMPLES = arrays(np.int16, st.integers(1, 400))
EXTREMES = [
    np.array([32767], np.int16),
    np.array([-32768], np.int16),
    np.tile(np.array([32767, -32768], np.int16), 500),
    np.repeat(np.array([-32768, 32767, 0, -1], np.int16), 300),
    np.zeros(1000, np.int16),
    np.arange(-32768, 32768, dtype=np.int32).astype(np.int16),
]


def _receiver() -> ModuleType:
    """The module of the receiver that is pasted at the other end."""
    path = Path(speaker.__path__[0]) / "receivers" / "receiver.py"
    spec = importlib.util.spec_from_file_location("earmark_receiver", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECEIVER = _receiver()


def decoded(data: bytes, codec: str) -> bytes:
    """What the receivers have at the end."""
    if codec == "flac":
        samples, rate = soundfile.read(io.BytesIO(data), dtype="int16")
        assert rate == RATE
        return samples.astype("<i2").tobytes()  # type: ignore[no-any-return]
    return RECEIVER.unpack(data, codec)  # type: ignore[no-any-return]


@pytest.mark.parametrize("codec", CODECS)
@given(samples=SAMPLES)
def test_nothing_is_lost(codec: str, samples: Any) -> None:
    assert decoded(encode(samples, RATE, codec), codec) == samples.astype("<i2").tobytes()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("samples", EXTREMES, ids=["high", "low", "full swing", "steps", "silence", "every value"])
def test_nothing_is_lost_of_extremes(codec: str, samples: Any) -> None:
    assert decoded(encode(samples, RATE, codec), codec) == samples.astype("<i2").tobytes()


def test_the_forms_are_named_from_the_smallest_of_speech_on(shared: Path) -> None:
    samples, rate = soundfile.read(shared / "speech/audio/en/en-librivox-0870.wav", dtype="int16")
    even = np.frombuffer(prepare(samples, rate).pcm, "<i2")
    sizes = [len(encode(even, rate, codec)) for codec in CODECS]
    assert sizes == sorted(sizes)


def test_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown codec"):
        encode(EXTREMES[0], RATE, "mp3")
