"""A manifest's way into a store, with one that lives in memory."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile

from earmark.queue.audio import decode
from earmark.queue.clip import Hypothesis
from earmark.queue.intake import Loaded, Reject, load, reject_report
from earmark.queue.source import SourceError
from earmark.queue.store.interface import Incoming, Store

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("EARMARK_SHARED", ROOT.parent / "shared"))
PLAIN = SHARED / "hostile" / "audio" / "plain.flac"


class Shelf:
    """As much of a store as `load` needs; takes clips two at a time, as a store takes them in transactions."""

    def __init__(self) -> None:
        self.clips: list[Incoming] = []
        self.withdrawn: set[bytes] = set()

    def add(self, clips: Iterable[Incoming]) -> Iterator[str]:
        waiting: list[str] = []
        for clip in clips:
            waiting.append(self._take(clip))
            if len(waiting) == 2:
                yield from waiting
                waiting = []
        yield from waiting

    def _take(self, clip: Incoming) -> str:
        if clip.identity in self.withdrawn:
            return "withdrawn"
        for known in self.clips:
            if known.identity == clip.identity:
                return "known" if known.hypothesis == clip.hypothesis else "other text"
        self.clips.append(clip)
        return "added"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Eight tones of a second, `0.wav` to `7.wav`, and one plain clip."""
    for tone in range(8):
        wave = np.sin(np.arange(8000) * (0.1 + 0.05 * tone)) * 0.5
        soundfile.write(tmp_path / f"{tone}.wav", wave, 8000)
    shutil.copyfile(PLAIN, tmp_path / "plain.flac")
    return tmp_path


def manifest(corpus: Path, *rows: dict[str, Any] | str) -> Path:
    path = corpus / "all.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def tone(number: int, **more: Any) -> dict[str, Any]:
    return {"audio_filepath": f"{number}.wav", "duration": 1.0, "pred_text": f"tone {number}"} | more


def loaded(path: Path, shelf: Shelf | None, **options: Any) -> tuple[Loaded, list[str]]:
    told: list[str] = []
    counts = load(path, cast(Store, shelf), on_reject=lambda reject: told.append(str(reject)), **options)
    return counts, told


def test_clips_arrive_in_order_and_whole(corpus: Path) -> None:
    words = [{"word": "tone", "start": 0.1, "end": 0.4, "confidence": 0.5}, {"word": "0"}]
    path = manifest(corpus, tone(0, words=words, lang="en", speaker=5), *(tone(n, speaker="x") for n in range(1, 8)))
    shelf = Shelf()
    counts, told = loaded(path, shelf, subject_field="speaker", workers=4)
    assert (counts, told) == (Loaded(added=8), [])
    assert [clip.source for clip in shelf.clips] == [f"{n}.wav" for n in range(8)]
    first = shelf.clips[0]
    samples, rate = decode(first.audio)
    assert (len(samples), rate, first.duration, first.rate) == (8000, 8000, 1.0, 8000)
    assert (first.lang, first.subject, len(first.peaks), max(first.peaks)) == ("en", "5", 512, 127)
    assert first.hypothesis.words[0].confidence == 0.5
    assert len({clip.identity for clip in shelf.clips}) == 8


def test_twice_changes_nothing(corpus: Path) -> None:
    path = manifest(corpus, *(tone(n) for n in range(5)))
    shelf = Shelf()
    assert loaded(path, shelf)[0] == Loaded(added=5)
    assert loaded(path, shelf) == (Loaded(known=5), [])
    assert len(shelf.clips) == 5


def test_the_same_sound_with_another_text_names_the_line(corpus: Path) -> None:
    shutil.copyfile(corpus / "0.wav", corpus / "copy.wav")
    path = manifest(corpus, tone(0), tone(1), tone(0, audio_filepath="copy.wav", pred_text="other"), tone(0))
    counts, told = loaded(path, Shelf())
    assert counts == Loaded(added=2, known=1, rejected=1, other_text=1)
    assert told == [
        "all.jsonl:3: copy.wav: the same sound is in the store already with another text; the first one stays"
    ]


def test_withdrawn_clips_are_refused(corpus: Path) -> None:
    path = manifest(corpus, tone(0), tone(1))
    shelf = Shelf()
    load(path, cast(Store, shelf))
    gone = shelf.clips.pop(0)
    shelf.withdrawn.add(gone.identity)
    counts, told = loaded(path, shelf)
    assert counts == Loaded(known=1, rejected=1, withdrawn=1)
    assert told == ["all.jsonl:1: 0.wav: withdrawn: it may not come in again"]


def test_what_is_bad_is_told_and_the_rest_goes_in(corpus: Path) -> None:
    (corpus / "noise.wav").write_bytes(b"noise" * 100)
    path = manifest(
        corpus,
        tone(0),
        "{oops",
        tone(1, audio_filepath="missing.wav"),
        tone(2, audio_filepath="noise.wav"),
        tone(3, offset=5.0),
        tone(4, duration=700.0),
        tone(5, duration="1"),
        tone(6),
    )
    shelf = Shelf()
    counts, told = loaded(path, shelf)
    assert counts == Loaded(added=2, rejected=6)
    assert sorted(told) == [
        "all.jsonl:2: not JSON: it breaks at character 2 of the line",
        "all.jsonl:3: missing.wav: there is no such file",
        "all.jsonl:4: noise.wav: not audio, or of a kind that cannot be read: convert it to WAV or FLAC",
        "all.jsonl:5: 3.wav: the part begins at 5 s, where the recording has ended (1.00 s)",
        "all.jsonl:6: 4.wav: 11 min 40 s is longer than the 10 min cap: give the part with offset and duration,"
        " or raise longest_clip",
        "all.jsonl:7: duration: must be a number, is text",
    ]


def test_parts_of_one_recording(corpus: Path) -> None:
    parts = [{"audio_filepath": "plain.flac", "offset": at, "duration": 0.5, "text": "part"} for at in (0, 0.5, 1.25)]
    shelf = Shelf()
    assert loaded(manifest(corpus, *parts), shelf)[0] == Loaded(added=3)
    assert [(clip.source, clip.duration) for clip in shelf.clips] == [
        ("plain.flac", 0.5),
        ("plain.flac#t=0.5,1", 0.5),
        ("plain.flac#t=1.25,1.75", 0.5),
    ]


def test_the_cap_and_the_roots_can_be_set(corpus: Path) -> None:
    (corpus / "lists" / "deep").mkdir(parents=True)
    path = corpus / "lists" / "deep" / "all.jsonl"
    path.write_text(json.dumps({"audio_filepath": "../../plain.flac", "text": ""}) + "\n")
    assert loaded(path, Shelf())[0] == Loaded(rejected=1)
    assert loaded(path, Shelf(), roots=[corpus])[0] == Loaded(added=1)
    assert loaded(path, Shelf(), roots=[corpus], longest=2.0)[0] == Loaded(rejected=1)


def test_a_clip_without_hypothesis(corpus: Path) -> None:
    shelf = Shelf()
    assert loaded(manifest(corpus, tone(0, pred_text=None, words=None)), shelf)[0] == Loaded(added=1)
    assert shelf.clips[0].hypothesis == Hypothesis("")


def test_a_dry_run_looks_and_decodes_nothing(corpus: Path) -> None:
    (corpus / "noise.wav").write_bytes(b"noise" * 100)
    path = manifest(corpus, tone(0), tone(1, audio_filepath="noise.wav"), tone(2, audio_filepath="missing.wav"), "{")
    counts, told = loaded(path, None, dry_run=True)
    assert counts == Loaded(added=2, rejected=2)
    assert len(told) == 2
    script = (
        "import sys; from pathlib import Path; from earmark.queue.intake import load\n"
        "load(Path(sys.argv[1]), None, dry_run=True); assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, path], check=True)


def test_a_dry_run_leaves_the_store_alone(corpus: Path) -> None:
    shelf = Shelf()
    assert loaded(manifest(corpus, tone(0)), shelf, dry_run=True)[0] == Loaded(added=1)
    assert shelf.clips == []


@pytest.mark.parametrize("dry_run", [True, False])
def test_progress_is_told_by_bytes_up_to_the_end(corpus: Path, dry_run: bool) -> None:
    path = manifest(corpus, *(tone(n % 8) for n in range(40)), "{", tone(0, audio_filepath="missing.wav"))
    size = path.stat().st_size
    steps: list[tuple[int, int]] = []
    load(path, cast(Store, Shelf()), dry_run=dry_run, on_progress=lambda done, total: steps.append((done, total)))
    assert {total for _, total in steps} == {size}
    done = [done for done, _ in steps]
    assert done[-1] == size and len(done) > 30
    assert all(0 < each <= size for each in done)


def test_only_so_much_is_decoded_ahead(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that takes its time must not make the whole corpus pile up in memory."""
    from earmark.queue import intake

    prepared = 0
    lock = threading.Lock()
    prepare = intake._prepare

    def counting(*args: Any) -> Incoming | str:
        nonlocal prepared
        with lock:
            prepared += 1
        return prepare(*args)

    monkeypatch.setattr(intake, "_prepare", counting)

    class Slow(Shelf):
        ahead: list[int]
        order: list[str]

        def add(self, clips: Iterable[Incoming]) -> Iterator[str]:
            self.ahead, self.order = [], []
            for taken, clip in enumerate(clips, 1):
                self.ahead.append(prepared - taken)
                self.order.append(clip.source)
                yield self._take(clip)

    slow = Slow()
    load(manifest(corpus, *(tone(n % 8) for n in range(100))), cast(Store, slow), workers=2)
    assert prepared == 100 and max(slow.ahead) <= 8
    assert slow.order == [f"{n % 8}.wav" for n in range(100)]
    # Two clips that may take the whole cap are never in memory together.
    prepared = 0
    long = [{"audio_filepath": f"{n}.wav", "text": ""} for n in range(8)]
    load(manifest(corpus, *long), cast(Store, slow), workers=2)
    assert prepared == 8 and max(slow.ahead) <= 1


def test_a_store_that_fails_stops_the_work(corpus: Path) -> None:
    class Full(Shelf):
        def add(self, clips: Iterable[Incoming]) -> Iterator[str]:
            next(iter(clips))
            raise OSError(28, "No space left on device")
            yield

    threads = threading.active_count()
    with pytest.raises(OSError, match="No space left"):
        load(manifest(corpus, *(tone(n) for n in range(8))), cast(Store, Full()))
    assert threading.active_count() == threads


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_manifest_that_is_not_there(tmp_path: Path, dry_run: bool) -> None:
    with pytest.raises(SourceError, match="there is no such file"):
        load(tmp_path / "missing.jsonl", cast(Store, Shelf()), dry_run=dry_run)


def test_no_message_tells_a_text(corpus: Path) -> None:
    secret = "zebrafish"
    bad: list[dict[str, Any] | str] = [
        tone(0, pred_text=secret, duration=secret),
        tone(1, pred_text=secret, words=[{"word": secret, "start": secret}]),
        tone(2, pred_text=secret * 10_000),
        tone(3, pred_text=secret, audio_filepath="missing.wav"),
        json.dumps(tone(4, pred_text=secret))[:-5],
        json.dumps(tone(5, pred_text="@")).replace("@", secret + "\\x"),
        json.dumps(tone(6, pred_text="@")).replace("@", secret + "\x01"),
        tone(7, pred_text=[secret]),
        json.dumps(secret),
    ]
    counts, told = loaded(manifest(corpus, *bad), Shelf())
    assert counts == Loaded(rejected=len(bad))
    assert secret not in "".join(told)


def test_the_report_has_a_line_for_each(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    with reject_report(path) as report:
        report(Reject(file="all.jsonl", line=3, reason="not JSON"))
        report(Reject(file="all.jsonl", line=4, reason="there is no such file", audio="ü\\x1b.wav"))
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"file": "all.jsonl", "line": 3, "reason": "not JSON", "audio": None},
        {"file": "all.jsonl", "line": 4, "reason": "there is no such file", "audio": "ü\\x1b.wav"},
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(OSError, match="No such file"), reject_report(tmp_path / "missing" / "rejects.jsonl"):
        pass
