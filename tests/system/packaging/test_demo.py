"""The clips that ship with the program: few, small, in several languages, each credited."""

from __future__ import annotations

import json
from pathlib import Path

import soundfile

DEMO = Path(__file__).resolve().parents[3] / "tui" / "demo"
ROWS = [json.loads(line) for line in (DEMO / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


def test_eight_to_twelve_clips_in_three_languages() -> None:
    assert 8 <= len(ROWS) <= 12
    assert len({row["lang"] for row in ROWS}) >= 3


def test_all_together_are_at_most_a_megabyte_and_a_half() -> None:
    assert sum(file.stat().st_size for file in DEMO.iterdir()) <= 1_500_000


def test_the_manifest_names_every_file_and_nothing_else() -> None:
    assert {row["audio_filepath"] for row in ROWS} == {
        file.name for file in DEMO.iterdir() if file.name not in {"manifest.jsonl", "CREDITS.md"}
    }


def test_no_row_says_more_than_a_recogniser_would() -> None:
    assert {key for row in ROWS for key in row} == {"audio_filepath", "duration", "lang", "pred_text", "words"}


def test_durations_are_those_of_the_sound() -> None:
    for row in ROWS:
        heard = soundfile.info(DEMO / row["audio_filepath"]).duration
        assert abs(heard - row["duration"]) < 0.02, row["audio_filepath"]
        assert 2 <= heard <= 11, row["audio_filepath"]


def test_words_make_up_the_transcript_and_lie_in_the_clip_in_order() -> None:
    for row in ROWS:
        assert " ".join(word["word"] for word in row["words"]) == row["pred_text"]
        times = [time for word in row["words"] for time in (word["start"], word["end"])]
        assert times == sorted(times)
        assert times[0] >= 0
        assert times[-1] <= row["duration"]
        assert all(0 <= word["confidence"] <= 1 for word in row["words"])


def test_every_clip_is_credited() -> None:
    credited = (DEMO / "CREDITS.md").read_text(encoding="utf-8")
    for row in ROWS:
        assert f"**{row['audio_filepath']}**" in credited
