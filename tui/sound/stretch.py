"""Speed without a change of pitch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earmark.tui.sound.prepare import Samples

SLOWEST, FASTEST = 0.5, 3.0

_BLOCK = 0.04  # seconds; sharper on speech than the library's own preset of 0.12
_SEED = 1  # the stretcher draws phases at random: the same clip shall sound the same each time


def stretch(samples: Samples, rate: int, speed: float) -> Samples:
    """`samples` at `speed` times their pace, the pitch kept.

    `samples` are int16 frames of one channel, shape (frames,), `rate` of them a second. The result has exactly
    round(frames / speed) frames, and what was at second t is at second t / speed. Raises ValueError for a speed
    outside 0.5 to 3.
    """
    import numpy as np

    if not SLOWEST <= speed <= FASTEST:
        raise ValueError(f"speed must be from {SLOWEST} to {FASTEST}, not {speed}")
    if speed == 1 or samples.size == 0:
        return samples
    from python_stretch.Signalsmith import Stretch

    frames = round(samples.size / speed)
    hop = max(1, round(rate * _BLOCK / 4))
    stretcher = Stretch(_SEED)
    stretcher.configure(1, 4 * hop, hop)
    stretcher.setTimeFactor(speed)
    # The stretcher swallows half of an input that is as short as its blocks; silence after the end is harmless.
    missing = max(0, 16 * hop - samples.size)
    sound = np.pad(samples, (0, missing)).astype(np.float32) / 32768
    stretched = np.asarray(stretcher.process(sound[np.newaxis, :]))[0]
    stretched = np.pad(stretched, (0, max(0, frames - stretched.size)))[:frames]
    whole: Samples = np.clip(np.rint(stretched * 32768), -32768, 32767).astype(np.int16)
    return whole
