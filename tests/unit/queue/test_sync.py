"""Journal to store: on from the store's own cursor, whatever was lost on the way."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from earmark.queue.decision import Decision, Verdict
from earmark.queue.journal import Journal
from earmark.queue.journal.reading import arrived
from earmark.queue.journal.verify import verify
from earmark.queue.stamp import new_id, told_time, uuid7
from earmark.queue.store.interface import Head, Pushed, Quarantined, ReviewStore, Store, StoreError, StoreUnreachable
from earmark.queue.store.open import open_store
from earmark.queue.sync import Backoff, erase_withdrawn, retire, send


def decision(clip: str, verdict: Verdict = Verdict.SKIPPED, text: str | None = None) -> Decision:
    return Decision(id=new_id(), at=told_time(), reviewer="r", clip=clip, verdict=verdict, text=text, shown="m")


class LosesAnswers:
    """A real store, as many of whose answers to pushes get lost as one says."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.lose = 0

    def push(self, device: str, reviewer: str, lines: list[bytes]) -> Pushed:
        pushed = self._store.push(device, reviewer, lines)
        if self.lose:
            self.lose -= 1
            raise StoreUnreachable("the answer was lost")
        return pushed

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


class Memory:
    """A store that keeps what is pushed; `lose` makes answers get lost, `refuse` names lines to set aside."""

    def __init__(self) -> None:
        self.lines: dict[str, list[tuple[int, str, bytes]]] = {}
        self.lose = 0
        self.refuse: set[int] = set()
        self.aside: list[Quarantined] = []
        self.pushes = 0

    def head(self, device: str) -> Head:
        held = self.lines.get(device)
        return Head(held[-1][0], held[-1][1]) if held else Head()

    def push(self, device: str, reviewer: str, lines: list[bytes]) -> Pushed:
        import json

        self.pushes += 1
        held = self.lines.setdefault(device, [])
        aside = []
        for line in lines:
            read = json.loads(line)
            if read["seq"] <= len(held):
                continue
            if read["seq"] in self.refuse:
                aside.append(Quarantined(read["seq"], "no such clip"))
                self.aside.append(aside[-1])
            held.append((read["seq"], read["chain"], line))
        if self.lose:
            self.lose -= 1
            raise StoreUnreachable("the answer was lost")
        return Pushed(self.head(device), tuple(aside))

    def quarantined(self, device: str) -> tuple[Quarantined, ...]:
        return tuple(self.aside)


@pytest.fixture
def journal(tmp_path: Path):  # type: ignore[no-untyped-def]
    with Journal.open(tmp_path / "j", "r", app="t") as opened:
        yield opened


def test_everything_arrives_once_in_batches(journal: Journal) -> None:
    store = Memory()
    for i in range(2403):
        journal.append(decision(f"c{i}"))
    sent = send(journal, store)  # type: ignore[arg-type]
    assert (sent.arrived, sent.unsent, store.pushes) == (2403, 0, 2)
    assert [seq for seq, _, _ in store.lines[journal.device]] == list(range(1, 2404))
    assert send(journal, store).arrived == 0  # type: ignore[arg-type]


def test_a_lost_answer_doubles_nothing(journal: Journal) -> None:
    store = Memory()
    for i in range(10):
        journal.append(decision(f"c{i}"))
    store.lose = 1
    with pytest.raises(StoreUnreachable):
        send(journal, store)  # type: ignore[arg-type]
    assert send(journal, store).unsent == 0  # type: ignore[arg-type]
    assert len(store.lines[journal.device]) == 10


def test_what_was_set_aside_is_noted_though_the_answer_was_lost(journal: Journal, tmp_path: Path) -> None:
    """With the cursor at hand, and what was set aside up to it noted, the store is asked for nothing else."""
    with contextlib.closing(open_store(f"sqlite:///{tmp_path / 'store'}")) as real:
        store = LosesAnswers(real)
        journal.append(decision("nowhere"))
        since = send(journal, store).head  # type: ignore[arg-type]
        journal.append(decision("nowhere else"))
        store.lose = 1
        with pytest.raises(StoreUnreachable):
            send(journal, store, since=since, noted=True)  # type: ignore[arg-type]
        sent = send(journal, store, since=since, noted=True)  # type: ignore[arg-type]
        assert [one.seq for one in sent.quarantined] == [2]
        assert [one.seq for one in journal.quarantine()] == [1, 2]


def test_a_store_restored_from_a_backup_gets_the_lines_again(journal: Journal) -> None:
    store = Memory()
    for i in range(10):
        journal.append(decision(f"c{i}"))
    send(journal, store)  # type: ignore[arg-type]
    del store.lines[journal.device][4:]
    assert send(journal, store).arrived == 6  # type: ignore[arg-type]
    assert len(store.lines[journal.device]) == 10


def test_lines_set_aside_are_noted_with_their_reason(journal: Journal) -> None:
    store = Memory()
    store.refuse = {2}
    for i in range(3):
        journal.append(decision(f"c{i}"))
    sent = send(journal, store)  # type: ignore[arg-type]
    assert [one.seq for one in sent.quarantined] == [2]
    assert [(one.seq, one.clip, one.reason) for one in journal.quarantine()] == [(2, "c1", "no such clip")]
    assert sent.unsent == 0


def test_a_note_that_a_crash_lost_is_written_at_the_next_sync(journal: Journal) -> None:
    store = Memory()
    store.refuse = {1}
    journal.append(decision("c1"))
    store.push(journal.device, "r", journal.lines(0))  # and then the program was killed
    assert journal.quarantine() == ()
    assert [one.seq for one in send(journal, store).quarantined] == [1]  # type: ignore[arg-type]
    assert [one.clip for one in journal.quarantine()] == ["c1"]
    assert send(journal, store).quarantined == ()  # type: ignore[arg-type]


def test_a_journal_restored_from_an_older_copy_goes_on_as_a_new_device(tmp_path: Path) -> None:
    import shutil

    store = open_store(f"sqlite:///{tmp_path / 'store'}")
    with Journal.open(tmp_path / "j", "r", app="t") as journal:
        journal.append(decision("a"))
        send(journal, store)
    shutil.copytree(tmp_path / "j", tmp_path / "old")
    with Journal.open(tmp_path / "j", "r", app="t") as journal:
        journal.append(decision("b"))
        send(journal, store)
    with Journal.open(tmp_path / "old", "r", app="t") as journal:
        before = journal.device
        journal.append(decision("c"))
        sent = send(journal, store)
        assert sent.renewed and sent.unsent == 0
        assert journal.device != before
        assert send(journal, store).renewed is False
    store.close()


def test_a_cursor_on_another_journals_line_says_of_nothing_that_it_arrived(tmp_path: Path) -> None:
    import shutil

    store = Memory()
    with Journal.open(tmp_path / "j", "r", app="t") as journal:
        assert arrived(journal.folder, store.head(journal.device)) == 0
        journal.append(decision("a"))
        send(journal, store)  # type: ignore[arg-type]
        journal.append(decision("b"))
        assert arrived(journal.folder, store.head(journal.device)) == 1
        shutil.copytree(journal.folder, tmp_path / "old")
        send(journal, store)  # type: ignore[arg-type]
        assert arrived(journal.folder, store.head(journal.device)) == 2
    with Journal.open(tmp_path / "j", "r", app="t") as journal:
        journal.append(decision("c"))
        send(journal, store)  # type: ignore[arg-type]
    for clip in ("d", "e"):
        with Journal.open(tmp_path / "old", "r", app="t") as journal:
            assert arrived(journal.folder, store.head(journal.device)) == 0
            journal.append(decision(clip))
    assert arrived(tmp_path / "old", store.head(journal.device)) == 0


def test_a_store_that_stands_still_is_an_error_not_a_loop(journal: Journal) -> None:
    class Stuck(Memory):
        def push(self, device: str, reviewer: str, lines: list[bytes]) -> Pushed:
            return Pushed(Head())

    journal.append(decision("a"))
    with pytest.raises(StoreError):
        send(journal, Stuck())  # type: ignore[arg-type]


def test_withdrawn_clips_are_erased_from_the_journal(journal: Journal) -> None:
    journal.append(decision("gone", Verdict.CORRECTED, "a secret"))
    journal.append(decision("stays", Verdict.CORRECTED, "a text"))
    assert erase_withdrawn(journal, ["gone", "never seen"]) == 1
    texts = {entry.clip: entry.text for entry in journal.entries() if entry.verdict}
    assert texts == {"gone": None, "stays": "a text"}
    assert erase_withdrawn(journal, ["gone"]) == 0


def test_of_withdrawn_clips_only_those_are_erased_of_which_something_came_since(journal: Journal) -> None:
    for clip in ("erased", "late", "retired", "stays"):
        journal.append(decision(clip, Verdict.CORRECTED, "a secret"))
    assert erase_withdrawn(journal, ["erased", "late", "never seen"]) == 2
    journal.erase("retired", "retention")
    journal.append(decision("late", Verdict.CORRECTED, "on its way meanwhile"))
    seq = journal.head.seq
    assert erase_withdrawn(journal, ["erased", "late", "retired", "never seen"]) == 1
    assert journal.head.seq == seq + 1
    assert [entry.clip for entry in journal.entries() if entry.text] == ["stays"]


def test_what_a_torn_line_says_of_a_withdrawn_clip_goes_too(journal: Journal) -> None:
    torn = journal.folder / "000001.torn"
    torn.write_bytes(b'{"v":1,"kind":"decision","clip":"gone","payload":{"text":"a secr')
    assert journal.holding({"gone"}) == {"gone"}
    erase_withdrawn(journal, ["gone"])
    assert not torn.exists()
    assert journal.holding({"gone"}) == set()


def test_what_was_set_aside_is_told_where_going_on_as_another_device_was_cut_off(journal: Journal) -> None:
    """Not noted, it would count as arrived, and the retention rule would erase what nobody else has."""
    store = Memory()
    journal.append(decision("a"))
    since = send(journal, store).head  # type: ignore[arg-type]
    store.lines[journal.device][-1] = (1, "another chain", b"")
    journal.append(decision("b"))
    store.refuse, store.lose = {1, 2}, 1
    with pytest.raises(StoreUnreachable):
        send(journal, store, since=store.head(journal.device), noted=True)  # type: ignore[arg-type]
    assert journal.quarantine() == ()
    sent = send(journal, store, since=since, noted=True)  # type: ignore[arg-type]
    assert (sent.renewed, sent.unsent, [one.seq for one in sent.quarantined]) == (True, 0, [1, 2])
    assert [one.seq for one in journal.quarantine()] == [1, 2]


def test_texts_that_have_arrived_are_erased_after_their_time(journal: Journal) -> None:
    import msgspec

    store = Memory()
    old = msgspec.structs.replace(decision("old", Verdict.CORRECTED, "an old text"), at="2026-01-01T00:00:00.000Z")
    journal.append(old)
    journal.append(decision("new", Verdict.CORRECTED, "a new text"))
    sent = send(journal, store)  # type: ignore[arg-type]
    journal.append(msgspec.structs.replace(old, id=new_id(), clip="unsent"))
    assert retire(journal, sent.head.seq, "2026-06-01T00:00:00.000Z") == 1
    texts = {entry.clip: entry.text for entry in journal.entries() if entry.verdict}
    assert texts == {"old": None, "new": "a new text", "unsent": "an old text"}
    assert verify(journal.folder).faults == ()
    assert retire(journal, sent.head.seq, "2026-06-01T00:00:00.000Z") == 0


@pytest.fixture
def without_clips(tmp_path: Path) -> Iterator[ReviewStore]:
    """A store put back from a dump that is older than any load: it sets every line aside."""
    store = open_store(f"sqlite:///{tmp_path / 'store'}")
    yield store
    store.close()


def test_texts_that_the_store_set_aside_are_kept_whatever_their_age(tmp_path: Path, without_clips: ReviewStore) -> None:
    with Journal.open(tmp_path / "j", "r", app="t") as journal:
        journal.append(decision("lost", Verdict.CORRECTED, "the only copy"))
        sent = send(journal, without_clips)
        assert (sent.unsent, [one.seq for one in sent.quarantined]) == (0, [1])
        assert retire(journal, sent.head.seq, told_time(days_ago=-1)) == 0
    for _ in range(3):
        with Journal.open(tmp_path / "j", "r", app="t") as journal:
            assert journal.recovered == ""
            assert [entry.text for entry in journal.entries()] == ["the only copy"]
            assert [one.clip for one in journal.quarantine()] == ["lost"]
            sent = send(journal, without_clips)
            assert sent.quarantined == ()
            assert retire(journal, sent.head.seq, told_time(days_ago=-1)) == 0


@pytest.mark.parametrize("reason", ["critical", "withdrawal"])
def test_a_clip_erased_after_its_line_was_set_aside_is_told_once(
    tmp_path: Path, without_clips: ReviewStore, reason: str
) -> None:
    with Journal.open(tmp_path / "j", "r", app="t") as journal:
        journal.append(decision("lost", Verdict.CORRECTED, "a secret"))
        send(journal, without_clips)
        if reason == "critical":
            journal.append(decision("lost", Verdict.CRITICAL))
        assert journal.erase("lost", reason) == 1
        assert journal.quarantine() == ()
        assert send(journal, without_clips).quarantined != ()
        lines = journal.head.seq
    for _ in range(3):
        with Journal.open(tmp_path / "j", "r", app="t") as journal:
            assert journal.recovered == ""
            assert journal.erase("lost", reason) == 0
            assert send(journal, without_clips).quarantined == ()
            assert journal.head.seq == lines


def test_waits_grow_to_a_bound_and_start_over() -> None:
    backoff = Backoff(1.0, 60.0, random.Random(1))
    waits = [backoff.failed() for _ in range(200)]
    assert all(0 <= wait <= min(60.0, 2.0**i) for i, wait in enumerate(waits))
    assert max(waits) > 50
    backoff.succeeded()
    assert backoff.failed() <= 1.0


def test_uuid7_keeps_time_order_and_says_its_version() -> None:
    early, late = uuid7(1_000, bytes(10)), uuid7(1_001, bytes(10))
    assert early < late
    assert early[14] == "7" and early[19] in "89ab"
