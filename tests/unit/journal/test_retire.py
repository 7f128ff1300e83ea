"""Retiring many clips: with few syncs and few reads, in small jobs, and even when the program ends in the middle."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from earmark.queue import files
from earmark.queue.decision import Decision, Draft
from earmark.queue.journal import Journal, NotSaved, erasing
from earmark.queue.journal.retiring import Retirement
from earmark.queue.journal.segments import Segment
from earmark.queue.journal.verify import verify
from earmark.queue.sync import retire

Decide = Callable[..., Decision]
MakeDraft = Callable[[str, str], Draft]
Start = Callable[..., Journal]
BytesIn = Callable[[Path], bytes]
Interrupt = Callable[[int, BaseException], Callable[[], int]]

DAYS = 12
CLIPS = 30
LATER = "2026-12-31T00:00:00.000Z"


def clips_of(day: int) -> list[str]:
    return [f"day{day}-{n}" for n in range(CLIPS)]


@pytest.fixture
def many(start: Start, decide: Decide) -> Journal:
    """A segment for each of some days, with other clips each."""
    journal = start(segment_bytes=1)
    journal._segment_bytes = 1 << 20
    for day in range(DAYS):
        journal._day = ""  # a new day has come
        for clip in clips_of(day):
            journal.append(decide(clip, f"words of {clip}"))
    assert len(journal._segments) == DAYS
    return journal


class Counted:
    """How often the disk was waited for, and which segments were read."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.syncs = 0
        self.read: list[str] = []
        for name in ("fsync", "fdatasync"):
            patch.setattr(os, name, self._counting(getattr(os, name)))
        read = Segment.read

        def note(segment: Segment) -> bytes:
            self.read.append(segment.path.name)
            return read(segment)

        patch.setattr(Segment, "read", note)

    def _counting(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(fd: int) -> None:
            self.syncs += 1
            real(fd)

        return sync


@pytest.fixture
def counted(many: Journal, monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def test_many_clips_cost_few_syncs_and_only_their_own_segments(many: Journal, counted: Counted, folder: Path) -> None:
    assert many.retire(clips_of(2)) == CLIPS
    assert counted.syncs < 10
    assert set(counted.read) == {"000003.jsonl", f"{DAYS:06}.jsonl"}, "the newest takes the erasure lines"
    texts = {entry.clip: entry.text for entry in many.entries() if entry.verdict}
    assert {clip for clip, text in texts.items() if text is None} == set(clips_of(2))
    report = verify(folder)
    assert (report.faults, report.erased, report.erasures) == ((), CLIPS, CLIPS)


def test_one_clip_costs_its_own_segments_alone(many: Journal, counted: Counted, decide: Decide) -> None:
    assert many.erase("day3-0", "withdrawal") == 1
    assert set(counted.read) == {"000004.jsonl"}
    many.append(decide("day3-1", "other words"))
    counted.read.clear()
    assert many.erase("day3-1", "critical") == 2
    assert set(counted.read) == {f"{n:06}.jsonl" for n in range(4, DAYS + 1)}
    counted.read.clear()
    assert many.erase("day3-1", "critical") == 0
    assert many.erase("unknown", "withdrawal") == 0
    assert counted.read == []


def test_jobs_are_small(many: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "FEW", 20)
    work = Retirement(many)
    assert retire(work, many.head.seq, LATER) == 0
    assert many.head.seq == DAYS * CLIPS, "nothing is written before the jobs"
    jobs = []
    while work.due:
        jobs.append(work.go_on())
    assert sum(jobs) == DAYS * CLIPS
    assert max(jobs) <= 20


def test_clips_that_lie_far_apart_are_in_jobs_of_their_own(many: Journal, counted: Counted) -> None:
    due = [f"day{day}-{n}" for n in range(2) for day in range(DAYS)]
    many.retire_some(due, many.head.seq)
    assert len(set(counted.read)) <= erasing.FEW_SEGMENTS + 1
    assert due[0] == f"day{erasing.FEW_SEGMENTS}-0"


def test_what_is_decided_or_typed_between_two_jobs_stays(
    start: Start, decide: Decide, draft: MakeDraft, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "FEW", 1)
    journal = start()
    for n in range(4):
        journal.append(decide(f"c{n}", "old words"))
    work = Retirement(journal)
    retire(work, journal.head.seq, LATER)
    assert work.go_on() == 1
    journal.append(decide("c1", "new words"))
    journal.append(draft("c2", "half a word"))
    assert journal.erase("c3", "withdrawal") == 1
    while work.due:
        assert work.go_on() == 0
    texts = [(entry.clip, entry.text) for entry in journal.entries() if entry.reason is None]
    assert texts == [
        ("c0", None),
        ("c1", "old words"),
        ("c2", "old words"),
        ("c3", None),
        ("c1", "new words"),
        ("c2", "half a word"),
    ]
    reasons = [(entry.clip, entry.reason) for entry in journal.entries() if entry.reason]
    assert reasons == [("c0", "retention"), ("c3", "withdrawal")]
    assert verify(folder).faults == ()


def test_cut_off_anywhere_all_of_a_job_is_done_or_nothing(
    tmp_path: Path,
    decide: Decide,
    draft: MakeDraft,
    interrupt: Interrupt,
    crash: type[BaseException],
    bytes_in: BytesIn,
) -> None:
    steps = reached = unstarted = 0
    sizes: set[int] = set()
    gone = [f"gone{n}" for n in range(6)]
    while reached == steps:  # until one run goes through
        steps += 1
        folder = tmp_path / f"at-{steps}"
        with Journal.open(folder, "anna", app="0.1.0", segment_bytes=2000) as journal:
            for n, clip in enumerate(gone):
                journal.append(decide(clip, "SECRET", note="SECRET"))
                journal.append(draft(clip, "SECRET half"))
                journal.append(decide(f"more{n}", "kept words"))
            disarm = interrupt(steps, crash())
            try:
                journal.retire_some(list(gone), journal.head.seq)
            except crash:
                pass
            finally:
                reached = disarm()
            if reached == steps:
                with suppress(NotSaved):  # said once nobody knows what is on the disk
                    journal.append(decide("meanwhile"))
        assert verify(folder).faults == ()
        with Journal.open(folder, "anna", app="0.1.0", segment_bytes=2000) as journal:
            entries = list(journal.entries())
            erasures = [entry.clip for entry in entries if entry.reason]
            texts = {entry.text for entry in entries if entry.clip in gone and entry.reason is None}
            if erasures:
                assert erasures == gone[: len(erasures)]
                sizes.add(len(erasures))
                whole = set(erasures)
                assert all(entry.erased for entry in entries if entry.clip in whole and entry.reason is None)
            else:  # not begun
                assert texts == {"SECRET", "SECRET half"}
                unstarted += 1
            assert len([entry for entry in entries if entry.text == "kept words"]) == 6
            journal.retire(gone)
            assert b"SECRET" not in bytes_in(folder)
            assert journal.append(decide("after")).seq == journal.head.seq
        assert verify(folder).faults == ()
    assert steps > 10
    assert 0 < unstarted < 8
    assert len(sizes) == 1 and min(sizes) > 1


def test_a_disk_that_refuses_leaves_the_rest_to_another_sitting(
    start: Start, decide: Decide, folder: Path, bytes_in: BytesIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = start()
    for n in range(3):
        journal.append(decide(f"c{n}", "SECRET"))
    work = Retirement(journal)
    retire(work, journal.head.seq, LATER)

    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "no")

    with monkeypatch.context() as patch:
        patch.setattr(files, "replace", full)
        with pytest.raises(NotSaved, match=r"nothing was erased.*full"):
            work.go_on()
        with pytest.raises(NotSaved):
            journal.erase("unknown", "withdrawal")
    assert work.due == []
    journal.reopen()
    assert [entry.text for entry in journal.entries()] == ["SECRET"] * 3
    assert journal.retire(["c0", "c1", "c2"]) == 3
    assert b"SECRET" not in bytes_in(folder)
    assert verify(folder).faults == ()


@pytest.mark.parametrize("seed", range(5))
def test_whatever_came_before_an_erasure_finds_every_payload(
    start: Start, decide: Decide, draft: MakeDraft, folder: Path, seed: int
) -> None:
    chance = random.Random(seed)
    journal = start(segment_bytes=3000)
    clips = [f"c{n}" for n in range(8)]
    for _ in range(150):
        clip = chance.choice(clips)
        what = chance.choice(["decide", "decide", "draft", "skip", "critical", "erase", "retire", "open"])
        there = [entry.clip for entry in journal.entries() if entry.payload is not None]
        if what == "decide":
            journal.append(decide(clip, "words " * chance.randint(1, 60)))
        elif what == "draft":
            journal.append(draft(clip, chance.choice(["half", ""])))
        elif what == "skip":
            journal.append(decide(clip, verdict="skipped", shown=None))
        elif what == "critical":
            journal.append(decide(clip, verdict="critical"))
        elif what == "erase":
            assert journal.erase(clip, "withdrawal") == there.count(clip)
        elif what == "retire":
            some = chance.sample(clips, 3)
            assert journal.retire(some) == sum(map(there.count, some))
        else:
            journal.close()
            journal = start(segment_bytes=3000)
    assert verify(folder).faults == ()
    assert len(journal._segments) > 5
