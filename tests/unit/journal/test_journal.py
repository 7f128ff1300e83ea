"""Writing and reading: what is durable, who may write, when a new segment begins, what sync and screen read."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from earmark.queue import files
from earmark.queue.decision import Decision, Draft
from earmark.queue.journal import EntryRefused, Journal, JournalBusy, JournalCorrupt, JournalError, NotSaved, locked
from earmark.queue.journal.verify import verify
from earmark.queue.store.interface import Head, Quarantined

Decide = Callable[..., Decision]
MakeDraft = Callable[[str, str], Draft]
Start = Callable[..., Journal]


def test_what_was_appended_is_there_after_opening_again(start: Start, decide: Decide, folder: Path) -> None:
    journal = start()
    assert journal.head == Head()
    first, second = journal.append(decide("c1", "one")), journal.append(decide("c2", "two"))
    assert (first.seq, second.seq) == (1, 2)
    assert journal.head == Head(2, second.chain)
    journal.close()
    again = start()
    assert again.head == Head(2, second.chain)
    assert again.device == journal.device
    assert again.recovered == ""
    assert [(entry.seq, entry.clip, entry.text) for entry in again.entries()] == [(1, "c1", "one"), (2, "c2", "two")]
    assert again.append(decide()).seq == 3
    assert verify(folder).faults == ()


def test_append_returns_only_after_the_sync(start: Start, decide: Decide, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = start()
    heads: list[tuple[Head, int]] = []
    real = os.fdatasync

    def watched(fd: int) -> None:
        heads.append((journal.head, os.fstat(fd).st_size))
        real(fd)

    monkeypatch.setattr(os, "fdatasync", watched)
    journal.append(decide())
    assert [head for head, _ in heads] == [Head()]
    assert heads[0][1] > 0  # written before, counted after


def test_one_write_a_line(start: Start, decide: Decide, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = start()
    written: list[bytes] = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: written.append(bytes(data)) or real(fd, data))
    journal.append(decide(text="w" * 90_000))
    assert len(written) == 1 and written[0].endswith(b"}\n")


def test_nobody_else_can_read_it(start: Start, decide: Decide, folder: Path) -> None:
    before = os.umask(0)
    try:
        start().append(decide())
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert names == {"000001.jsonl": 0o600, "device": 0o600, "lock": 0o600}


def test_a_second_instance_is_refused_until_the_first_ends(start: Start, folder: Path) -> None:
    first = start()
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(JournalBusy, match="another Earmark"):
        start()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    with pytest.raises(JournalBusy), locked(folder):
        pass
    first.close()
    with locked(folder), pytest.raises(JournalBusy):
        start()
    start().close()


def test_another_reviewers_journal_is_refused(start: Start, decide: Decide) -> None:
    with start() as journal:
        journal.append(decide())
        with pytest.raises(EntryRefused, match="another reviewer"):
            journal.append(decide(reviewer="berta"))
    with pytest.raises(JournalError, match="another reviewer's: 'anna'"):
        start("berta")
    start().close()  # and the lock was let go


def test_a_refused_entry_leaves_the_journal_as_it_was(start: Start, decide: Decide) -> None:
    journal = start()
    with pytest.raises(EntryRefused) as refused:
        journal.append(decide(text="secret \0"))
    assert "secret" not in str(refused.value)
    assert journal.append(decide()).seq == 1


@pytest.mark.parametrize(("code", "words"), [(errno.EIO, "disk reports an error"), (errno.ENOSPC, "the disk is full")])
def test_a_failed_sync_saves_nothing_and_is_not_tried_again(
    start: Start, decide: Decide, folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    journal = start()
    journal.append(decide("c1"))
    before = (folder / "000001.jsonl").read_bytes()
    calls = []

    def failing(fd: int) -> None:
        calls.append(fd)
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing)
        with pytest.raises(NotSaved, match=words):
            journal.append(decide("c2"))
        assert (folder / "000001.jsonl").read_bytes() == before
        with pytest.raises(NotSaved, match=words):
            journal.append(decide("c3"))
        assert len(calls) == 1
    with pytest.raises(NotSaved):  # the disk is well again, but this opening of the file is not to be trusted
        journal.append(decide("c3"))
    assert journal.head.seq == 1
    assert [entry.clip for entry in journal.entries()] == ["c1"]
    journal.reopen()
    assert journal.append(decide("c4")).seq == 2
    assert verify(folder).faults == ()


def test_a_short_write_saves_nothing(
    start: Start, decide: Decide, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = start()
    journal.append(decide("c1"))
    before = (folder / "000001.jsonl").read_bytes()
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:100]))
        with pytest.raises(NotSaved, match="the disk is full"):
            journal.append(decide("c2"))
    assert (folder / "000001.jsonl").read_bytes() == before
    with pytest.raises(NotSaved):
        journal.append(decide("c2"))


def test_an_interrupted_write_is_not_left_uncounted(
    start: Start, decide: Decide, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = start()
    journal.append(decide("c1"))

    def interrupted(fd: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.append(decide("c2"))
    with pytest.raises(NotSaved, match="interrupted"):
        journal.append(decide("c3"))
    journal.reopen()
    assert journal.append(decide("c4")).seq == 2
    assert [entry.clip for entry in journal.entries()] == ["c1", "c4"]
    assert verify(folder).faults == ()


def test_when_even_cutting_back_fails_the_next_opening_tells_what_there_is(
    start: Start, decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = start()
    journal.append(decide("c1"))
    real = os.write

    def refuse(*given: object) -> None:
        raise OSError(errno.EIO, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:100]))
        patch.setattr(os, "ftruncate", refuse)
        with pytest.raises(NotSaved):
            journal.append(decide("c2"))
    journal.reopen()
    assert "cut off" in journal.recovered
    assert journal.append(decide("c3")).seq == 2


def test_a_failed_first_line_of_a_new_segment(
    start: Start, decide: Decide, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = start(segment_bytes=10)
    journal.append(decide("c1"))

    def failing(fd: int) -> None:
        raise OSError(errno.ENOSPC, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(NotSaved, match="full"):
            journal.append(decide("c2"))
    journal.reopen()
    assert journal.append(decide("c3")).seq == 2
    assert [entry.clip for entry in journal.entries()] == ["c1", "c3"]
    assert verify(folder).faults == ()


def test_a_closed_journal_takes_nothing(start: Start, decide: Decide) -> None:
    journal = start()
    journal.close()
    journal.close()
    with pytest.raises(NotSaved, match="closed"):
        journal.append(decide())
    with pytest.raises(JournalError, match="closed"):
        journal.reopen()


def test_a_link_in_the_place_of_a_segment_is_refused(start: Start, folder: Path, tmp_path: Path) -> None:
    start().close()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"")
    (folder / "000001.jsonl").unlink()
    (folder / "000001.jsonl").symlink_to(elsewhere)
    with pytest.raises(JournalError, match="link"):
        start()
    (folder / "000001.jsonl").unlink()
    os.mkfifo(folder / "000001.jsonl")
    (folder / "lock").unlink()
    (folder / "lock").symlink_to(elsewhere)
    with pytest.raises(JournalError, match="link"):
        start()


# -- segments --------------------------------------------------------------------------------------------------------


def test_a_new_segment_begins_with_each_day_and_carries_number_and_chain_on(
    start: Start, decide: Decide, folder: Path
) -> None:
    day = date(2026, 11, 23)
    journal = start(today=lambda: day)
    journal.append(decide("c1"))
    journal.append(decide("c2"))
    day = date(2026, 11, 24)
    third = journal.append(decide("c3", at="2026-11-24T00:00:00.000Z"))
    assert [path.name for path in sorted(folder.glob("*.jsonl"))] == ["000001.jsonl", "000002.jsonl"]
    assert third.seq == 3
    journal.close()
    journal = start(today=lambda: day)
    assert journal.head == Head(3, third.chain)
    journal.append(decide("c4"))
    assert len(list(folder.glob("*.jsonl"))) == 2
    journal.close()
    journal = start(today=lambda: date(2026, 11, 25))
    journal.append(decide("c5"))
    assert len(list(folder.glob("*.jsonl"))) == 3
    assert [entry.seq for entry in journal.entries()] == [1, 2, 3, 4, 5]
    assert verify(folder).faults == ()


def test_a_new_segment_begins_at_its_size(start: Start, decide: Decide, folder: Path) -> None:
    journal = start(segment_bytes=2000)
    for n in range(20):
        journal.append(decide(f"c{n}"))
    paths = sorted(folder.glob("*.jsonl"))
    assert len(paths) > 5
    assert all(path.stat().st_size <= 2000 for path in paths)
    journal.close()
    journal = start(segment_bytes=2000)
    assert journal.append(decide()).seq == 21
    assert [entry.seq for entry in journal.entries()] == list(range(1, 22))
    assert (verify(folder).faults, verify(folder).segments) == ((), len(list(folder.glob("*.jsonl"))))


def test_a_bad_line_names_file_line_and_reason_and_lets_the_lock_go(start: Start, decide: Decide, folder: Path) -> None:
    journal = start()
    for n in range(3):
        journal.append(decide(f"c{n}", "secret"))
    journal.close()
    path = folder / "000001.jsonl"
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"c1"', b'"c9"'))
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(JournalCorrupt) as corrupt:
        start()
    assert (corrupt.value.file, corrupt.value.line) == ("000001.jsonl", 2)
    assert "chain" in corrupt.value.reason
    assert "secret" not in str(corrupt.value)
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert path.read_bytes() == good.replace(b'"c1"', b'"c9"')
    path.write_bytes(good)
    start().close()


def _change(lines: list[bytes], index: int) -> list[bytes]:
    lines[index] = lines[index].replace(b'"plays":0', b'"plays":1')
    return lines


@pytest.mark.parametrize(
    "harm",
    [
        lambda lines: [],
        lambda lines: [*lines[:-1], lines[-1][:-1]],
        lambda lines: lines[1:],
        lambda lines: [*lines[:2], *lines[3:]],
        lambda lines: lines[:-1],
        lambda lines: [*lines[:2], b"{}\n", *lines[3:]],
        lambda lines: _change(lines, 0),
        lambda lines: _change(lines, -1),
    ],
)
def test_harm_to_an_earlier_segment_is_found_at_opening(
    start: Start, decide: Decide, folder: Path, harm: Callable[[list[bytes]], list[bytes]]
) -> None:
    with start(segment_bytes=4000) as journal:
        for n in range(18):
            journal.append(decide(f"c{n}"))
    path = folder / "000002.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) > 4 and (folder / "000003.jsonl").exists()
    path.write_bytes(b"".join(harm(lines)))
    with pytest.raises(JournalCorrupt):
        start()


@pytest.mark.parametrize("gone", ["000001.jsonl", "000002.jsonl"])
def test_a_missing_segment_is_found_at_opening(start: Start, decide: Decide, folder: Path, gone: str) -> None:
    with start(segment_bytes=2000) as journal:
        for n in range(9):
            journal.append(decide(f"c{n}"))
    (folder / gone).unlink()
    with pytest.raises(JournalCorrupt):
        start()


# -- what sync reads -------------------------------------------------------------------------------------------------


def test_lines_go_to_the_store_in_order_and_in_measure(start: Start, decide: Decide, folder: Path) -> None:
    journal = start(segment_bytes=6000)
    for n in range(30):
        journal.append(decide(f"c{n}"))
    everything = b"".join(path.read_bytes() for path in sorted(folder.glob("*.jsonl")))
    got: list[bytes] = []
    while part := journal.lines(len(got), most=4):
        assert len(part) <= 4
        got += part
    assert b"".join(got) == everything
    assert [json.loads(line)["seq"] for line in journal.lines(2, most=2)] == [3, 4]
    assert journal.lines(30) == journal.lines(99) == []
    small = journal.lines(0, most_bytes=2 * len(got[0]) + 10)
    assert small == got[:2]
    assert journal.lines(0, most_bytes=1) == got[:1]


def test_chain_at(start: Start, decide: Decide) -> None:
    journal = start(segment_bytes=2000)
    chains = [journal.append(decide()).chain for _ in range(9)]
    assert [journal.chain_at(n) for n in range(11)] == ["", *chains, None]
    assert journal.chain_at(-1) is None


def test_a_drafts_text_never_leaves(start: Start, draft: MakeDraft, decide: Decide) -> None:
    journal = start()
    journal.append(draft("c1", "half a secret"))
    journal.append(decide("c1", "whole"))
    lines = journal.lines(0)
    assert b"secret" not in lines[0] and b'"payload":null' in lines[0]
    assert json.loads(lines[0])["chain"] == journal.chain_at(1)
    assert b"whole" in lines[1]


def test_sync_and_screen_at_once(start: Start, decide: Decide) -> None:
    journal = start(segment_bytes=4000)
    got: list[bytes] = []
    failed: list[BaseException] = []

    def read() -> None:
        try:
            while len(got) < 300:
                got.extend(journal.lines(len(got), most=7))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for n in range(300):
        journal.append(decide(f"c{n}"))
    thread.join(60)
    assert not failed
    assert [json.loads(line)["clip"] for line in got] == [f"c{n}" for n in range(300)]


def test_what_the_store_set_aside_is_noted_once_without_text(start: Start, decide: Decide, folder: Path) -> None:
    journal = start()
    journal.append(decide("c1", "secret"))
    journal.append(decide("c2", "secret"))
    journal.set_aside([Quarantined(2, "unknown clip"), Quarantined(7, "no such line")])
    journal.set_aside([Quarantined(2, "unknown clip")])
    journal.close()
    rows = start().quarantine()
    assert [(row.seq, row.id, row.clip, row.reason) for row in rows] == [(2, "id-0002", "c2", "unknown clip")]
    assert b"secret" not in (folder / "quarantine.jsonl").read_bytes()


# -- what the screen reads -------------------------------------------------------------------------------------------


def test_latest_and_drafts(start: Start, decide: Decide, draft: MakeDraft) -> None:
    journal = start(segment_bytes=1500)
    journal.append(decide("c1", "one"))
    journal.append(draft("c1", "draft one"))
    journal.append(draft("c2", "spent by a decision"))
    journal.append(decide("c2", verdict="skipped"))
    journal.append(draft("c3", "spent by an empty one"))
    journal.append(draft("c3", ""))
    journal.append(draft("c4", "older"))
    journal.append(draft("c4", "newer"))
    journal.append(decide("c1", verdict="retracted"))
    journal.append(draft("c1", "again"))
    latest = {clip: entry.verdict for clip, entry in journal.latest().items()}
    assert latest == {"c1": "retracted", "c2": "skipped"}
    assert journal.drafts() == {"c4": "newer", "c1": "again"}


# -- going on as another device --------------------------------------------------------------------------------------


def test_renewing_keeps_every_entry_under_another_device(
    start: Start, decide: Decide, draft: MakeDraft, folder: Path, bytes_in: Callable[[Path], bytes]
) -> None:
    journal = start(segment_bytes=2000)
    journal.append(decide("c1", "secret"))
    journal.erase("c1", "withdrawal")
    for n in range(2, 8):
        journal.append(decide(f"c{n}", f"text {n}"))
    journal.append(draft("c8", "half"))
    journal.set_aside([Quarantined(3, "unknown clip")])
    told = ["id", "at", "reviewer", "clip", "verdict", "text", "revision", "kind", "reason", "commit", "erased"]
    before = [[getattr(entry, name) for name in told] for entry in journal.entries()]
    old_lines, device, head = journal.lines(0), journal.device, journal.head
    journal.renew_device()
    assert journal.device != device
    assert journal.head.seq == head.seq and journal.head.chain != head.chain
    assert [[getattr(entry, name) for name in told] for entry in journal.entries()] == before
    assert {entry.device for entry in journal.entries()} == {journal.device}
    assert journal.drafts() == {"c8": "half"}
    assert journal.quarantine() == ()
    assert verify(folder).faults == ()
    archive = folder / "forked-1"
    assert b"text 2" not in bytes_in(archive) and b"half" not in bytes_in(archive)
    assert (
        json.loads((archive / "000001.jsonl").read_bytes().splitlines()[0])["chain"]
        == json.loads(old_lines[0])["chain"]
    )
    assert journal.append(decide("c9")).seq == head.seq + 1
    journal.renew_device()
    assert (folder / "forked-2").is_dir()
    journal.close()
    assert start().recovered == ""


def test_renewing_is_whole_or_not_at_all_wherever_it_is_cut_off(
    start: Start,
    decide: Decide,
    folder: Path,
    interrupt: Callable[[int, BaseException], Callable[[], int]],
    crash: type[BaseException],
) -> None:
    journal = start(segment_bytes=1500)
    for n in range(6):
        journal.append(decide(f"c{n}", f"text {n}"))
    steps = 0
    renewed = 0
    while True:
        steps += 1
        device = journal.device
        disarm = interrupt(steps, crash())
        try:
            journal.renew_device()
        except crash:
            pass
        finally:
            reached = disarm()
        journal.close()
        journal = start(segment_bytes=1500)
        assert verify(folder).faults == ()
        assert [(entry.seq, entry.text) for entry in journal.entries()] == [(n + 1, f"text {n}") for n in range(6)]
        assert {entry.device for entry in journal.entries()} == {journal.device}
        assert not (folder / "renewing").exists() and not (folder / "renewed").exists()
        renewed += journal.device != device
        if reached < steps:
            break
    assert steps > 30
    assert 1 < renewed < steps


def test_a_renewal_refuses_a_damaged_journal(start: Start, decide: Decide, folder: Path) -> None:
    journal = start(segment_bytes=2000)
    for n in range(6):
        journal.append(decide(f"c{n}", "some words"))
    path = folder / "000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"some words", b"other word", 1))
    before = path.read_bytes()
    with pytest.raises(JournalCorrupt, match="committed"):
        journal.renew_device()
    assert path.read_bytes() == before
    assert not (folder / "renewing").exists()


def test_a_renewal_on_a_full_disk_changes_nothing(
    start: Start, decide: Decide, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = start()
    journal.append(decide())
    before = (folder / "000001.jsonl").read_bytes()

    def full(fd: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "no")

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_all", full)
        with pytest.raises(JournalError, match="full"):
            journal.renew_device()
    assert (folder / "000001.jsonl").read_bytes() == before
    assert not (folder / "renewing").exists()
    assert journal.append(decide()).seq == 2


@pytest.mark.parametrize("work", [Journal.renew_device, lambda journal: journal.retire(["c1"])])
def test_a_journal_that_a_full_disk_has_stopped_says_so(
    start: Start, decide: Decide, monkeypatch: pytest.MonkeyPatch, work: Callable[[Journal], object]
) -> None:
    journal = start()
    assert not journal.stopped
    journal.append(decide("c1"))

    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(JournalError, match="full"):
            work(journal)
    assert journal.stopped
    with pytest.raises(NotSaved):
        journal.append(decide("c2"))
    journal.reopen()
    assert not journal.stopped
    assert journal.append(decide("c2")).seq > 1
    journal.close()
    assert journal.stopped


def test_the_journal_knows_its_clips(start: Start, decide: Decide, draft: MakeDraft) -> None:
    journal = start()
    journal.append(decide("c1"))
    journal.append(draft("c2", "half"))
    assert journal.clips() == {"c1", "c2"}
    journal.close()
    journal = start()
    assert (journal.clips(), journal.drafts()) == ({"c1", "c2"}, {"c2": "half"})
    journal.erase("c2", "withdrawal")
    assert (journal.clips(), journal.drafts()) == ({"c1", "c2"}, {})
