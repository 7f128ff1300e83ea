"""Verification finds every change, says where, and minds no writer."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.queue import files
from earmark.queue.decision import Decision, Draft
from earmark.queue.journal import Journal, JournalError
from earmark.queue.journal import verify as verifying
from earmark.queue.journal.line import chain_in, encode, erased, reissued
from earmark.queue.journal.verify import Fault, verify

Decide = Callable[..., Decision]
Start = Callable[..., Journal]


@pytest.fixture
def filled(start: Start, decide: Decide, draft: Callable[[str, str], Draft], folder: Path) -> Path:
    """A closed journal of six lines of every kind; its one segment."""
    with start() as journal:
        journal.append(decide("c1", "one"))
        journal.append(draft("c2", "two"))
        journal.append(decide("c3", verdict="critical"))
        journal.append(decide("c4", "four", note="why"))
        journal.append(decide("c1", verdict="skipped", shown=None))
        journal.erase("c1", "withdrawal")
    return folder / "000001.jsonl"


def test_a_sound_journal(filled: Path, folder: Path, start: Start) -> None:
    report = verify(folder)
    assert report.faults == ()
    assert (report.segments, report.lines, report.decisions, report.drafts, report.erasures) == (1, 6, 4, 1, 1)
    assert report.erased == 1
    with start() as journal:
        assert (report.head, report.device) == (journal.head, journal.device)


def test_every_flipped_bit_is_found(filled: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "_SETTLE", 0)
    data = filled.read_bytes()
    lines = data.splitlines(keepends=True)
    starts = [sum(map(len, lines[:n])) for n in range(len(lines))]
    missed = []
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        filled.write_bytes(flipped)
        faults = verify(folder).faults
        line = sum(start <= bit // 8 for start in starts)
        if not any(fault.line == line for fault in faults):
            missed.append(bit)
    assert missed == []


def test_what_is_wrong_is_said_where_it_is(filled: Path, folder: Path) -> None:
    lines = filled.read_bytes().splitlines(keepends=True)

    def faults(*changed: bytes) -> list[tuple[int, int | None, str]]:
        filled.write_bytes(b"".join(changed))
        return [(fault.line, fault.seq, fault.what) for fault in verify(folder).faults]

    assert faults(*lines) == []
    assert faults(lines[0], *lines[2:]) == [
        (2, 3, "the chain is broken: this line or the one before it has been changed"),
        (2, 3, "line 2 is missing before it"),
    ]
    assert faults(lines[0], *lines[3:])[1][2] == "lines 2 to 3 are missing before it"
    assert "twice" in faults(*lines[:2], lines[1], *lines[2:])[1][2]
    assert faults(*lines[:3], lines[3].replace(b"four", b"five"), *lines[4:]) == [
        (4, 4, "the payload is not the one that was committed")
    ]
    assert faults(*lines[:3], erased(lines[3]), *lines[4:]) == [
        (4, 4, "its payload is gone, and no later line erases it")
    ]
    assert faults(*lines[:5]) == [(1, 1, "its payload is gone, and no later line erases it")]
    assert faults(*lines[:2], b"scrawl\n", *lines[3:]) == [(3, None, "not a journal line")]
    assert faults(*lines[:5], lines[5][:50]) == [
        (1, 1, "its payload is gone, and no later line erases it"),
        (6, None, "the line is cut off: its line feed is missing"),
    ]
    assert faults(lines[0], lines[2], lines[1], *lines[3:])


def test_faults_are_told_without_text(filled: Path, folder: Path) -> None:
    filled.write_bytes(filled.read_bytes().replace(b'"four"', b'"f\xffur"').replace(b'"two"', b'"tow"'))
    told = [str(fault) for fault in verify(folder).faults]
    assert told == [
        "000001.jsonl, line 2 (number 2): the payload is not the one that was committed",
        "000001.jsonl, line 4: not valid JSON",
    ]


def test_a_line_of_another_device_is_found(filled: Path, folder: Path) -> None:
    lines = filled.read_bytes().splitlines(keepends=True)
    alien = reissued(lines[5], device="e" * 32, seq=6, previous=chain_in(lines[4]))
    filled.write_bytes(b"".join([*lines[:5], alien]))
    assert [fault.what for fault in verify(folder).faults] == ["it was written by another device"]


def test_an_earlier_segment_is_checked_as_well(start: Start, decide: Decide, folder: Path) -> None:
    with start(segment_bytes=2000) as journal:
        for n in range(9):
            journal.append(decide(f"c{n}", "some words"))
    path = folder / "000002.jsonl"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"some words", b"other word", 1))
    assert [(fault.file, fault.line) for fault in verify(folder).faults] == [("000002.jsonl", 1)]
    path.write_bytes(data[:-1])
    assert ("000002.jsonl", "the line is cut off: its line feed is missing") in [
        (fault.file, fault.what) for fault in verify(folder).faults
    ]
    path.unlink()
    assert [fault.what for fault in verify(folder).faults if "missing" in fault.what]


def test_no_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal"):
        verify(tmp_path)
    with pytest.raises(JournalError, match="cannot be read"):
        verify(tmp_path / "nowhere")


def test_a_line_that_is_being_written_is_no_fault(
    filled: Path, folder: Path, decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = filled.read_bytes().splitlines(keepends=True)[-1]
    more = encode(
        decide(), device=verify(folder).device or "", seq=7, app="0.1.0", previous=chain_in(last), salt="a" * 32
    )
    with filled.open("ab") as file:
        file.write(more[:100])

    def meanwhile(seconds: float) -> None:
        with filled.open("ab") as file:
            file.write(more[100:])

    monkeypatch.setattr("earmark.queue.journal.verify.time.sleep", meanwhile)
    report = verify(folder)
    assert (report.faults, report.lines) == ((), 6)
    assert verify(folder).lines == 7


def test_a_segment_that_is_followed_while_it_is_read_is_read_whole(
    start: Start, decide: Decide, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = start(segment_bytes=2000)
    journal.append(decide())
    real = files.read

    def meanwhile(path: Path) -> bytes:
        data = real(path)
        while journal.head.seq < 9:
            journal.append(decide())
        return data

    monkeypatch.setattr(files, "read", meanwhile)
    report = verify(folder)
    assert (report.faults, report.lines) == ((), 9)


def test_beside_a_writer_that_also_erases(start: Start, decide: Decide, folder: Path) -> None:
    journal = start(segment_bytes=6000)
    journal.append(decide())
    done = threading.Event()
    faults: list[Fault] = []
    checks = 0

    def check() -> None:
        nonlocal checks
        while not done.is_set():
            faults.extend(verify(folder).faults)
            checks += 1

    thread = threading.Thread(target=check)
    thread.start()
    try:
        for n in range(300):
            journal.append(decide(f"c{n}"))
            if n % 5 == 4:
                journal.erase(f"c{n - 3}", "withdrawal")
    finally:
        done.set()
        thread.join(60)
    assert checks > 3
    assert faults == []


def test_it_changes_nothing_and_needs_no_lock(start: Start, decide: Decide, folder: Path) -> None:
    journal = start()
    journal.append(decide())
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    assert verify(folder).lines == 1
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    assert os.listdir(folder)
