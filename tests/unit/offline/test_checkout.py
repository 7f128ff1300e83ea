"""From the store into a batch: cut off at any step, and taken up again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from earmark.queue.offline.batch_file import BatchError, open_batch
from earmark.queue.store.interface import Refused, StoreUnreachable
from earmark.queue.store.sqlite import SqliteStore
from laptop import DAY, WRAPPING, Crash, Machine


class Cut:
    """The store, until `after` questions have been answered."""

    def __init__(self, store: SqliteStore, after: int) -> None:
        self._store = store
        self.left = after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found):
            return found

        def ask(*given: Any, **named: Any) -> Any:
            if self.left <= 0:
                raise StoreUnreachable("the line is cut")
            self.left -= 1
            return found(*given, **named)

        return ask


def whole(machine: Machine, count: int) -> None:
    """The batch has so many clips, each openable, each leased, none twice; nobody else is leased any."""
    batch = open_batch(machine.place)
    assert batch is not None
    key = batch.open_key(WRAPPING)
    clips = [slot.clip for slot in batch.held()]
    assert len(clips) == len(set(clips)) == len(batch.plan.slots) == count
    for slot in batch.plan.slots:
        leased = batch.lease_of(key, slot.clip)
        assert leased is not None and leased.lease == slot.lease
    others = {one.clip.id for one in machine.store.lease("ben", 99)}
    assert not others & set(clips) and len(others) == 6 - count
    machine.store.release("ben", sorted(others))


def test_as_many_as_were_asked_for_as_long(machine: Machine) -> None:
    batch, _ = machine.checkout(4)
    assert batch.header.expires == machine.clock.now + 3 * DAY
    whole(machine, 4)


def test_all_there_are_where_there_are_fewer(machine: Machine) -> None:
    machine.checkout(50)
    whole(machine, 6)


def test_none_is_no_batch(machine: Machine) -> None:
    machine.store.lease("ben", 6)
    with pytest.raises(BatchError, match="no clip that you could review"):
        machine.checkout(3)
    assert not machine.place.exists()


def test_run_again_it_does_nothing_more_and_asks_for_more_it_adds(machine: Machine) -> None:
    first, _ = machine.checkout(2)
    machine.clock.now += 100
    again, _ = machine.checkout(2)
    assert again.plan == first.plan and again.header == first.header
    more, _ = machine.checkout(5)
    assert more.plan.slots[:2] == first.plan.slots
    assert more.header.expires == first.header.expires
    whole(machine, 5)


@pytest.mark.parametrize("after", range(6))
def test_a_cut_line_is_taken_up_where_it_was(machine: Machine, store: SqliteStore, after: int) -> None:
    machine.store = Cut(store, after)
    with pytest.raises(StoreUnreachable):
        machine.checkout(4)
    batch = open_batch(machine.place)
    assert (len(batch.held()) if batch else 0) == max(0, after - 2)
    machine.store = store
    machine.checkout(4)
    whole(machine, 4)


def test_a_crash_at_any_step_is_taken_up_where_it_was(
    machine: Machine, break_at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, finished = 0, False
    while not finished:
        with monkeypatch.context():
            break_at(number)
            try:
                machine.checkout(2)
                finished = True
            except Crash:
                pass
        monkeypatch.undo()
        machine.checkout(3)
        whole(machine, 3)
        assert not [path for path in machine.place.parent.iterdir() if path != machine.place], "no scraps"
        batch = open_batch(machine.place)
        assert batch is not None
        machine.store.release("anna", [slot.clip for slot in batch.plan.slots])
        batch.shred()
        number += 1
    assert number > 15


def test_a_clip_withdrawn_meanwhile_leaves_the_batch(machine: Machine, store: SqliteStore) -> None:
    class Withdrawing(Cut):
        def audio(self, reviewer: str, clip: str) -> bytes:
            self.left -= 1
            if self.left == 2:
                store.withdraw([clip])
            return store.audio(reviewer, clip)

    machine.store = Withdrawing(store, 6)
    batch, _ = machine.checkout(4)
    assert len(batch.held()) == len(batch.plan.slots) == 3


def test_a_refusal_in_the_middle_of_a_cut_is_not_forgotten(machine: Machine, store: SqliteStore) -> None:
    class Refusing(Cut):
        def audio(self, reviewer: str, clip: str) -> bytes:
            self.left -= 1
            if self.left == 3:
                raise Refused("gone")
            if self.left == 1:
                raise StoreUnreachable("the line is cut")
            return store.audio(reviewer, clip)

    machine.store = Refusing(store, 7)
    with pytest.raises(StoreUnreachable):
        machine.checkout(5)
    batch = open_batch(machine.place)
    assert batch is not None and len(batch.plan.slots) == 4


def test_a_clip_that_went_to_somebody_else_leaves_the_plan(machine: Machine, store: SqliteStore) -> None:
    machine.store = Cut(store, 3)
    with pytest.raises(StoreUnreachable):
        machine.checkout(3)
    batch = open_batch(machine.place)
    assert batch is not None
    lost = next(slot.clip for slot in batch.plan.slots if not batch.has(slot.clip))
    store.release("anna", [lost])
    store.lease("ben", 1, first=[lost])
    machine.store = store
    again, _ = machine.checkout(3)
    assert lost not in [slot.clip for slot in again.plan.slots]
    assert len(again.held()) == 2


def test_a_machine_whose_clock_stands_at_nothing_learns_the_time_from_the_store(machine: Machine) -> None:
    machine.ahead = -machine.clock.now
    batch, _ = machine.checkout(1)
    machine.clock.now += 3 * DAY + 1
    assert batch.left(machine.clocks()) <= 0


def test_a_machine_whose_clock_is_days_ahead_is_told_and_leases_nothing(machine: Machine) -> None:
    machine.ahead = 9 * DAY
    with pytest.raises(BatchError, match="set the clock"):
        machine.checkout(2)
    assert len(machine.store.lease("ben", 9)) == 6


def test_a_language_stays_the_batchs(machine: Machine, incoming: Any) -> None:
    list(machine.store.add(incoming(n, lang="fr") for n in range(10, 13)))
    machine.checkout(2, lang="fr")
    batch, _ = machine.checkout(6)
    assert len(batch.held()) == 3 and batch.plan.lang == "fr"


def test_a_full_disk_is_told_and_taken_up_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from earmark.queue import files

    real, left = files.replace, 4

    def filling(path: Path, data: bytes) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(files, "replace", filling)
    with pytest.raises(BatchError, match="No space left"):
        machine.checkout(6)
    monkeypatch.undo()
    batch = open_batch(machine.place)
    assert batch is not None and 0 < len(batch.held()) < 6
    machine.checkout(6)
    whole(machine, 6)


@pytest.mark.parametrize("expires", [1e300, -5.0, 0.0])
def test_a_time_that_cannot_be_is_no_lease(machine: Machine, store: SqliteStore, expires: float) -> None:
    class Lying(Cut):
        def lease(self, *given: Any, **named: Any) -> Any:
            return [msgspec.structs.replace(one, expires=expires) for one in store.lease(*given, **named)]

    machine.store = Lying(store, 99)
    with pytest.raises(BatchError):
        machine.checkout(2)
    assert not machine.place.exists()
    assert len(store.lease("ben", 9)) == 6
