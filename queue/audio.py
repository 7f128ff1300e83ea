"""A clip's audio: read from whatever file a corpus has, bounded, as one channel of 16 bits; and FLAC for the store."""

from __future__ import annotations

import functools
import hashlib
import io
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from earmark.queue.source import SourceError, open_regular

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LONGEST = 600.0
"""The longest clip in seconds, unless told otherwise."""

SLACK = 0.1
"""Seconds. A part that ends this near to the file's end goes to the end: manifests round their durations."""

_LOWEST_RATE, _HIGHEST_RATE = 4_000, 192_000
_FULL_RATE = 48_000  # what `longest` seconds may take in memory is reckoned at this rate
_MOST_CHANNELS = 32
_MOST_STORED = 200_000_000  # frames (400 MB): more than an hour at 48 kHz
_BLOCK = 1 << 16  # values, all channels together
_DEAD = 1e-3  # of the loudest channel's power (-30 dB): a channel below it carries no speech of its own
_CANCELLED = 0.1  # of the power that unrelated channels would have when mixed: below it they cancel each other


class AudioError(SourceError):
    """Audio that cannot be taken in; the message says why and, where something helps, what to do."""


class Frames(msgspec.Struct, frozen=True):
    """Sound of one channel: `samples` are int16, shape (frames,); `rate` in frames a second."""

    samples: npt.NDArray[np.int16]
    rate: int

    @property
    def duration(self) -> float:
        """In seconds."""
        return len(self.samples) / self.rate


def read_clip(
    file: int | str | os.PathLike[str],
    *,
    offset: float = 0.0,
    duration: float | None = None,
    longest: float = LONGEST,
) -> Frames:
    """The sound of a file, or of its part from `offset` for `duration` seconds, as one channel of int16.

    `file` is a path, or a descriptor open for reading (which stays open). Only the part is decoded. What the header
    says of the length is not believed; a file that ends early gives what is there. Of several channels those that carry
    sound are averaged, or the loudest is taken where they would cancel each other. Samples that are not finite become
    0; float samples beyond full scale are scaled down.

    Raises `AudioError` for what cannot be decoded, has no sound, an outlandish rate or number of channels, or is longer
    than `longest` seconds, and `SourceError` for what is not a regular file.
    """
    check_length(duration, longest)
    if isinstance(file, int):
        return _read(file, offset, duration, longest)
    with open_regular(file) as descriptor:
        return _read(descriptor, offset, duration, longest)


def _read(descriptor: int, offset: float, duration: float | None, longest: float) -> Frames:
    import numpy as np
    import soundfile

    try:
        with _opened(descriptor) as sound:
            rate, channels, claimed = sound.samplerate, sound.channels, sound.frames
            is_float = sound.subtype in ("FLOAT", "DOUBLE")
            is_ogg = sound.format == "OGG"
        _check_shape(rate, channels)
        start = round(offset * rate)
        if start and claimed <= start:
            raise AudioError(f"the part begins at {offset:g} s, where the recording has ended ({claimed / rate:.2f} s)")
        wanted = math.floor(longest * rate) if duration is None else max(1, round(duration * rate))
        if wanted > longest * _FULL_RATE and min(claimed - start, wanted) > longest * _FULL_RATE:
            raise AudioError(f"too much sound at {rate} Hz: convert it to 48 kHz, or give it in shorter parts")
        most = wanted + (1 if duration is None else math.ceil(SLACK * rate))
        mix = _survey(descriptor, start, most) if channels > 1 or is_float else None
        pcm = bytearray()
        for block in _blocks(descriptor, start, most):
            mono = block[:, 0] if mix is None else block @ mix
            pcm += np.minimum(np.rint(np.clip(mono, -1.0, 1.0) * 32768.0), 32767).astype(np.int16).tobytes()
    except soundfile.LibsndfileError as error:
        raise AudioError(_undecodable(error.error_string)) from None
    frames = len(pcm) // 2
    if frames == 0:
        raise AudioError(_no_sound(descriptor))
    if frames == most:
        if duration is None:
            raise AudioError(_too_long((claimed - start) / rate, longest))
        del pcm[wanted * 2 :]
    elif is_ogg and os.lseek(descriptor, 0, os.SEEK_CUR) < os.fstat(descriptor).st_size:
        raise AudioError("several Ogg streams in one file, or damaged: only its beginning can be read; convert it anew")
    return Frames(np.frombuffer(pcm, dtype=np.int16), rate)


@functools.cache
def _reader() -> Any:
    import soundfile

    class Reader(soundfile.SoundFile):  # type: ignore[misc, unused-ignore]  # soundfile has no types in every release
        """Reads on and on. Otherwise soundfile seeks after each read, which fails where a FLAC header lies."""

        def seekable(self) -> bool:
            return False

    return Reader


@contextmanager
def _opened(descriptor: int) -> Iterator[Any]:
    """The file as soundfile sees it, from its beginning."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    # A copy, because libsndfile closes what it was given when it cannot open it, asked to or not.
    copy = os.dup(descriptor)
    with _reader()(copy if os.name == "posix" else os.fdopen(copy, "rb")) as sound:
        yield sound


def _blocks(descriptor: int, start: int, most: int) -> Iterator[npt.NDArray[np.float32]]:
    """Up to `most` frames from frame `start` on, in blocks of shape (frames, channels), all finite."""
    import numpy as np

    with _opened(descriptor) as sound:
        if start:
            sound.seek(start)
        step = max(1, _BLOCK // sound.channels)
        while most > 0:
            block = sound.read(min(step, most), dtype="float32", always_2d=True)
            if len(block) == 0:
                return
            most -= len(block)
            if not np.isfinite(block).all():
                block[~np.isfinite(block)] = 0.0
            yield block


def _survey(descriptor: int, start: int, most: int) -> npt.NDArray[np.float32]:
    """What each channel counts in the mix, shape (channels,), such that the mix lies within full scale."""
    import numpy as np

    total, products, count, peak = np.zeros(1), np.zeros((1, 1)), 0, 1.0
    for block in _blocks(descriptor, start, most):
        wide = block.astype(np.float64)
        total, products, count = total + wide.sum(axis=0), products + wide.T @ wide, count + len(wide)
        # A lone click far beyond full scale must not silence the speech around it, hence not the maximum.
        magnitudes = np.abs(wide).ravel()
        rank = math.floor(0.999 * (len(magnitudes) - 1))
        peak = max(peak, float(np.partition(magnitudes, rank)[rank]))
    covariance = products - np.outer(total, total) / max(count, 1)  # a constant offset is no sound
    power = np.diagonal(covariance)
    alive = power >= power.max() * _DEAD
    heard = int(alive.sum())
    weights = np.asarray(alive / heard)
    if weights @ covariance @ weights < _CANCELLED * power[alive].sum() / heard**2:
        weights = np.eye(len(power))[power.argmax()]
    mix: npt.NDArray[np.float32] = (weights / peak).astype(np.float32)
    return mix


def check_length(duration: float | None, longest: float) -> None:
    """Raises `AudioError` when a clip of `duration` seconds (None: not known yet) is longer than `longest`."""
    if duration is not None and duration > longest:
        raise AudioError(_too_long(duration, longest))


def _check_shape(rate: int, channels: int) -> None:
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        raise AudioError(f"{rate} Hz is no rate of speech (4 kHz to 192 kHz are)")
    if channels > _MOST_CHANNELS:
        raise AudioError(f"{channels} channels: more than {_MOST_CHANNELS}")


def _no_sound(descriptor: int) -> str:
    if os.fstat(descriptor).st_size > 1024:
        return "no sound in it, says its header (a recorder that never finished it?): convert it anew, as with ffmpeg"
    return "no sound in it: header only"


def _undecodable(said: str) -> str:
    # What libsndfile says can be wrong (it takes noise for a pipe): ours first, its own words after it.
    said = said.removeprefix("Error : ").removeprefix("Internal error : ").strip().rstrip(".")
    if "lost sync" in said:
        return "damaged: the FLAC data is cut off or corrupt"
    if "not recognised" in said or "not a regular file" in said:
        return "not audio, or of a kind that cannot be read: convert it to WAV or FLAC"
    return f"cannot be decoded ({said})"


def _too_long(seconds: float, longest: float) -> str:
    length = f"{in_words(seconds)} is longer" if longest < seconds < 1e6 else "longer"
    return f"{length} than the {in_words(longest)} cap: give the part with offset and duration, or raise longest_clip"


def in_words(seconds: float) -> str:
    """A length in hours, minutes and seconds.

    >>> in_words(2400), in_words(75.3), in_words(43200)
    ('40 min', '1 min 15 s', '12 h')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{value} {unit}" for value, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if value]
    return " ".join(parts) or "0 s"


def encode_flac(samples: npt.NDArray[np.int16], rate: int) -> bytes:
    """FLAC of one channel and 16 bits, made in memory. `samples` has shape (frames,). Raises `AudioError`."""
    import soundfile

    out = io.BytesIO()
    try:
        soundfile.write(out, samples, rate, format="FLAC", subtype="PCM_16")
    except soundfile.LibsndfileError:
        raise AudioError(f"{rate} Hz cannot be kept as FLAC: convert it to a usual rate") from None
    return out.getvalue()


def decode(data: bytes) -> tuple[npt.NDArray[np.int16], int]:
    """The samples, int16 of shape (frames,), and the rate of FLAC that `encode_flac` made.

    Raises `AudioError` for anything else, and for more than 200 million frames.
    """
    import numpy as np
    import soundfile

    pcm = bytearray()
    try:
        with _reader()(io.BytesIO(data)) as sound:
            if sound.format != "FLAC" or sound.channels != 1:
                raise AudioError("stored audio is FLAC of one channel; this is not")
            while len(block := sound.read(_BLOCK, dtype="int16")):
                pcm += block.tobytes()
                if len(pcm) > 2 * _MOST_STORED:
                    raise AudioError("stored audio longer than any clip may be")
            rate = int(sound.samplerate)
    except soundfile.LibsndfileError as error:
        raise AudioError(_undecodable(error.error_string)) from None
    return np.frombuffer(pcm, dtype=np.int16), rate


def identity(samples: npt.NDArray[np.int16], rate: int) -> bytes:
    """Which sound this is: SHA-256 over the rate and the samples (little-endian), whatever file held it."""
    import numpy as np

    digest = hashlib.sha256(b"%d\n" % rate)
    digest.update(np.ascontiguousarray(samples, dtype="<i2").data)
    return digest.digest()


def peaks(samples: npt.NDArray[np.int16], slices: int = 512) -> bytes:
    """The waveform: the largest magnitude in each of `slices` equal slices, 0 to 255 (full scale), linear."""
    import numpy as np

    if len(samples) == 0:
        return bytes(slices)
    edges = np.arange(slices) * len(samples) // slices
    highest = np.maximum.reduceat(samples, edges).astype(np.int32)
    lowest = np.minimum.reduceat(samples, edges).astype(np.int32)
    return (np.maximum(highest, -lowest) * 255 // 32768).astype(np.uint8).tobytes()


@contextmanager
def quiet_stderr() -> Iterator[TextIO]:
    """Keep the decoders' own chatter (libmpg123's) off the terminal; yields standard error for what is to be seen.

    What C code writes to file descriptor 2 goes nowhere, in every thread: so use it once around a whole run, not around
    each clip. Python's `sys.stderr` goes on to work.
    """
    python_stderr = sys.stderr
    try:
        is_real = python_stderr.fileno() == 2
    except (OSError, ValueError, AttributeError):  # replaced, or closed
        is_real = False
    python_stderr.flush()
    saved = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        if not is_real:
            yield python_stderr
            return
        encoding, errors = python_stderr.encoding, python_stderr.errors
        with os.fdopen(os.dup(saved), "w", encoding=encoding, errors=errors, buffering=1) as real:
            sys.stderr = real
            yield real
    finally:
        sys.stderr = python_stderr
        os.dup2(saved, 2)
        os.close(saved)
