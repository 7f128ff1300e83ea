"""Ten clips of real speech reviewed in the real screen, heard through real SSH by each receiver, sample by sample."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.queue.audio import read_clip
from earmark.tui.sound.track import Track
from farend import until
from needs import need
from terminal.console import Console
from terminal.desk import Desk, decide, leave, wait_for
from workstation import Host, Workstation

LONG = bool(os.environ.get("EARMARK_LONG"))
SEED = int(os.environ.get("EARMARK_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
SAMPLED = random.Random(SEED).choice(["dash", "bash", "python3"])
"""What hears all ten clips in their own time; the others hear one."""

WAYS = [(shell, answers) for shell in ("dash", "bash", "python3") for answers in (True, False)]
FILE_WAYS = [way for way in WAYS if LONG or way[1] or way[0] == SAMPLED]
BLOCK = 320
RATE = 16000
STRETCH = 4000  # frames of the recording, a quarter of a second


def prepared(path: Path) -> tuple[Any, int]:
    """What should sound of a clip, and its rate."""
    clip = read_clip(path)
    cut = Track(clip.samples, clip.rate).cut(0.0, clip.duration, 1.0)
    return np.frombuffer(cut.pcm, "<i2"), cut.rate


def opened(desk: Desk, name: str) -> Console:
    """The review screen, once the receiver has joined."""
    console = desk.review("--sound", "speaker")
    console.wait(f"♪ speaker{name}", 30)
    return console


@pytest.fixture(autouse=True)
def _seed() -> None:
    need("dash", "bash", "aplay", "paplay", "flac")
    print(f"EARMARK_SEED={SEED} EARMARK_LONG={LONG}")


@pytest.fixture
def card(alsa_file: Path, tmp_path: Path) -> Iterator[tuple[dict[str, str], Path]]:
    """The environment of a sound card that writes what it plays into a file, and that file."""
    names = ("ALSA_CONFIG_PATH", "PULSE_SERVER", "PULSE_RUNTIME_PATH", "PIPEWIRE_RUNTIME_DIR")
    yield {name: os.environ[name] for name in names}, alsa_file


@pytest.mark.parametrize(("shell", "answers"), FILE_WAYS)
def test_every_sample_reaches_the_card(
    shell: str,
    answers: bool,
    desk: Desk,
    host: Host,
    ten: list[Path],
    card: tuple[dict[str, str], Path],
    tmp_path: Path,
    soundlab: Any,
) -> None:
    """The card is faster than real time. So a sound that ends too soon counts as broken off, and is not heard."""
    environment, capture = card
    desk.settings["EARMARK_MUST_HEAR"] = "0"
    station = Workstation(tmp_path / "station", host, environment)
    clips = desk.clips()
    many = 10 if LONG or answers else 1
    name = f" {'python' if shell == 'python3' else 'sh'}/aplay" if answers else ""
    with station.listen(shell, "aplay", answers=answers), opened(desk, name) as console:
        for number, path in enumerate(ten[:many]):
            wait_for(console, clips[number])
            expected, rate = prepared(path)
            until(partial(is_in, capture, expected, rate, soundlab), console.text)
            if answers:
                console.wait("paused", 20)
            capture.unlink()
            decide(console, "enter")
        leave(console)
    decided = [line for line in desk.journal() if line["kind"] == "decision"]
    assert [line["clip"] for line in decided] == [clip.id for clip in clips[:many]]
    assert not list(station.temporary.iterdir())


def is_in(capture: Path, expected: Any, rate: int, soundlab: Any) -> bool:
    """Whether the file holds these samples and after them nothing but silence."""
    if not capture.exists() or capture.stat().st_size < 44 + expected.nbytes:
        return False
    played, played_rate = soundlab.read_wav(capture)
    same: bool = np.array_equal(played[: expected.size, 0], expected) and not played[expected.size :].any()
    return played_rate == rate and same


@pytest.mark.parametrize(("shell", "answers"), WAYS)
def test_every_clip_is_heard_in_its_own_time(
    shell: str, answers: bool, desk: Desk, host: Host, ten: list[Path], recording: Any, tmp_path: Path
) -> None:
    station = Workstation(tmp_path / "station", host, recording.environment)
    clips = desk.clips()
    name = f" {'python' if shell == 'python3' else 'sh'}/paplay" if answers else ""
    many = 10 if LONG or (answers and shell == SAMPLED) else 1
    with station.listen(shell, "paplay", answers=answers), opened(desk, name) as console:
        place = 0
        for number, path in enumerate(ten[:many]):
            wait_for(console, clips[number])
            console.wait("heard 100%" if answers else "heard about 100%", 30)
            console.wait("paused")
            expected, rate = prepared(path)
            now = time.monotonic()
            recording.between(now, now + 0.4)  # what sounded last has been recorded then
            place = heard(recording.samples, place, expected, rate)
            decide(console, "enter")
        leave(console)
    shares = [line["heard"] for line in desk.journal() if line["kind"] == "decision"]
    assert shares == [1.0] * many
    assert not list(station.temporary.iterdir())


def heard(samples: Any, place: int, expected: Any, rate: int) -> int:
    """Check that a clip came out after a place of the recording; gives the place at which it ends.

    At the card's own rate block by block, sample by sample: a busy machine may let the server or the recorder drop a
    few. At another the server makes new samples: then by correlation.
    """
    after = samples[place:]
    if rate == 16000:
        data, at, found = after.tobytes(), 0, 0
        blocks = [expected[start : start + BLOCK].tobytes() for start in range(0, expected.size - BLOCK, BLOCK)]
        blocks = [block for block in blocks if any(block)]
        for block in blocks:
            here = data.find(block, at)
            if here >= 0:
                found, at = found + 1, here
        assert found > 0.8 * len(blocks), f"{found} of {len(blocks)} blocks came out"
        return place + at // 2
    wanted = np.interp(np.arange(0, expected.size, rate / 16000), np.arange(expected.size), smooth(expected, rate))
    offset, _ = best(after.astype(float), wanted)
    found = total = 0
    for start in range(0, wanted.size - STRETCH, STRETCH):
        block = wanted[start : start + STRETCH]
        if np.abs(block).max() < 500:
            continue  # a pause is like any other
        # What was dropped or held up before moves all that follows.
        first = max(0, offset + start - RATE)
        moved, likeness = best(after[first : first + 2 * RATE + STRETCH].astype(float), block)
        total += 1
        if likeness > 0.95:
            found, offset = found + 1, first + moved - start
    assert total and found > 0.8 * total, f"{found} of {total} stretches came out"
    return place + offset + wanted.size


def smooth(samples: Any, rate: int) -> Any:
    """Without what a card of 16 kHz cannot play."""
    spectrum = np.fft.rfft(samples.astype(float))
    spectrum[np.fft.rfftfreq(samples.size, 1 / rate) > 7500] = 0
    return np.fft.irfft(spectrum, samples.size)


def best(samples: Any, wanted: Any) -> tuple[int, float]:
    """Where a stretch of the samples is the most like what is wanted, and how much, from 0 to 1."""
    size = 1 << int(np.ceil(np.log2(samples.size + wanted.size)))
    products = np.fft.irfft(np.fft.rfft(samples, size) * np.conj(np.fft.rfft(wanted, size)), size)
    products = products[: max(1, samples.size - wanted.size)]
    offset = int(np.argmax(products))
    stretch = samples[offset : offset + wanted.size]
    power = float(np.linalg.norm(stretch) * np.linalg.norm(wanted[: stretch.size]))
    return offset, float(products[offset]) / power if power else 0.0
