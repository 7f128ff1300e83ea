"""A batch in the store's place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from earmark.queue.journal import Journal
from earmark.queue.offline.batch_file import BatchFolder, open_batch
from earmark.queue.offline.store import OfflineStore
from earmark.queue.store.interface import (
    Offline,
    OfflineReviewStore,
    Refused,
    RemoteReviewStore,
    StoreError,
    StoreUnreachable,
)
from laptop import DAY, Machine, decide

Desk = tuple[OfflineStore, Journal, BatchFolder, list[str]]


@pytest.fixture
def desk(machine: Machine) -> Iterator[Desk]:
    batch, key = machine.checkout(4)
    store, journal = machine.sit_down(key)
    machine.store = None  # whoever asks it fails
    yield store, journal, batch, [slot.clip for slot in batch.plan.slots]
    journal.close()


def ids(leased: list[Any]) -> list[str]:
    return [one.clip.id for one in leased]


def test_it_is_what_a_sitting_takes_it_for(desk: Desk) -> None:
    store, _, batch, _ = desk
    assert isinstance(store, OfflineReviewStore) and not isinstance(store, RemoteReviewStore)
    assert (store.id, store.until) == (batch.header.store, batch.header.expires)
    assert store.withdrawn(7) == (7, ())
    assert store.public_key() == batch.header.public_key


def test_what_would_go_to_the_store_says_that_it_waits(desk: Desk) -> None:
    store, *_ = desk
    for ask in (lambda: store.head("d"), lambda: store.push("d", "anna", []), lambda: store.quarantined("d")):
        with pytest.raises(Offline, match="checkin") as raised:
            ask()
        assert isinstance(raised.value, StoreUnreachable)


def test_undecided_clips_in_the_batchs_order(desk: Desk) -> None:
    store, journal, _, clips = desk
    assert ids(store.lease("anna", 2)) == clips[:2]
    assert ids(store.lease("anna", 9, first=[clips[3]])) == [clips[3], *clips[:3]]
    assert store.lease("anna", 9, lang="fr") == []
    lease = store.lease("anna", 1)[0].lease
    journal.append(decide(clips[0], "corrected", lease=lease))
    journal.append(decide(clips[1], "skipped", lease=lease))
    journal.append(decide(clips[2], "corrected", lease="an earlier one"))
    assert ids(store.lease("anna", 9)) == clips[2:]
    assert sorted(ids(store.reopen("anna", clips))) == sorted(clips[:2])
    counts = store.counts("anna")
    assert (counts.clips, counts.at_hand, counts.decided) == (4, 2, 2)
    journal.append(decide(clips[0], "retracted", lease=lease, shown=None))
    assert ids(store.lease("anna", 9)) == [clips[0], *clips[2:]]


def test_sound_is_there_until_the_time_is_over(desk: Desk, machine: Machine) -> None:
    store, _, batch, clips = desk
    assert store.audio("anna", clips[0]) == b"fLaC sound of 0"
    with pytest.raises(Refused):
        store.audio("anna", "another")
    machine.clock.now += 3 * DAY
    assert store.renew("anna", clips) == frozenset()
    for ask in (lambda: store.audio("anna", clips[0]), lambda: store.audio("anna", clips[1])):
        with pytest.raises(Refused, match="time is over"):
            ask()
    assert store.lease("anna", 9) == [] and store.reopen("anna", clips) == []
    assert not batch.folder.exists()
    store.close()


def test_a_clock_set_back_in_the_middle_prolongs_nothing(desk: Desk, machine: Machine) -> None:
    store, _, batch, clips = desk
    machine.clock.now += 2.9 * DAY
    assert store.renew("anna", clips) == frozenset(clips)
    machine.ahead = -20 * DAY
    machine.restart()
    assert store.renew("anna", clips) == frozenset(clips)
    machine.clock.now += 0.11 * DAY
    assert store.renew("anna", clips) == frozenset()
    assert not batch.folder.exists()


def test_a_critical_mark_destroys_the_clip_at_once_and_may_be_taken_back(desk: Desk) -> None:
    store, journal, batch, clips = desk
    (leased,) = store.lease("anna", 1)
    journal.append(decide(clips[0], "critical", lease=leased.lease))
    store.destroy(clips[0])
    assert not batch.path(clips[0]).exists()
    assert store.audio("anna", clips[0]) == b"fLaC sound of 0"
    assert clips[0] in store.renew("anna", clips)
    journal.append(decide(clips[0], "retracted", lease=leased.lease, shown=None))
    store.bring_back(clips[0])
    assert batch.path(clips[0]).exists()
    assert ids(store.lease("anna", 1)) == clips[:1]

    journal.append(decide(clips[0], "critical", lease=leased.lease))
    store.destroy(clips[0])
    store.forget()
    store.bring_back(clips[0])
    assert not batch.path(clips[0]).exists()
    with pytest.raises(Refused):
        store.audio("anna", clips[0])
    assert clips[0] not in store.renew("anna", clips)


def test_a_crash_between_the_mark_and_the_erasure_is_made_good(desk: Desk, machine: Machine) -> None:
    store, journal, batch, clips = desk
    (leased,) = store.lease("anna", 1)
    journal.append(decide(clips[0], "critical", lease=leased.lease))
    OfflineStore(batch, b"k" * 32, journal.latest, machine.clocks)
    assert not batch.path(clips[0]).exists()


def test_closing_remembers_the_time_and_forgets_the_key(desk: Desk, machine: Machine) -> None:
    store, _, batch, clips = desk
    machine.clock.now += DAY
    store.close()
    again = open_batch(batch.folder)
    assert again is not None and again.seen.time.at == machine.clock.now
    with pytest.raises(Refused):
        store.audio("anna", clips[0])


def test_one_damaged_clip_does_not_keep_the_others_closed(desk: Desk) -> None:
    store, _, batch, clips = desk
    batch.path(clips[0]).write_bytes(b"damaged")
    assert ids(store.lease("anna", 9)) == clips[1:]
    with pytest.raises(StoreError, match="damaged"):
        store.audio("anna", clips[0])


def test_many_threads_see_the_end_once(desk: Desk, machine: Machine) -> None:
    from concurrent.futures import ThreadPoolExecutor

    store, _, batch, clips = desk
    machine.clock.now += 4 * DAY
    with ThreadPoolExecutor(8) as pool:
        assert all(lost == frozenset() for lost in pool.map(lambda _: store.renew("anna", clips), range(32)))
    assert not batch.folder.exists()


def test_the_time_may_be_over_while_a_clip_is_read(
    desk: Desk, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, *_, clips = desk
    read = BatchFolder.sealed

    def late(batch: BatchFolder, clip: str) -> bytes | None:
        found = read(batch, clip)
        machine.clock.now += 4 * DAY
        assert store.renew("anna", clips) == frozenset()
        return found

    monkeypatch.setattr(BatchFolder, "sealed", late)
    assert store.audio("anna", clips[0]) == b"fLaC sound of 0"
    with pytest.raises(Refused, match="time is over"):
        store.audio("anna", clips[1])


def test_leaving_fails_for_no_disk(desk: Desk, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from earmark.queue import files

    store, *_ = desk

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "replace", full)
    store.close()
