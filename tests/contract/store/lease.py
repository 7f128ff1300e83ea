"""Who gets which clip, until when."""

from __future__ import annotations

import threading

import pytest

from earmark.queue.decision import Verdict
from earmark.queue.store.interface import Refused, StoreError

LEASE_SECONDS = 900.0


def ids(leased):
    return [one.clip.id for one in leased]


def test_no_clip_goes_to_two(store, fill):
    fill(5)
    anna, ben = store.lease("anna", 3), store.lease("ben", 3)
    assert len(anna) == 3
    assert len(ben) == 2
    assert not set(ids(anna)) & set(ids(ben))
    assert store.lease("cleo", 3) == []


def test_clips_come_in_order_of_arrival(store, fill):
    fill(4)
    assert [one.clip.duration for one in store.lease("anna", 3)] == [2.0, 3.0, 4.0]


def test_ones_own_come_again_before_new_ones(store, fill, clock):
    fill(5)
    before = store.lease("anna", 2)
    clock.now += 60
    again = store.lease("anna", 4)
    assert ids(again)[:2] == ids(before)
    assert [one.lease for one in again[:2]] == [one.lease for one in before]
    assert len(again) == 4
    assert all(one.expires == clock.now + LEASE_SECONDS for one in again)


def test_first_come_those_that_are_named(store, fill):
    fill(6)
    held = ids(store.lease("anna", 1))
    everything = ids(store.lease("ben", 5))
    store.release("ben", everything)
    named = [everything[3], everything[1], "unknown"]
    assert ids(store.lease("anna", 3, first=named)) == [everything[3], everything[1], *held]


def test_a_named_clip_of_somebody_else_is_not_given(store, fill):
    fill(2)
    (bens,) = ids(store.lease("ben", 1))
    assert bens not in ids(store.lease("anna", 2, first=[bens]))


def test_only_the_language_that_is_asked_for(store, incoming):
    list(store.add(incoming(n, lang=lang) for n, lang in enumerate(["de", "fi", None, "fi"])))
    assert [one.clip.lang for one in store.lease("anna", 9, lang="fi")] == ["fi", "fi"]
    assert store.lease("anna", 9, lang="sv") == []
    assert len(store.lease("anna", 9)) == 4


def test_an_expired_lease_returns_to_the_pool(store, fill, clock):
    fill(1)
    (clip,) = ids(store.lease("anna", 1))
    clock.now += LEASE_SECONDS - 1
    assert store.lease("ben", 1) == []
    clock.now += 1
    with pytest.raises(Refused, match="not leased to anna"):
        store.audio("anna", clip)
    assert store.counts("ben").at_hand == 1
    assert ids(store.lease("ben", 1)) == [clip]


def test_renewing_prolongs_but_takes_nothing_back(store, fill, clock):
    fill(2)
    one, two = ids(store.lease("anna", 2))
    clock.now += LEASE_SECONDS - 1
    store.renew("anna", [one])
    clock.now += LEASE_SECONDS - 1
    assert store.audio("anna", one)
    assert ids(store.lease("ben", 2)) == [two]
    store.renew("anna", [one, two])
    assert store.audio("ben", two)
    with pytest.raises(Refused):
        store.audio("anna", two)


def test_releasing_opens_the_clip_to_others(store, fill):
    fill(1)
    (clip,) = ids(store.lease("anna", 1))
    store.release("ben", [clip])
    assert store.lease("ben", 1) == []
    store.release("anna", [clip])
    assert ids(store.lease("ben", 1)) == [clip]


@pytest.mark.parametrize(
    "verdict", [Verdict.ACCEPTED, Verdict.CORRECTED, Verdict.UNINTELLIGIBLE, Verdict.CRITICAL, Verdict.ESCALATED]
)
def test_a_decided_clip_is_given_to_nobody(store, fill, device, verdict):
    fill(1)
    (clip,) = ids(store.lease("anna", 1))
    anna = device("anna")
    anna.decide(clip, verdict)
    anna.push(store)
    store.release("anna", [clip])
    assert store.lease("ben", 1, first=[clip]) == []
    assert store.lease("anna", 1, first=[clip]) == []


def test_a_skipped_clip_is_for_the_others(store, fill, device):
    fill(1)
    (clip,) = ids(store.lease("anna", 1))
    anna = device("anna")
    anna.decide(clip, Verdict.SKIPPED)
    anna.push(store)
    assert store.lease("anna", 1) == []
    assert store.lease("anna", 1, first=[clip]) == []
    assert store.counts("anna").at_hand == 0
    assert store.counts("ben").at_hand == 1
    assert ids(store.lease("ben", 1)) == [clip]


def test_a_decided_clip_can_be_heard_until_its_release(store, fill, device):
    fill(1)
    (clip,) = ids(store.lease("anna", 1))
    anna = device("anna")
    anna.decide(clip, Verdict.ACCEPTED)
    anna.push(store)
    assert store.audio("anna", clip)
    store.release("anna", [clip])
    with pytest.raises(Refused):
        store.audio("anna", clip)


def test_a_decided_clip_takes_no_place_among_the_clips_at_hand(store, fill, device):
    fill(3)
    done, still = ids(store.lease("anna", 2))
    anna = device("anna")
    anna.decide(done, Verdict.ACCEPTED)
    anna.push(store)
    again = ids(store.lease("anna", 2))
    assert again[0] == still
    assert len(again) == 2
    assert done not in again


def test_the_sound_is_for_the_leaseholder_only(store, fill):
    fill(1)
    (clip,) = ids(store.lease("anna", 1))
    with pytest.raises(Refused, match="not leased to ben"):
        store.audio("ben", clip)
    with pytest.raises(Refused, match="no clip nowhere"):
        store.audio("anna", "nowhere")


def test_sound_that_is_missing_or_damaged_is_told(backdoor, store, fill):
    fill(2)
    one, two = ids(store.lease("anna", 2))
    backdoor.sound(one).unlink()
    path = backdoor.sound(two)
    sealed = bytearray(path.read_bytes())
    sealed[-1] ^= 1
    path.write_bytes(sealed)
    with pytest.raises(StoreError, match=f"sound of clip {one} is missing"):
        store.audio("anna", one)
    with pytest.raises(StoreError, match=f"sound of clip {two} is damaged"):
        store.audio("anna", two)


def test_one_clips_sound_does_not_open_as_anothers(backdoor, store, fill):
    fill(2)
    one, two = ids(store.lease("anna", 2))
    backdoor.sound(one).write_bytes(backdoor.sound(two).read_bytes())
    with pytest.raises(StoreError, match="damaged"):
        store.audio("anna", one)


def test_counts(store, fill, device, clock):
    fill(8)
    clips = ids(store.lease("anna", 4))
    store.lease("ben", 1)
    anna = device("anna")
    for clip, verdict in zip(clips, [Verdict.ACCEPTED, Verdict.SKIPPED, Verdict.CRITICAL], strict=False):
        anna.decide(clip, verdict)
    anna.push(store)
    store.withdraw([clips[3]])
    counts = store.counts("anna")
    assert (counts.clips, counts.at_hand, counts.decided, counts.withdrawn) == (7, 3, 2, 1)
    assert store.counts("ben").at_hand == 5
    clock.now += LEASE_SECONDS
    assert store.counts("anna").at_hand == 4


def test_many_threads_of_one_program(store, fill):
    fill(40)
    got, failed = [], []

    def work(name):
        try:
            for _ in range(5):
                leased = store.lease(name, 2)
                got.extend(ids(leased))
                for clip in ids(leased):
                    store.audio(name, clip)
                store.push("none", name, [])
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(f"r{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(set(got)) == 8  # each held its two


def test_a_clip_one_decided_can_be_had_again(store, fill, device):
    fill(3)
    done, skipped, other = ids(store.lease("anna", 3))
    anna = device("anna")
    anna.decide(done, Verdict.ACCEPTED)
    anna.decide(skipped, Verdict.SKIPPED)
    anna.push(store)
    store.release("anna", [done, skipped, other])
    assert ids(store.reopen("anna", [skipped, done, other, "nowhere"])) == [done, skipped]
    assert store.audio("anna", done)
    assert store.audio("anna", skipped)
    assert ids(store.lease("ben", 3)) == [other]  # a clip that was skipped and is open again has one holder
    assert store.reopen("ben", [done, skipped]) == []
    store.release("anna", [done, skipped])
    assert ids(store.lease("ben", 3)) == [other, skipped]


def test_what_cannot_be_had_again(store, fill, device):
    fill(4)
    _critical, withdrawn, taken, revised = clips = ids(store.lease("anna", 4))
    anna, ben = device("anna"), device("ben")
    for clip, verdict in zip(
        clips, [Verdict.CRITICAL, Verdict.ACCEPTED, Verdict.SKIPPED, Verdict.SKIPPED], strict=True
    ):
        anna.decide(clip, verdict)
    anna.push(store)
    store.release("anna", clips)
    store.withdraw([withdrawn])
    assert set(ids(store.lease("ben", 4))) == {taken, revised}
    ben.decide(revised, Verdict.ACCEPTED)
    ben.push(store)
    store.release("ben", [revised])
    assert store.reopen("anna", clips) == []


def test_a_damaged_hypothesis_hinders_nobody(store, fill, backdoor):
    fill(3)
    backdoor.spoil_hypothesis(2)
    leased = store.lease("anna", 3)
    assert len(leased) == 3
    assert leased[1].clip.hypothesis.text == ""
    assert leased[0].clip.hypothesis.text != ""
