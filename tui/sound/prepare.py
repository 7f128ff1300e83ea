"""Make decoded audio ready for a sink: even loudness, a rate that every sink takes, 16-bit frames."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.int16]
    Decoded = NDArray[np.int16] | NDArray[np.float32]

RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 192000)
"""Frames a second that every sink takes: simpleaudio refuses all others."""

LOUDNESS = 10 ** (-20 / 20)
"""The RMS that speech is brought to: −20 dBFS."""
MAX_GAIN = 10 ** (30 / 20)
"""+30 dB: more would only lift the noise."""
PEAK = 0.97
"""No sample is louder than this part of full scale."""

_FRAME = 0.02  # seconds over which loudness is measured
_ACTIVE = 10 ** (-25 / 10)  # a frame within 25 dB of the loud ones is speech, not the pause between words
_BLOCK = 1 << 20  # frames worked on at once, so that a long clip never exists whole as floats


class Sound(msgspec.Struct, frozen=True):
    """What a sink gets: `frames` 16-bit little-endian frames of one channel in `pcm`, `rate` frames a second."""

    pcm: bytes
    rate: int
    frames: int


def prepare(samples: Decoded, rate: int) -> Sound:
    """Even out the loudness of a clip and bring it to a rate that every sink takes.

    `samples` are the frames of one channel, shape (frames,), as int16 or as float32 from −1 to 1 (what is not a
    number counts as 0), `rate` of them a second. Digital silence stays silence. Raises ValueError for a rate below 1
    or an array of more than one dimension.
    """
    import numpy as np

    if rate < 1:
        raise ValueError(f"rate must be at least 1 frame a second, not {rate}")
    if samples.ndim != 1:
        raise ValueError(f"samples must have one dimension, not {samples.ndim}")
    factor = gain(samples, rate)
    pcm = b"".join(
        # Clipped: a float recording may be louder than full scale where the gain is bound from below.
        np.clip(np.rint(block * (factor * 32767)), -32768, 32767).astype("<i2").tobytes()
        for block in _blocks(samples, _BLOCK)
    )
    wanted = nearest_rate(rate)
    if wanted != rate and pcm:
        pcm = _resample(pcm, rate, wanted)
    return Sound(pcm=pcm, rate=wanted, frames=len(pcm) // 2)


def gain(samples: Decoded, rate: int) -> float:
    """The factor that brings a clip to the wanted loudness; 1 for silence.

    Loudness is the RMS over active frames of 20 ms, those within 25 dB of the clip's loud ones (a simple relative of
    ITU-T P.56's active speech level), so that a clip with long pauses is not taken for a quiet one.
    """
    import numpy as np

    frame = max(1, round(rate * _FRAME))
    peak = 0.0
    powers: list[Any] = []
    for block in _blocks(samples, max(frame, _BLOCK // frame * frame)):
        peak = max(peak, float(np.abs(block).max()))
        whole = block.size // frame * frame
        if whole:
            powers.append(np.square(block[:whole]).reshape(-1, frame).mean(axis=1))
        if whole < block.size and not powers:  # shorter than one frame in all
            powers.append(np.square(block).mean(keepdims=True))
    if peak == 0:
        return 1.0
    power = np.concatenate(powers)
    loud = float(np.quantile(power, 0.95))
    active = power[power >= max(loud, float(power.max()) * 1e-3) * _ACTIVE]
    rms = math.sqrt(float(active.mean())) or peak
    return min(LOUDNESS / rms, MAX_GAIN, PEAK / peak)


def nearest_rate(rate: int) -> int:
    """`rate` where every sink takes it, else the next higher that they take (nothing is lost), else the highest."""
    return next((each for each in RATES if each >= rate), RATES[-1])


def _blocks(samples: Decoded, size: int) -> Any:
    """The samples as float32 from −1 to 1, at most `size` frames at a time."""
    import numpy as np

    for start in range(0, samples.size, size):
        block = samples[start : start + size]
        if block.dtype == np.int16:
            yield block.astype(np.float32) / 32767
        else:
            yield np.nan_to_num(block.astype(np.float32), nan=0.0, posinf=1.0, neginf=-1.0)


def _resample(pcm: bytes, rate: int, wanted: int) -> bytes:
    from miniaudio import SampleFormat, convert_frames

    s16 = SampleFormat.SIGNED16
    return bytes(convert_frames(s16, 1, rate, pcm, s16, 1, wanted))
