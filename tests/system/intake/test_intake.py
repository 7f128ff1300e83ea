"""Real and awkward corpora into a real store, in a process whose memory is counted."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.queue.audio import decode
from earmark.queue.store.open import open_store

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("EARMARK_SHARED", ROOT.parent / "shared"))
HOSTILE = SHARED / "hostile"
PLAIN = HOSTILE / "audio" / "plain.flac"
REFUSED_AUDIO = 26
MOST_MEMORY = 300


class Outcome:
    """What the loader said. A hang is a failure after two minutes."""

    def __init__(self, manifest: Path, folder: Path, *more: str) -> None:
        loader = Path(__file__).with_name("loader.py")
        ran = subprocess.run(
            [sys.executable, "-W", "error", loader, manifest, folder, *more],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr == ""
        said: dict[str, Any] = json.loads(ran.stdout)
        self.counts: dict[str, int] = said["loaded"]
        self.messages: dict[int, str] = dict(said["rejects"])
        self.memory: int = said["memory"]
        assert len(self.messages) == len(said["rejects"]) == self.counts["rejected"], "one line for each"
        for message in self.messages.values():
            assert message.isprintable(), repr(message)


def write(path: Path, audio: list[str], **more: Any) -> Path:
    rows = [{"audio_filepath": name, "text": "he was not an ill disposed young man"} | more for name in audio]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_all_real_speech_goes_in_and_sounds_as_it_did(tmp_path: Path) -> None:
    manifest = SHARED / "speech" / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    outcome = Outcome(manifest, tmp_path / "store")
    assert outcome.counts["added"] == len(rows) and not outcome.messages
    assert outcome.memory < MOST_MEMORY
    store = open_store(f"sqlite:///{tmp_path / 'store'}")
    leased = store.lease("ada", len(rows))
    assert len(leased) == len(rows)
    by_text = {row["pred_text"]: row for row in rows if row["pred_text"]}
    compared = 0
    for lease in leased:
        clip = lease.clip
        samples, rate = decode(store.audio("ada", clip.id))
        assert len(samples) == round(clip.duration * rate)
        row = by_text.get(clip.hypothesis.text)
        if row is None:
            continue
        wave, original_rate = soundfile.read(manifest.parent / row["audio_filepath"], dtype="float32", always_2d=True)
        assert (rate, len(samples), clip.lang) == (original_rate, len(wave), row["lang"])
        np.testing.assert_allclose(samples, np.clip(wave.mean(axis=1) * 32768, -32768, 32767), atol=1)
        assert abs(len(clip.hypothesis.words) - len(row["words"])) in (0, len(row["words"]))
        compared += 1
    assert compared > 40
    store.close()
    again = Outcome(manifest, tmp_path / "store")
    assert again.counts["known"] == len(rows) and not again.messages


def test_awkward_audio(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "audio").symlink_to(HOSTILE / "audio")
    names = sorted(os.listdir(HOSTILE / "audio"))
    manifest = write(folder / "all.jsonl", [f"audio/{name}" for name in names])
    # The link leads out of the corpus: refused, all of them.
    assert Outcome(manifest, tmp_path / "none").counts["rejected"] == len(names)
    manifest = write(folder / "all.jsonl", [str(HOSTILE / "audio" / name) for name in names])
    assert Outcome(manifest, tmp_path / "none").counts["rejected"] == len(names)

    (folder / "audio").unlink()
    (folder / "audio").mkdir()
    for name in names:
        (folder / "audio" / name).write_bytes((HOSTILE / "audio" / name).read_bytes())
    manifest = write(folder / "all.jsonl", [f"audio/{name}" for name in names])
    outcome = Outcome(manifest, tmp_path / "store")
    assert outcome.counts["rejected"] == REFUSED_AUDIO
    assert outcome.counts["added"] + outcome.counts["known"] == len(names) - REFUSED_AUDIO
    assert outcome.memory < MOST_MEMORY
    for line, message in outcome.messages.items():
        assert message.startswith(f"all.jsonl:{line}: audio/{names[line - 1]}: ")


@pytest.mark.parametrize("manifest", sorted((HOSTILE / "manifests").iterdir()), ids=lambda path: str(path.name))
def test_awkward_manifests(tmp_path: Path, manifest: Path) -> None:
    outcome = Outcome(manifest, tmp_path / "store")
    expected = {
        "bad_lines.jsonl": (1, 1, 5),
        "bom_crlf.jsonl": (1, 1, 0),
        "duplicates.jsonl": (1, 2, 0),
        "not_a_manifest.jsonl": (0, 0, 1),
        "paths.jsonl": (0, 0, 9),
        "text_nasty.jsonl": (1, 0, 10),
    }
    counts = outcome.counts
    assert (counts["added"], counts["known"], counts["rejected"]) == expected[manifest.name]
    assert "root:" not in str(outcome.messages)


def test_awkward_texts_that_go_in_are_harmless(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (HOSTILE / "manifests" / "text_nasty.jsonl").read_text().splitlines()]
    for number, row in enumerate(rows):
        # Each its own sound, or only the first would go in.
        soundfile.write(tmp_path / f"{number}.wav", np.full(8000, number / 100), 8000)
        row["audio_filepath"] = f"{number}.wav"
    manifest = tmp_path / "all.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome = Outcome(manifest, tmp_path / "store")
    assert outcome.counts["added"] == len(rows) - 1 and list(outcome.messages) == [10]
    store = open_store(f"sqlite:///{tmp_path / 'store'}")
    for lease in store.lease("ada", 100):
        text = lease.clip.hypothesis.text
        assert not re.search("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", text), repr(text)
    store.close()


def test_awkward_names(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    subprocess.run([sys.executable, HOSTILE / "make_names.py", PLAIN, folder], check=True)
    names = sorted(os.listdir(folder))
    outcome = Outcome(write(folder / "all.jsonl", names), tmp_path / "store")
    assert outcome.counts["added"] == 1 and outcome.counts["known"] == len(names) - 2
    assert list(outcome.messages.values()) == [
        "all.jsonl:" + f"{names.index('directory.wav') + 1}: directory.wav: a folder, not a file"
    ]


def test_special_files(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    subprocess.run(["sh", HOSTILE / "make_special.sh", folder], check=True)
    os.link(folder / "sparse_3gb.wav", folder / "sparse_3gb.mp3")
    names = sorted(os.listdir(folder))
    outcome = Outcome(write(folder / "all.jsonl", names), tmp_path / "store")
    assert outcome.memory < MOST_MEMORY
    reasons = {
        names[line - 1]: message.rpartition(f"{names[line - 1]}: ")[2] for line, message in outcome.messages.items()
    }
    assert set(reasons) == set(names)
    assert reasons["pipe.wav"] == "not a regular file"
    assert "symbolic links" in reasons["loop_a.wav"]
    assert reasons["dangling.wav"] == "there is no such file"
    assert reasons["self"] == "a folder, not a file"
    for name in ("escape.wav", "endless.wav"):
        assert reasons[name].startswith("lies outside")
    for name in ("sparse_3gb.wav", "sparse_3gb.mp3"):
        assert reasons[name].startswith("not audio")
    # The same as manifests: no hang either.
    for name in ("sparse_3gb.wav", "unreadable.wav"):
        assert Outcome(folder / name, tmp_path / "store").counts["rejected"] == 1


def test_the_longest_clips_that_may_be_stay_within_memory(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-9000, 9000, 48_000 * 599, dtype=np.int16)
    for number in range(3):
        noise[0] = number
        soundfile.write(tmp_path / f"{number}.wav", noise, 48_000)
    del noise
    outcome = Outcome(write(tmp_path / "all.jsonl", ["0.wav", "1.wav", "2.wav"]), tmp_path / "store")
    assert outcome.counts["added"] == 3
    assert outcome.memory < MOST_MEMORY


def test_a_dry_run_over_many_lines_stays_small(tmp_path: Path) -> None:
    draw = random.Random(1)
    (tmp_path / "audio").mkdir()
    for number in range(100):
        (tmp_path / "audio" / f"{number}.wav").write_bytes(b"x")
    manifest = write(tmp_path / "all.jsonl", [f"audio/{draw.randrange(101)}.wav" for _ in range(100_000)], duration=3.0)
    missing = manifest.read_text().count("audio/100.wav")
    loader = Path(__file__).with_name("loader.py")
    ran = subprocess.run(
        [sys.executable, loader, manifest, tmp_path / "store", "dry"], capture_output=True, text=True, check=True
    )
    said = json.loads(ran.stdout)
    assert said["loaded"]["added"] == 100_000 - missing and said["loaded"]["rejected"] == missing
    assert said["memory"] < 150
