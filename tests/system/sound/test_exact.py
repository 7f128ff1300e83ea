"""Every frame of a clip reaches the device, none is changed, none is added."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.tui.sound.prepare import nearest_rate, prepare
from earmark.tui.sound.sinks.choose import candidates
from earmark.tui.sound.sinks.interface import Ended, Sink, SinkEvent, Started

ONE_OF_EACH = [
    "en/en-lj001-0002-wav.wav",
    "en/en-lj001-0004-flac.flac",
    "et/et-alumae-lause2.ogg",
    "en/en-cv-22058266.mp3",
    "en/en-fleurs-004.ogg",
]
"""WAV, FLAC, Vorbis, MP3, Opus; 22.05, 16 and 48 kHz."""

Play = Callable[[str, bytes, int], list[SinkEvent]]


@pytest.fixture
def play(alsa_file: Path) -> Iterator[Play]:
    """Play PCM through a sink to its end."""
    opened: dict[str, Sink] = {}
    events: list[SinkEvent] = []
    ended = threading.Event()

    def report(event: SinkEvent) -> None:
        events.append(event)
        if not isinstance(event, Started):
            ended.set()

    def play(name: str, pcm: bytes, rate: int) -> list[SinkEvent]:
        if name not in opened:
            opened[name] = candidates(name)[0](report)
        events.clear()
        ended.clear()
        opened[name].play(7, pcm, rate)
        assert ended.wait(20), events
        return list(events)

    yield play
    for sink in opened.values():
        sink.close()


def decoded(path: Path) -> tuple[Any, int]:
    """One channel, as the review screen gets it, at a rate that every sink takes; the loudness is left alone."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    whole = np.clip(np.rint(samples[:, 0] * 32767), -32768, 32767).astype("<i2")
    assert nearest_rate(rate) == rate
    return whole, rate


def check(events: list[SinkEvent], capture: Path, soundlab: Any, expected: Any, rate: int) -> None:
    assert [type(event) for event in events] == [Started, Ended]
    assert {event.generation for event in events} == {7}
    played, played_rate = soundlab.read_wav(capture)
    assert (played_rate, played.shape[1]) == (rate, 1)
    assert np.array_equal(played[: expected.size, 0], expected)
    # What is missing in the last period is filled up with silence.
    assert not played[expected.size :].any()


def test_simpleaudio_plays_every_clip_bit_for_bit(play: Play, alsa_file: Path, soundlab: Any, shared: Path) -> None:
    manifest = (shared / "speech/manifest.jsonl").read_text().splitlines()
    paths = [shared / "speech" / json.loads(line)["audio_filepath"] for line in manifest]
    assert len(paths) > 50
    for path in paths:
        expected, rate = decoded(path)
        check(play("simpleaudio", expected.tobytes(), rate), alsa_file, soundlab, expected, rate)


@pytest.mark.parametrize(
    ("name", "clip"),
    [*(("command", clip) for clip in ONE_OF_EACH), *(("miniaudio", clip) for clip in ONE_OF_EACH[2:4])],
)
def test_so_do_the_other_sinks(name: str, clip: str, play: Play, alsa_file: Path, soundlab: Any, shared: Path) -> None:
    expected, rate = decoded(shared / "speech/audio" / clip)
    check(play(name, expected.tobytes(), rate), alsa_file, soundlab, expected, rate)


@pytest.mark.parametrize("name", ["simpleaudio", "miniaudio", "command"])
@pytest.mark.parametrize("count", [1, 100, 3000])
def test_a_very_short_clip_plays(name: str, count: int, play: Play, alsa_file: Path, soundlab: Any) -> None:
    expected = np.arange(1, count + 1).astype("<i2")
    check(play(name, expected.tobytes(), 16000), alsa_file, soundlab, expected, 16000)


def test_a_rate_that_simpleaudio_refuses_plays_after_it_was_prepared(
    play: Play, alsa_file: Path, soundlab: Any
) -> None:
    tone = (9000 * np.sin(2 * np.pi * 440 * np.arange(12000) / 12000)).astype(np.int16)
    sound = prepare(tone, 12000)
    expected = np.frombuffer(sound.pcm, "<i2")
    check(play("simpleaudio", sound.pcm, sound.rate), alsa_file, soundlab, expected, 16000)


@pytest.mark.parametrize("name", ["simpleaudio", "miniaudio", "command"])
def test_no_sound_at_all_ends_at_once(name: str, play: Play) -> None:
    assert [type(event) for event in play(name, b"", 16000)] == [Started, Ended]
