"""What goes into a store, and how it lies there."""

from __future__ import annotations

import pytest

from earmark.queue.clip import Hypothesis


def test_loading_twice_changes_nothing(store, incoming, fill, everything):
    fill(5)
    before = everything()
    assert list(store.add(incoming(n) for n in range(5))) == ["known"] * 5
    assert everything() == before


def test_same_sound_with_another_text_keeps_the_first(store, incoming, fill):
    fill(1)
    assert list(store.add([incoming(0, hypothesis=Hypothesis("other"))])) == ["other text"]
    assert store.lease("anna", 1)[0].clip.hypothesis.text == "machine text 0"


def test_the_same_sound_twice_in_one_batch(store, incoming):
    again = incoming(0, source="elsewhere.wav")
    other = incoming(0, hypothesis=Hypothesis("other"))
    assert list(store.add([incoming(0), again, other])) == ["added", "known", "other text"]
    assert store.counts("anna").clips == 1
    assert store.audio("anna", store.lease("anna", 1)[0].clip.id) == incoming(0).audio


def test_a_lease_brings_back_all_that_went_in(store, incoming, fill):
    fill(1)
    clip = store.lease("anna", 1)[0].clip
    given = incoming(0)
    assert (clip.duration, clip.rate, clip.lang, clip.peaks) == (given.duration, given.rate, given.lang, given.peaks)
    assert clip.hypothesis == given.hypothesis
    assert store.audio("anna", clip.id) == given.audio


def test_outcomes_come_in_order_over_several_transactions(store, incoming, monkeypatch, backdoor):
    backdoor.batches_of(monkeypatch, 3)
    given = [0, 1, 0, 2, 3, 4, 1, 5]
    wanted = ["added", "added", "known", "added", "added", "added", "known", "added"]
    assert list(store.add(incoming(n) for n in given)) == wanted


def test_an_iterator_that_fails_leaves_no_staged_file(backdoor, store, incoming):
    def some():
        yield incoming(0)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(store.add(some()))
    assert backdoor.staged() == []
    assert store.counts("anna").clips == 0
