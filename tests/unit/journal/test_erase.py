"""Erasing: every payload of a clip goes, everywhere, even when the program ends in the middle of it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.queue.decision import Decision, Draft
from earmark.queue.journal import Journal, NotSaved
from earmark.queue.journal.line import Erasure, Reason, chain_in, encode
from earmark.queue.journal.verify import verify
from earmark.queue.store.interface import Quarantined

Decide = Callable[..., Decision]
MakeDraft = Callable[[str, str], Draft]
Start = Callable[..., Journal]
BytesIn = Callable[[Path], bytes]
Interrupt = Callable[[int, BaseException], Callable[[], int]]

SECRET = b"SECRET"


def fill(journal: Journal, decide: Decide, draft: MakeDraft) -> None:
    """Three segments or so with payloads of `gone`, among others."""
    for n in range(3):
        journal.append(decide(f"other{n}", "kept words"))
        journal.append(decide("gone", "SECRET", note="SECRET"))
        journal.append(draft("gone", "SECRET half"))
        journal.append(decide(f"more{n}", "kept words"))


def test_every_payload_of_the_clip_goes_and_nothing_else(
    start: Start, decide: Decide, draft: MakeDraft, folder: Path, bytes_in: BytesIn
) -> None:
    journal = start(segment_bytes=2000)
    fill(journal, decide, draft)
    old = [journal.chain_at(n) for n in range(1, 13)]
    assert journal.erase("gone", "withdrawal") == 6
    assert SECRET not in bytes_in(folder)
    assert [journal.chain_at(n) for n in range(1, 13)] == old
    entries = list(journal.entries())
    assert [entry.text for entry in entries if entry.clip != "gone"] == ["kept words"] * 6
    assert all(entry.erased for entry in entries if entry.clip == "gone" and entry.reason is None)
    assert (entries[-1].kind, entries[-1].clip, entries[-1].reason) == ("erasure", "gone", "withdrawal")
    assert journal.drafts() == {}
    report = verify(folder)
    assert (report.faults, report.erased) == ((), 6)
    assert journal.append(decide("after", "words")).seq == 14
    lines: list[bytes] = []
    while part := journal.lines(len(lines)):
        lines += part
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, 15))
    journal.close()
    assert start(segment_bytes=2000).recovered == ""


def test_erasing_what_is_not_there_writes_nothing(start: Start, decide: Decide) -> None:
    journal = start()
    journal.append(decide("c1"))
    assert journal.erase("c2", "withdrawal") == 0
    assert journal.head.seq == 1
    assert journal.erase("c1", "retention") == 1
    assert journal.erase("c1", "withdrawal") == 0
    assert journal.head.seq == 2


def test_a_clip_whose_name_is_in_anothers_text_or_name(start: Start, decide: Decide) -> None:
    journal = start()
    journal.append(decide("c1", 'he said "c2"'))
    journal.append(decide("c22", "stays"))
    journal.append(decide('a"c2', "stays"))
    journal.append(decide("c2", "goes"))
    assert journal.erase("c2", "withdrawal") == 1
    assert [entry.text for entry in journal.entries()] == ['he said "c2"', "stays", "stays", None, None]


def test_a_clip_with_an_awkward_name(start: Start, decide: Decide, folder: Path) -> None:
    journal = start()
    journal.append(decide('ü"\\\n', "goes"))
    assert journal.erase('ü"\\\n', "withdrawal") == 1
    assert verify(folder).faults == ()


def test_an_unknown_reason_is_an_error(start: Start, decide: Decide) -> None:
    journal = start()
    journal.append(decide("c1"))
    with pytest.raises(ValueError):
        journal.erase("c1", "whim")
    assert journal.head.seq == 1


def test_taking_a_critical_mark_back_brings_no_payload_back(start: Start, decide: Decide, folder: Path) -> None:
    journal = start()
    journal.append(decide("gone", "SECRET"))
    journal.append(decide("gone", verdict="critical"))
    journal.erase("gone", "critical")
    journal.append(decide("gone", verdict="retracted", shown=None))
    journal.append(decide("gone", "new words"))
    journal.close()
    journal = start()
    assert journal.recovered == ""
    assert [entry.text for entry in journal.entries()] == [None, None, None, None, "new words"]
    assert verify(folder).faults == ()


def test_a_critical_mark_without_its_erasure_is_finished_at_opening(
    start: Start, decide: Decide, draft: MakeDraft, folder: Path, bytes_in: BytesIn
) -> None:
    journal = start(segment_bytes=2000)
    fill(journal, decide, draft)
    journal.append(decide("gone", verdict="critical"))
    journal.close()
    journal = start(segment_bytes=2000)
    assert "erasure" in journal.recovered
    assert SECRET not in bytes_in(folder)
    assert list(journal.entries())[-1].reason == "critical"
    assert verify(folder).faults == ()
    journal.close()
    assert start(segment_bytes=2000).recovered == ""


def test_what_comes_after_a_critical_mark_is_not_taken_along(
    start: Start, decide: Decide, draft: MakeDraft, folder: Path, bytes_in: BytesIn
) -> None:
    journal = start(segment_bytes=2000)
    fill(journal, decide, draft)
    journal.append(decide("gone", verdict="critical"))
    journal.append(decide("gone", verdict="retracted"))
    assert SECRET not in bytes_in(folder)
    journal.append(decide("gone", "new words"))
    for _ in range(2):
        journal.close()
        journal = start(segment_bytes=2000)
        assert journal.recovered == ""
        told = [entry.verdict or entry.kind for entry in journal.entries() if entry.clip == "gone"]
        assert told[-4:] == ["critical", "erasure", "retracted", "corrected"]
        assert journal.latest()["gone"].text == "new words"
    assert verify(folder).faults == ()


@pytest.mark.parametrize("mark", ["withdrawal", "critical"])
def test_cut_off_anywhere_the_next_opening_finishes_it(
    tmp_path: Path,
    decide: Decide,
    draft: MakeDraft,
    interrupt: Interrupt,
    crash: type[BaseException],
    bytes_in: BytesIn,
    mark: str,
) -> None:
    steps = reached = 0
    unstarted = 0
    while reached == steps:  # until one run goes through
        steps += 1
        folder = tmp_path / f"at-{steps}"
        with Journal.open(folder, "anna", app="0.1.0", segment_bytes=2000) as journal:
            fill(journal, decide, draft)
            journal.set_aside([Quarantined(2, "unknown clip")])
            (folder / "000001.jsonl.torn").write_bytes(b'{"clip":"gone","payload":{"text":"SECRET\n')
            if mark == "critical":
                journal.append(decide("gone", verdict="critical"))
            disarm = interrupt(steps, crash())
            try:
                journal.erase("gone", mark)
            except crash:
                pass
            finally:
                reached = disarm()
        with Journal.open(folder, "anna", app="0.1.0", segment_bytes=2000) as journal:
            entries = list(journal.entries())
            if entries[-1].kind == "erasure":
                assert SECRET not in bytes_in(folder)
                assert (
                    b"gone" not in (folder / "quarantine.jsonl").read_bytes()
                    if (folder / "quarantine.jsonl").exists()
                    else True
                )
            else:  # not begun: nothing is half gone, and whoever asked for it was not told it was done
                assert mark != "critical"
                assert [entry.text for entry in entries if entry.clip == "gone"] == ["SECRET", "SECRET half"] * 3
                unstarted += 1
            assert len([entry for entry in entries if entry.text == "kept words"]) == 6
            assert not list(folder.glob("*.tmp"))
        assert verify(folder).faults == ()
    assert steps > 20
    assert unstarted < 4


def test_the_finishing_itself_can_be_cut_off(
    start: Start,
    decide: Decide,
    draft: MakeDraft,
    folder: Path,
    interrupt: Interrupt,
    crash: type[BaseException],
    bytes_in: BytesIn,
) -> None:
    with start(segment_bytes=2000) as journal:
        fill(journal, decide, draft)
        journal.append(decide("gone", verdict="critical"))
    for step in range(1, 40):
        disarm = interrupt(step, crash())
        try:
            start(segment_bytes=2000).close()
        except crash:
            pass
        finally:
            disarm()
    start(segment_bytes=2000).close()
    assert SECRET not in bytes_in(folder)
    assert verify(folder).faults == ()


def test_a_full_disk_stops_the_journal_until_the_erasure_can_be_finished(
    start: Start, decide: Decide, folder: Path, bytes_in: BytesIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = start()
    journal.append(decide("gone", "SECRET"))

    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(NotSaved, match=r"erasure could not be finished.*full"):
            journal.erase("gone", "withdrawal")
        with pytest.raises(NotSaved):
            journal.append(decide())
        with pytest.raises(NotSaved):
            journal.reopen()
    journal.reopen()
    assert SECRET not in bytes_in(folder)
    assert journal.append(decide()).seq == 3
    assert verify(folder).faults == ()


def test_the_old_bytes_are_overwritten_where_they_lay(start: Start, decide: Decide, folder: Path) -> None:
    journal = start()
    journal.append(decide("gone", "SECRET"))
    old = os.open(folder / "000001.jsonl", os.O_RDONLY)
    try:
        journal.erase("gone", "withdrawal")
        data = os.pread(old, 1 << 16, 0)
    finally:
        os.close(old)
    assert data and not data.strip(b"\0")


def test_a_file_with_another_name_is_not_overwritten(
    start: Start, decide: Decide, folder: Path, tmp_path: Path
) -> None:
    journal = start()
    journal.append(decide("gone", "SECRET"))
    os.link(folder / "000001.jsonl", tmp_path / "backup")
    journal.erase("gone", "withdrawal")
    assert SECRET in (tmp_path / "backup").read_bytes()


def test_scraps_of_the_clip_go_and_others_stay(start: Start, decide: Decide, folder: Path, bytes_in: BytesIn) -> None:
    journal = start()
    journal.append(decide("gone", "x"))
    journal.append(decide("kept", "x"))
    journal.set_aside([Quarantined(1, "unknown clip"), Quarantined(2, "unknown clip")])
    torn = folder / "000001.jsonl.torn"
    other = b'{"v":1,"clip":"kept","payload":{"text":"gone"\n'
    beginning = b'{"v":1,"kind":"deci\n'
    torn.write_bytes(
        b'{"v":1,"clip":"gone","payload":{"text":"SECRET\n'
        + other
        + b'\0\0\0\0ayload":{"text":"SECRET","no\n'
        + b'{"v":1,"clip":"\\ud800","payload":{"text":"SECRET\n'
        + beginning
    )
    assert journal.erase("gone", "critical") == 1
    assert torn.read_bytes() == other + beginning
    assert [row.clip for row in journal.quarantine()] == ["kept"]
    assert SECRET not in bytes_in(folder)


def test_the_retention_rule_leaves_the_notes_of_what_was_set_aside(
    start: Start, decide: Decide, folder: Path, interrupt: Interrupt, crash: type[BaseException]
) -> None:
    journal = start()
    journal.append(decide("old", "x"))
    journal.set_aside([Quarantined(1, "unknown clip")])
    notes = journal.quarantine()
    disarm = interrupt(5, crash())  # the erasure's line is on the disk, and nothing else
    try:
        with pytest.raises(crash):
            journal.retire(["old"])
    finally:
        disarm()
    journal.close()
    journal = start()
    assert "erasure" in journal.recovered
    assert [entry.text for entry in journal.entries()] == [None, None]
    assert journal.quarantine() == notes
    journal.append(decide("old", "y"))
    assert journal.retire(["old"]) == 1
    assert journal.quarantine() == notes
    journal.close()
    assert start().recovered == ""


def test_a_note_of_what_was_set_aside_is_nothing_to_erase(start: Start, decide: Decide) -> None:
    journal = start()
    journal.append(decide("c1", verdict="skipped", shown=None))
    journal.set_aside([Quarantined(1, "unknown clip")])
    assert journal.erase("c1", "withdrawal") == 0
    assert journal.head.seq == 1


def test_only_scraps(start: Start, decide: Decide, folder: Path) -> None:
    journal = start()
    journal.append(decide("kept", "x"))
    torn = folder / "000001.jsonl.torn"
    torn.write_bytes(b'{"v":1,"clip":"gone","payload":{"text":"SECRET\n')
    assert journal.erase("gone", "critical") == 0
    assert not torn.exists()
    assert journal.head.seq == 2


def write_lines(folder: Path, *entries: Decision | Erasure) -> None:
    """Lines as another program may have left them."""
    lines, chain = b"", ""
    for seq, entry in enumerate(entries, 1):
        line = encode(entry, device="d" * 32, seq=seq, app="0.1.0", previous=chain, salt="5a" * 16)
        lines, chain = lines + line, chain_in(line)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "000001.jsonl").write_bytes(lines)


def test_a_text_between_a_mark_and_its_late_erasure_goes_at_once_or_never(
    start: Start, decide: Decide, folder: Path
) -> None:
    write_lines(folder, decide("gone"), decide("gone", verdict="critical"), decide("gone", "new words"))
    journal = start()
    told = [(entry.kind, entry.text) for entry in journal.entries()]
    assert told == [("decision", None), ("decision", None), ("decision", None), ("erasure", None)]
    assert journal.erase("gone", "withdrawal") == 0
    assert journal.head.seq == 4
    journal.close()
    assert start().recovered == ""


def test_finishing_an_erasure_leaves_what_came_later(start: Start, decide: Decide, folder: Path) -> None:
    erasure = Erasure(id="e", at="t", reviewer="anna", clip="gone", reason=Reason.WITHDRAWAL)
    write_lines(folder, decide("gone"), erasure, decide("gone", "new words"))
    torn = folder / "000001.jsonl.torn"
    torn.write_bytes(b'{"v":1,"clip":"gone","payload":{"text":"new wor\n')
    journal = start()
    assert "erasure" in journal.recovered
    assert [entry.text for entry in journal.entries()] == [None, None, "new words"]
    assert torn.exists()


def test_a_rewrite_that_was_cut_off_leaves_no_copy(start: Start, decide: Decide, folder: Path) -> None:
    with start() as journal:
        journal.append(decide())
    stray = folder / "000001.jsonl.tmp"
    stray.write_bytes(b"text")
    start().close()
    assert not stray.exists()
