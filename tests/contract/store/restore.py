"""A store whose database came back from an older copy: nothing withdrawn is ever handed out again.

`older` is a fixture of each kind of store: called, it keeps a copy of the database, and gives what puts the copy back
and opens the store again.
"""

from __future__ import annotations

import pytest

from earmark.queue.decision import Verdict
from earmark.queue.store.interface import StoreError


def ids(leased):
    return [one.clip.id for one in leased]


@pytest.fixture
def clips(store, incoming):
    """Six clips of three people, leased to anna."""
    list(store.add(incoming(n, subject=f"person {n // 2}") for n in range(6)))
    return ids(store.lease("anna", 6))


def refuses_all(store, clips):
    for ask in (
        lambda: store.lease("anna", 9),
        lambda: store.lease("anna", 1, first=clips),
        lambda: store.reopen("anna", clips),
        lambda: store.renew("anna", clips),
        lambda: store.audio("anna", clips[-1]),
        lambda: list(store.results()),
        store.check_withdrawals,
    ):
        with pytest.raises(StoreError, match="earmark store replay"):
            ask()


def test_nothing_is_given_out_until_they_are_in_force_again(store, clips, older, incoming):
    store.withdraw([clips[5]])
    back = older()
    store.withdraw([clips[0], clips[1]])
    store.withdraw_subject("person 1")
    gone = store.withdrawn()
    store = back()
    assert len(store.withdrawn()[1]) == 1
    refuses_all(store, clips)
    with pytest.raises(StoreError, match="earmark store replay"):
        store.withdraw([clips[4]])
    assert store.replay() == (2, 4)
    store.check_withdrawals()
    assert store.withdrawn() == gone
    assert ids(store.lease("anna", 9)) == [clips[4]]
    assert store.audio("anna", clips[4])
    for clip in clips[:4]:
        with pytest.raises(StoreError, match="withdrawn"):
            store.audio("anna", clip)
    assert list(store.add([incoming(0), incoming(77, subject="person 1")])) == ["withdrawn", "withdrawn"]
    assert store.replay() == (0, 0)
    assert store.withdraw([clips[4]]) == 1
    assert store.lease("anna", 9) == []


def test_a_clip_that_came_after_the_copy_cannot_be_loaded_again(store, clips, older, incoming):
    back = older()
    list(store.add([incoming(50), incoming(51, subject="late")]))
    late = sorted(set(ids(store.lease("anna", 9))) - set(clips))
    store.withdraw([late[0]])
    store.withdraw_subject("late")
    gone = store.withdrawn()
    store = back()
    refuses_all(store, clips)
    store.replay()
    assert store.withdrawn() == gone
    assert set(store.add([incoming(50), incoming(51, subject=None)])) <= {"withdrawn", "added"}
    assert not set(ids(store.lease("anna", 99))) & set(gone[1])
    assert store.counts("anna").withdrawn == len(gone[1])


def test_texts_that_the_copy_brought_back_go_too(store, clips, older, device, everything):
    anna = device("anna")
    anna.decide(clips[0], Verdict.CORRECTED, "SECRET " * 30)
    anna.push(store)
    back = older()
    store.withdraw([clips[0]])
    store = back()
    assert b"SECRET" in everything()
    store.replay()
    assert b"SECRET" not in everything()


def test_an_older_copy_without_withdrawals_after_it_is_as_good_as_ever(store, clips, older):
    store.withdraw([clips[0]])
    store = older()()
    assert ids(store.lease("anna", 9)) == clips[1:]
    assert store.replay() == (0, 0)


def test_restored_twice_to_different_times(store, clips, older):
    first = older()
    store.withdraw([clips[0]])
    second = older()
    store.withdraw([clips[1]])
    store = second()
    assert store.replay() == (1, 1)
    store.withdraw([clips[2]])
    store = first()
    assert store.replay() == (3, 3)
    assert store.withdrawn() == (3, tuple(clips[:3]))
    assert ids(store.lease("anna", 9)) == clips[3:]


def test_the_log_holds_no_words_and_no_names(store, clips, log):
    store.withdraw([clips[0]])
    store.withdraw_subject("person 2")
    held = log()
    assert clips[0].encode() in held
    assert clips[5].encode() in held
    for word in (b"person", b"machine", b"corpus"):
        assert word not in held
