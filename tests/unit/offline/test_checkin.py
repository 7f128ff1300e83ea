"""A batch and its store meet: withdrawals first, results once, the rest goes back, and nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earmark.queue.decision import Draft, Verdict
from earmark.queue.journal import Journal
from earmark.queue.journal.verify import verify
from earmark.queue.offline import checkin
from earmark.queue.offline.batch_file import BatchError, batches_in, open_batch
from earmark.queue.stamp import new_id, told_time
from earmark.queue.store.interface import StoreUnreachable
from earmark.queue.store.open import open_store
from earmark.queue.store.sqlite import SqliteStore
from earmark.queue.sync import retire, send
from laptop import DAY, Machine, decide

TEXT = "a secret text"


@pytest.fixture
def away(machine: Machine) -> list[str]:
    """Four clips were checked out; one was corrected, one found unintelligible, one is critical."""
    batch, key = machine.checkout(4)
    clips = [slot.clip for slot in batch.plan.slots]
    store, journal = machine.sit_down(key)
    lease = store.lease("anna", 1)[0].lease
    with journal:
        journal.append(decide(clips[0], "corrected", TEXT, lease=lease))
        journal.append(decide(clips[1], "unintelligible", lease=lease))
        journal.append(decide(clips[2], "critical", lease=lease))
        store.destroy(clips[2])
        journal.erase(clips[2], "critical")
        store.close()
    return clips


def results(store: SqliteStore) -> dict[str, tuple[str, str | None]]:
    verdicts = frozenset({"corrected", "unintelligible", "critical"})
    return {result.clip: (result.verdict, result.text) for result in store.results(verdicts)}


def everything_in(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def expected(clips: list[str]) -> dict[str, tuple[str, str | None]]:
    return {
        clips[0]: ("corrected", TEXT),
        clips[1]: ("unintelligible", None),
        clips[2]: ("critical", None),
    }


def test_results_arrive_once_and_nothing_is_left(machine: Machine, store: SqliteStore, away: list[str]) -> None:
    batch = open_batch(machine.place)
    assert batch is not None
    with machine.journal() as journal:
        gone, sent = checkin.meet(batch, journal, store, machine.clocks())
        assert (gone, sent.unsent, sent.quarantined) == (0, 0, ())
        assert batch.seen.arrived == journal.head.seq
        again = checkin.meet(batch, journal, store, machine.clocks())[1]
        assert again.arrived == 0
        assert checkin.give_back(batch, store) == 3
    assert results(store) == expected(away)
    assert not machine.place.exists()
    assert verify(machine.home / "journal").faults == ()
    assert TEXT.encode() not in everything_in(machine.home)
    assert {one.clip.id for one in store.lease("ben", 9)} & set(away) == {away[3]}


def test_a_second_opinion_given_offline(machine: Machine, store: SqliteStore, device: Any) -> None:
    """A clip that ben has decided is checked out; what he revises meanwhile counts, and nobody else is given it."""
    store.want_opinions(2)
    (clip,) = [one.clip.id for one in store.lease("ben", 1)]
    ben = device("ben")
    ben.decide(clip, Verdict.ACCEPTED)
    ben.push(store)
    batch, key = machine.checkout(6)
    assert clip in [slot.clip for slot in batch.plan.slots]
    assert store.lease("cleo", 9) == store.reopen("ben", [clip]) == []
    ben.decide(clip, Verdict.CORRECTED, "of ben")
    ben.push(store, 1)
    offline, journal = machine.sit_down(key)
    lease = offline.lease("anna", 1, first=[clip])[0].lease
    with journal:
        journal.append(decide(clip, "corrected", "of anna", lease=lease))
        offline.close()
    batch = open_batch(machine.place)
    assert batch is not None
    with machine.journal() as journal:
        checkin.meet(batch, journal, store, machine.clocks())
        assert checkin.give_back(batch, store) == 6
    assert [(one.reviewer, one.text) for one in store.results()] == [("ben", "of ben"), ("anna", "of anna")]
    assert store.counts("anna").decided == 1
    assert len(store.lease("cleo", 9)) == 5


def test_a_first_opinion_given_offline(machine: Machine, store: SqliteStore) -> None:
    """As long as the batch is out, it can be revised there; the others get the clip when nothing else is left."""
    store.want_opinions(2)
    batch, key = machine.checkout(3)
    clips = [slot.clip for slot in batch.plan.slots]
    offline, journal = machine.sit_down(key)
    lease = offline.lease("anna", 1)[0].lease
    with journal:
        journal.append(decide(clips[0], "accepted", lease=lease))
        offline.close()
    batch = open_batch(machine.place)
    assert batch is not None
    with machine.journal() as journal:
        checkin.meet(batch, journal, store, machine.clocks())
    assert batch.has(clips[0])
    assert [one.clip.id for one in store.lease("ben", 9)][3:] == [clips[0]]
    with machine.journal() as journal:
        checkin.meet(batch, journal, store, machine.clocks())
    assert not batch.has(clips[0])
    assert batch.has(clips[1])


def test_results_go_without_the_key_when_the_time_is_over(
    machine: Machine, store: SqliteStore, away: list[str]
) -> None:
    machine.clock.now += 5 * DAY
    (batch,) = batches_in(machine.home)
    assert batch.left(machine.clocks()) <= 0
    batch.shred()
    with machine.journal() as journal:
        assert send(journal, store).unsent == 0
    assert results(store) == expected(away)


def test_withdrawn_meanwhile(machine: Machine, store: SqliteStore, away: list[str]) -> None:
    store.withdraw([away[0], away[3]])
    batch = open_batch(machine.place)
    assert batch is not None
    with machine.journal() as journal:
        gone, _ = checkin.meet(batch, journal, store, machine.clocks())
        assert gone == 2
        (entry,) = (entry for entry in journal.entries() if entry.clip == away[0] and entry.verdict)
        assert entry.erased
    assert not batch.has(away[0]) and not batch.has(away[3]) and batch.has(away[1])
    assert verify(machine.home / "journal").faults == ()
    assert away[0] not in results(store)


def test_what_was_withdrawn_is_counted_once(machine: Machine, store: SqliteStore, away: list[str]) -> None:
    store.withdraw([away[0], away[3]])
    batch = open_batch(machine.place)
    assert batch is not None
    with machine.journal() as journal:
        assert [checkin.meet(batch, journal, store, machine.clocks())[0] for _ in range(3)] == [2, 0, 0]
        checkin.give_back(batch, store)
        store.withdraw([away[1]])
        batch, _ = machine.checkout(2)
        assert [checkin.meet(batch, journal, store, machine.clocks())[0] for _ in range(2)] == [1, 0]


def test_whoever_looks_on_leaves_the_plan_to_a_checkout(machine: Machine, store: SqliteStore, away: list[str]) -> None:
    """They may have read it before a checkout that is under way added clips."""
    onlooker = open_batch(machine.place)
    assert onlooker is not None
    machine.checkout(6)
    store.withdraw([away[0]])
    assert [checkin.withdraw(onlooker, None, store) for _ in range(2)] == [1, 0]
    batch = open_batch(machine.place)
    assert batch is not None
    assert len(batch.plan.slots) == 6 and not batch.has(away[0])
    with machine.journal() as journal:
        checkin.meet(batch, journal, store, machine.clocks())
    assert away[0] not in [slot.clip for slot in batch.plan.slots]


def test_withdrawals_come_before_anything_that_may_fail(machine: Machine, store: SqliteStore, away: list[str]) -> None:
    class Failing:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def head(self, device: str) -> Any:
            raise StoreUnreachable("cut")

    store.withdraw([away[0]])
    batch = open_batch(machine.place)
    assert batch is not None
    with machine.journal() as journal, pytest.raises(StoreUnreachable):
        checkin.meet(batch, journal, Failing(), machine.clocks())  # type: ignore[arg-type]
    assert not batch.has(away[0])
    with machine.journal() as journal:
        assert all(entry.erased for entry in journal.entries() if entry.clip == away[0] and entry.verdict)


def test_what_is_nobodys_own_any_more_goes_from_here(machine: Machine, store: SqliteStore, away: list[str]) -> None:
    store.release("anna", [away[3]])
    store.lease("ben", 1, first=[away[3]])
    batch = open_batch(machine.place)
    assert batch is not None
    with machine.journal() as journal:
        checkin.meet(batch, journal, store, machine.clocks())
    assert [slot.clip for slot in batch.plan.slots] == away[:2]


@pytest.mark.parametrize("after", range(7))
def test_a_line_cut_anywhere_doubles_and_loses_nothing(
    machine: Machine, store: SqliteStore, away: list[str], after: int
) -> None:
    left = after

    class Cut:
        id = store.id

        def __getattr__(self, name: str) -> Any:
            found = getattr(store, name)

            def ask(*given: Any, **named: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0 and name == "push":
                    found(*given, **named)  # it arrived; the answer is lost
                if left < 0:
                    raise StoreUnreachable("cut")
                return found(*given, **named)

            return ask

    def check_in(through: Any) -> None:
        batch = open_batch(machine.place)
        assert batch is not None
        with machine.journal() as journal:
            checkin.meet(batch, journal, through, machine.clocks())
            checkin.give_back(batch, through)

    try:
        check_in(Cut())
    except StoreUnreachable:
        assert machine.place.exists()
        check_in(store)
    assert results(store) == expected(away)
    assert len(list(store.results(frozenset({"corrected"}), every_revision=True))) == 1
    assert not machine.place.exists()


def test_another_store_under_the_same_url_destroys_nothing(
    machine: Machine, store: SqliteStore, away: list[str], tmp_path: Path
) -> None:
    batch = open_batch(machine.place)
    assert batch is not None
    before = everything_in(machine.home)
    other = open_store(f"sqlite:///{tmp_path / 'another'}")
    try:
        with Journal.open(tmp_path / "its journal", "anna", app="t") as journal:
            for ask in (
                lambda: checkin.meet(batch, journal, other, machine.clocks()),
                lambda: checkin.withdraw(batch, None, other),
                lambda: checkin.give_back(batch, other),
            ):
                with pytest.raises(BatchError, match=r"leads to another store now.*--store"):
                    ask()
    finally:
        other.close()
    assert everything_in(machine.home) == before
    with machine.journal() as journal:
        checkin.meet(batch, journal, store, machine.clocks())
        checkin.give_back(batch, store)
    assert results(store) == expected(away)


def test_drafts_open_in_a_later_sitting_and_nowhere_else(machine: Machine, store: SqliteStore) -> None:
    batch, key = machine.checkout(2)
    clip = batch.plan.slots[0].clip
    offline, journal = machine.sit_down(key)
    with journal:
        journal.append(Draft(id=new_id(), at=told_time(), reviewer="anna", clip=clip, text="half a secret text"))
    offline, journal = machine.sit_down(key)
    with journal:
        assert journal.drafts() == {clip: "half a secret text"}
        assert offline.lease("anna", 2, first=[clip])[0].clip.id == clip
    with machine.journal() as journal:
        assert journal.drafts() == {}
        assert checkin.meet(batch, journal, store, machine.clocks())[1].quarantined == ()
    assert b"secret" not in everything_in(machine.home)


def test_the_retention_rule_leaves_drafts_that_the_batch_alone_opens(machine: Machine, store: SqliteStore) -> None:
    batch, key = machine.checkout(2)
    clips = [slot.clip for slot in batch.plan.slots]
    offline, journal = machine.sit_down(key)
    lease = offline.lease("anna", 1)[0].lease
    with journal:
        journal.append(decide(clips[0], "corrected", TEXT, lease=lease))
        journal.append(Draft(id=new_id(), at=told_time(), reviewer="anna", clip=clips[1], text="half a text"))
    with machine.journal() as journal:  # as `earmark sync` does it, without the key
        _, sent = checkin.meet(batch, journal, store, machine.clocks())
        assert retire(journal, sent.head.seq, told_time(days_ago=-1)) == 1
    with machine.journal(key) as journal:
        assert journal.drafts() == {clips[1]: "half a text"}
        assert journal.latest()[clips[0]].erased


def test_a_second_batch_has_a_key_of_its_own(
    machine: Machine, store: SqliteStore, away: list[str], everything: Callable[[], bytes]
) -> None:
    batch = open_batch(machine.place)
    assert batch is not None
    with machine.journal() as journal:
        checkin.meet(batch, journal, store, machine.clocks())
        checkin.give_back(batch, store)
    _, key = machine.checkout(2)
    with machine.journal(key) as journal:
        assert [entry.text for entry in journal.entries() if entry.verdict] == [None, None, None]
