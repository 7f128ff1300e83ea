"""The clips at hand, against a real store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from earmark.queue.audio import decode, encode_flac, identity
from earmark.queue.batch import Batch
from earmark.queue.clip import Hypothesis
from earmark.queue.decision import Decision, Verdict
from earmark.queue.journal import Journal
from earmark.queue.stamp import new_id, told_time
from earmark.queue.store.interface import Incoming, Refused, Store
from earmark.queue.store.open import open_store
from earmark.queue.sync import send


def incoming(i: int) -> Incoming:
    samples = (np.sin(np.arange(1600) * (i + 1) / 50) * 9000).astype(np.int16)
    return Incoming(
        identity=identity(samples, 16000),
        audio=encode_flac(samples, 16000),
        duration=0.1,
        rate=16000,
        hypothesis=Hypothesis(f"clip {i}"),
        lang="en",
        peaks=b"",
        source=f"{i}.wav",
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's'}")
    list(opened.add(incoming(i) for i in range(12)))
    yield opened
    opened.close()


sound = decode


def test_two_reviewers_never_hold_the_same_clip(store: Store) -> None:
    one, two = Batch(store, "one", sound, size=5), Batch(store, "two", sound, size=5)
    first, second = one.fill(), two.fill()
    assert len(first) == len(second) == 5
    assert {a.clip.id for a in first}.isdisjoint(b.clip.id for b in second)


def test_filling_again_brings_new_clips_only_when_few_wait(store: Store) -> None:
    batch = Batch(store, "r", sound, size=6)
    first = batch.fill()
    assert batch.fill(6) == []
    assert batch.fill(4) == []
    more = batch.fill(2, 4)  # the store has not heard of four decisions yet
    assert len(more) == 4
    assert {a.clip.id for a in first}.isdisjoint(b.clip.id for b in more)


def test_the_limit_of_a_sitting_holds(store: Store) -> None:
    batch = Batch(store, "r", sound, size=5, limit=7)
    assert len(batch.fill()) == 5
    assert len(batch.fill(0, 5)) == 2
    assert batch.fill(0, 7) == []


def test_giving_back_opens_the_clips_to_others(store: Store) -> None:
    batch = Batch(store, "one", sound, size=12)
    assert len(batch.fill()) == 12
    batch.give_back()
    assert len(Batch(store, "two", sound, size=12).fill()) == 12


def test_a_withdrawn_clip_is_not_played_and_not_leased(store: Store) -> None:
    clock = [0.0]
    batch = Batch(store, "r", sound, size=3, clock=lambda: clock[0])
    clips = [item.clip.id for item in batch.fill()]
    batch.fetch_ahead(clips)
    assert batch.sound_at_hand(clips[0]) is not None
    store.withdraw([clips[0]])
    assert not batch.is_withdrawn(clips[0])
    assert batch.refresh_withdrawn() == {clips[0]}
    assert batch.sound_at_hand(clips[0]) is None
    with pytest.raises(Refused):
        batch.sound(clips[0])


def test_each_withdrawal_is_told_once_however_the_list_came(store: Store) -> None:
    clips = [item.clip.id for item in Batch(store, "one", sound, size=3).fill()]
    store.withdraw([clips[0]])
    batch = Batch(store, "r", sound)
    batch.fill()  # asks for the list first
    assert batch.take_named() == {clips[0]}
    store.withdraw([clips[1]])
    batch.refresh_withdrawn()
    batch.refresh_withdrawn()
    assert (batch.take_named(), batch.take_named()) == ({clips[1]}, set())


def test_an_old_list_of_withdrawals_is_fetched_anew_before_a_play(store: Store) -> None:
    clock = [0.0]
    batch = Batch(store, "r", sound, size=3, clock=lambda: clock[0])
    (clip, *_) = [item.clip.id for item in batch.fill()]
    batch.sound(clip)
    store.withdraw([clip])
    clock[0] = 59.0
    assert batch.list_age == 59.0
    batch.sound(clip)
    clock[0] = 60.0
    with pytest.raises(Refused):
        batch.sound(clip)


def test_sound_is_kept_for_a_few_clips_only(store: Store) -> None:
    batch = Batch(store, "r", sound, size=10, ahead=3)
    clips = [item.clip.id for item in batch.fill()]
    batch.fetch_ahead(clips[:5])
    assert [batch.sound_at_hand(clip) is not None for clip in clips[:5]] == [True, True, True, False, False]
    batch.fetch_ahead(clips[4:8], keep=[clips[0]])
    assert [clip for clip in clips if batch.sound_at_hand(clip) is not None] == [clips[0], *clips[4:7]]


def test_a_decided_clip_comes_back_to_its_own_reviewer_only(store: Store, tmp_path: Path) -> None:
    batch = Batch(store, "r", sound, size=1)
    (item,) = batch.fill()
    with Journal.open(tmp_path / "j", "r", app="t") as journal:
        journal.append(
            Decision(id=new_id(), at=told_time(), reviewer="r", clip=item.clip.id, verdict=Verdict.ACCEPTED, text="t")
        )
        send(journal, store)
    batch.give_back()
    assert [again.clip.id for again in Batch(store, "r", sound).recall([item.clip.id])] == [item.clip.id]
    assert Batch(store, "other", sound).recall([item.clip.id]) == []


def test_a_lease_that_ran_out_and_went_to_somebody_else_is_let_go(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's'}", lease_seconds=0.05)
    list(store.add(incoming(i) for i in range(2)))
    one, two = Batch(store, "one", sound, size=2), Batch(store, "two", sound, size=1)
    held = {item.clip.id for item in one.fill()}
    time.sleep(0.1)
    (taken,) = [item.clip.id for item in two.fill()]
    assert one.renew() == {taken}
    assert one.renew() == set()
    assert held - {taken}
    store.close()


def test_a_clip_that_somebody_found_disturbing_is_no_result(store: Store, tmp_path: Path) -> None:
    (item,) = Batch(store, "ann", sound, size=1).fill()
    for who, verdict, text in (("ann", Verdict.ACCEPTED, "t"), ("bob", Verdict.ESCALATED, None)):
        with Journal.open(tmp_path / who, who, app="t") as journal:
            at = told_time()
            journal.append(
                Decision(id=new_id(), at=at, reviewer=who, clip=item.clip.id, verdict=verdict, text=text, shown="m")
            )
            send(journal, store)
    assert list(store.results()) == []
    (escalated,) = store.results(frozenset({"escalated"}))
    assert escalated.reviewer == "bob"
