"""A clip's audio: decoded safely and evenly, and FLAC for the store."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from earmark.queue.audio import (
    AudioError,
    Frames,
    decode,
    encode_flac,
    identity,
    in_words,
    peaks,
    quiet_stderr,
    read_clip,
)
from earmark.queue.source import SourceError

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("EARMARK_SHARED", ROOT.parent / "shared"))
HOSTILE = SHARED / "hostile" / "audio"
PLAIN = HOSTILE / "plain.flac"

REFUSED = {
    "bits_zero.wav": "cannot be decoded",
    "channels_65535.wav": "cannot be decoded",
    "channels_zero.wav": "cannot be decoded",
    "empty.wav": "not audio",
    "flac_corrupt_middle.flac": "damaged",
    "flac_truncated.flac": "damaged",
    "garbage_before_riff.wav": "not audio",
    "header_only_30bytes.wav": "cannot be decoded",
    "mp3_id3_size_lie.mp3": "not audio",
    "mp3_id3v1_only.mp3": "not audio",
    "ogg_chained.ogg": "several Ogg streams",
    "ogg_first_page_only.ogg": "cannot be decoded",
    "opus.webm": "not audio",
    "random_bytes.wav": "not audio",
    "rate_1hz.wav": "no rate of speech",
    "rate_2147483647.wav": "no rate of speech",
    "riff_12bytes.wav": "cannot be decoded",
    "silence_12h.flac": "12 h is longer than the 10 min cap",
    "silence_40min.flac": "40 min is longer than the 10 min cap",
    "size_zero_streaming.wav": "no sound in it, says its header",
    "text_named.wav": "not audio",
    "two_data_chunks.wav": "cannot be decoded",
    "wild_aeneas_invalid.wav": "cannot be decoded",
    "wild_pocketsphinx_awful.wav": "no rate of speech",
    "wild_pocketsphinx_bad.wav": "cannot be decoded",
    "wild_pocketsphinx_evil.wav": "cannot be decoded",
}
SAME_AS_PLAIN = [
    "6ch_centre_only.wav",
    "UPPER.WAV",
    "aiff.aiff",
    "flac_named.wav",
    "flac_total_huge.flac",
    "flac_total_zero.flac",
    "list_ansi_escape.wav",
    "rf64.wav",
    "size_2gb.wav",
    "stereo_right_only.wav",
    "wave64.w64",
]


@pytest.fixture(scope="module")
def plain() -> Frames:
    return read_clip(PLAIN)


@pytest.mark.parametrize("path", sorted(HOSTILE.iterdir()), ids=lambda path: str(path.name))
def test_awkward_audio_is_sound_or_a_clear_refusal(path: Path) -> None:
    if path.name in REFUSED:
        with pytest.raises(AudioError, match=REFUSED[path.name]) as refusal:
            read_clip(path)
        assert str(refusal.value).isprintable()
    else:
        frames = read_clip(path)
        assert frames.samples.dtype == np.int16 and frames.samples.ndim == 1
        assert 4000 <= frames.rate <= 192_000
        assert 1 < frames.duration < 4


@pytest.mark.parametrize("name", SAME_AS_PLAIN)
def test_the_container_does_not_matter(plain: Frames, name: str) -> None:
    frames = read_clip(HOSTILE / name)
    assert identity(frames.samples, frames.rate) == identity(plain.samples, plain.rate)


def test_a_truncated_file_gives_what_is_there(plain: Frames) -> None:
    for name in ("truncated_half.wav", "truncated_odd_byte.wav"):
        np.testing.assert_array_equal(read_clip(HOSTILE / name).samples, plain.samples[:23920])


def test_float_samples_are_scaled(plain: Frames, tmp_path: Path) -> None:
    path = tmp_path / "float.wav"
    soundfile.write(path, plain.samples / 32768.0, 16000, subtype="FLOAT")
    np.testing.assert_array_equal(read_clip(path).samples, plain.samples)


def test_not_finite_is_silence_and_leaves_the_rest(plain: Frames) -> None:
    samples = read_clip(HOSTILE / "nan_inf_float.wav").samples
    changed = np.flatnonzero(samples != plain.samples)
    assert 0 < len(changed) <= 300
    assert not samples[changed].any()


def test_over_full_scale_is_scaled_down_not_squared_off(plain: Frames) -> None:
    samples = read_clip(HOSTILE / "overrange_float.wav").samples
    assert np.corrcoef(samples, plain.samples)[0, 1] > 0.99
    assert (np.abs(samples.astype(int)) >= 32767).mean() <= 0.0011


def test_a_lone_click_does_not_silence_the_speech(plain: Frames, tmp_path: Path) -> None:
    wave = (plain.samples / 32768.0).astype(np.float32)
    wave[100] = 1e30
    path = tmp_path / "click.wav"
    soundfile.write(path, wave, 16000, subtype="FLOAT")
    samples = read_clip(path).samples
    np.testing.assert_array_equal(np.delete(samples, 100), np.delete(plain.samples, 100))
    assert samples[100] == 32767


def mixed(tmp_path: Path, *channels: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    path = tmp_path / "channels.wav"
    soundfile.write(path, np.stack(channels, axis=1), 16000, subtype="PCM_16")
    return read_clip(path).samples


def test_channels_that_carry_sound_are_averaged(plain: Frames, tmp_path: Path) -> None:
    wave = plain.samples / 32768.0
    other = np.roll(wave, 7000)
    np.testing.assert_allclose(mixed(tmp_path, wave, wave), plain.samples, atol=1)
    np.testing.assert_allclose(mixed(tmp_path, wave, other), (wave + other) * 16384, atol=1)


def test_dead_channels_do_not_count(plain: Frames, tmp_path: Path) -> None:
    wave = plain.samples / 32768.0
    hiss = np.random.default_rng(1).normal(0, 1e-4, len(wave))
    offset = np.full(len(wave), 0.2)
    np.testing.assert_allclose(mixed(tmp_path, hiss, wave, offset), plain.samples, atol=1)


def test_channels_that_cancel_each_other_give_one(plain: Frames, tmp_path: Path) -> None:
    wave = plain.samples / 32768.0
    samples = mixed(tmp_path, 0.9 * wave, -wave)
    np.testing.assert_allclose(samples, -plain.samples.astype(int), atol=1)


def test_silence_of_several_channels_stays_silence(tmp_path: Path) -> None:
    assert not mixed(tmp_path, np.zeros(800), np.zeros(800)).any()


def test_more_channels_than_any_recording_has(tmp_path: Path) -> None:
    path = tmp_path / "wall.wav"
    soundfile.write(path, np.zeros((100, 64)), 16000)
    with pytest.raises(AudioError, match="64 channels: more than 32"):
        read_clip(path)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg"])
def test_a_part_is_what_the_whole_has_there(plain: Frames, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"whole.{kind}"
    soundfile.write(path, np.tile(plain.samples, 3), 16000)
    whole = read_clip(path).samples
    part = read_clip(path, offset=4.25, duration=1.5)
    assert part.duration == 1.5
    np.testing.assert_allclose(part.samples, whole[68000:92000], atol=8)
    np.testing.assert_allclose(read_clip(path, offset=4.25).samples, whole[68000:], atol=8)


def test_a_part_of_a_recording_longer_than_the_cap(plain: Frames) -> None:
    assert read_clip(HOSTILE / "silence_12h.flac", offset=40_000, duration=5.0).duration == 5.0
    assert read_clip(HOSTILE / "flac_total_zero.flac", offset=1.0, duration=1.0).duration == 1.0


def test_a_rounded_duration_does_not_cut_the_end(plain: Frames) -> None:
    assert read_clip(PLAIN, duration=2.95).samples.shape == plain.samples.shape
    assert read_clip(PLAIN, offset=1.0, duration=1.95).duration == 1.99
    assert read_clip(PLAIN, duration=2.5).duration == 2.5
    assert read_clip(PLAIN, duration=99.0).duration == 2.99


def test_a_part_after_the_end() -> None:
    with pytest.raises(AudioError, match=r"begins at 9 s, where the recording has ended \(2.99 s\)"):
        read_clip(PLAIN, offset=9.0, duration=1.0)


def test_the_cap_counts_what_is_heard_not_what_is_claimed(plain: Frames) -> None:
    assert read_clip(PLAIN, longest=2.99).duration == 2.99
    with pytest.raises(AudioError, match="3 s is longer than the 2 s cap: give the part with offset and duration"):
        read_clip(PLAIN, longest=2.0)
    with pytest.raises(AudioError, match="15 min is longer than the 10 min cap"):
        read_clip(PLAIN, duration=900.0)
    # The header's claim of 49 days is not believed, so this says no number.
    with pytest.raises(AudioError, match=r"^longer than the 2 s cap"):
        read_clip(HOSTILE / "flac_total_huge.flac", longest=2.0)


def test_too_much_at_a_high_rate(tmp_path: Path) -> None:
    path = tmp_path / "studio.flac"
    soundfile.write(path, np.zeros(192_000 * 3, dtype=np.int16), 192_000)
    with pytest.raises(AudioError, match="too much sound at 192000 Hz"):
        read_clip(path, longest=5.0)
    assert read_clip(path, duration=1.0, longest=5.0).duration == 1.0


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", tmp_path, Path("/dev/zero")):
        with pytest.raises(SourceError, match="not a regular file"):
            read_clip(path)


def test_descriptors_stay_as_they_were(plain: Frames) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for path in HOSTILE.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            read_clip(descriptor)
        except AudioError:
            pass
        finally:
            os.close(descriptor)  # fails if somebody closed it already
    assert len(os.listdir("/proc/self/fd")) == before


def test_mutated_files_never_get_further_than_a_refusal(tmp_path: Path) -> None:
    draw = random.Random(20261123)
    small = [path for path in sorted(HOSTILE.iterdir()) if 100 < path.stat().st_size < 60_000]
    path = tmp_path / "mutated"
    for _ in range(400):
        content = bytearray(draw.choice(small).read_bytes())
        for _ in range(draw.choice((1, 5, 50))):
            content[draw.randrange(min(len(content), draw.choice((64, 1 << 20))))] = draw.randrange(256)
        path.write_bytes(content)
        try:
            frames = read_clip(path, longest=20.0)
        except AudioError as refusal:
            assert str(refusal).isprintable()
        else:
            assert 0 < frames.duration <= 20.0


def test_flac_brings_every_sample_back(plain: Frames) -> None:
    extremes = np.array([-32768, 32767, 0, -1] * 3000, dtype=np.int16)
    for samples, rate in ((plain.samples, 16000), (extremes, 11025), (extremes[:1], 192_000)):
        back, back_rate = decode(encode_flac(samples, rate))
        np.testing.assert_array_equal(back, samples)
        assert back.dtype == np.int16 and back_rate == rate


def test_a_rate_that_flac_cannot_say() -> None:
    with pytest.raises(AudioError, match="65537 Hz cannot be kept as FLAC"):
        encode_flac(np.zeros(100, dtype=np.int16), 65537)


def test_decode_takes_only_what_a_store_holds(plain: Frames) -> None:
    flac = encode_flac(plain.samples, 16000)
    for damaged in (b"", b"fLaC", flac[: len(flac) // 2], bytes(1000)):
        with pytest.raises(AudioError):
            decode(damaged)
    out = io.BytesIO()
    soundfile.write(out, np.zeros((100, 2)), 16000, format="FLAC")
    for other in (out.getvalue(), (HOSTILE / "8k_alaw.wav").read_bytes()):
        with pytest.raises(AudioError, match="FLAC of one channel"):
            decode(other)


def test_identity_is_of_sound_and_rate(plain: Frames) -> None:
    one = identity(plain.samples, 16000)
    assert len(one) == 32
    assert identity(plain.samples.copy(), 16000) == one
    assert identity(plain.samples, 8000) != one
    changed = plain.samples.copy()
    changed[5] ^= 1
    assert identity(changed, 16000) != one


def test_peaks_are_the_largest_magnitudes() -> None:
    samples = np.zeros(1000, dtype=np.int16)
    samples[5], samples[250], samples[999] = 16384, -32768, 32767
    assert peaks(samples, 10) == bytes([127, 0, 255, 0, 0, 0, 0, 0, 0, 254])
    assert len(peaks(samples)) == 512
    assert peaks(np.array([-32768, 0], dtype=np.int16), 4) == bytes([255, 255, 0, 0])
    assert peaks(np.zeros(0, dtype=np.int16), 4) == bytes(4)


def test_lengths_in_words() -> None:
    assert [in_words(seconds) for seconds in (0, 59.6, 600, 2400, 75, 43_204)] == [
        "0 s",
        "1 min",
        "10 min",
        "40 min",
        "1 min 15 s",
        "12 h 4 s",
    ]


CHATTER = """
import sys
from earmark.queue.audio import AudioError, quiet_stderr, read_clip
def decode():
    try:
        read_clip(sys.argv[1])
    except AudioError:
        pass
if sys.argv[2] == "quiet":
    with quiet_stderr() as real:
        decode()
        print("told", file=real)
        print("told too", file=sys.stderr)
    print("after", file=sys.stderr)
else:
    decode()
"""


def test_the_decoders_chatter_is_kept_off_the_terminal() -> None:
    def said(how: str) -> str:
        clip = str(HOSTILE / "mp3_hole.mp3")
        return subprocess.run(
            [sys.executable, "-c", CHATTER, clip, how], stderr=subprocess.PIPE, text=True, check=True
        ).stderr

    assert "mpg123" in said("loud") or "MPEG" in said("loud")
    assert said("quiet") == "told\ntold too\nafter\n"


def test_quiet_stderr_leaves_a_replaced_stderr_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced = io.StringIO()
    monkeypatch.setattr(sys, "stderr", replaced)
    with quiet_stderr() as seen:
        os.write(2, b"chatter")
        print("told", file=sys.stderr)
    assert seen is replaced and replaced.getvalue() == "told\n"
