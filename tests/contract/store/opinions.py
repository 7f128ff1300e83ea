"""A clip that wants the opinions of several reviewers: to whom it goes, one at a time, and when it is done."""

from __future__ import annotations

import threading
from collections import defaultdict

import pytest

from contract.store.tools import Device
from earmark.queue.decision import HAS_TEXT, Verdict
from earmark.queue.journal.line import Reason
from earmark.queue.store.interface import Judged, Refused, StoreError

LEASE_SECONDS = 900.0
PEOPLE = ["anna", "ben", "cleo", "dora"]
OPINIONS = [Verdict.ACCEPTED, Verdict.CORRECTED, Verdict.UNINTELLIGIBLE]


def ids(leased):
    return [one.clip.id for one in leased]


@pytest.fixture
def two(store):
    """The store, wanting two opinions of each clip."""
    store.want_opinions(2)
    return store


@pytest.fixture
def says(store, device):
    """`says(who, clip, verdict)`: a decision that arrives at once, from that reviewer's one device."""
    devices: dict[str, Device] = {}

    def says(who, clip, verdict=Verdict.ACCEPTED, text=None, **fields):
        if who not in devices:
            devices[who] = device(who)
        writer = devices[who]
        text = f"by {who}" if text is None and verdict in HAS_TEXT else text
        writer.decide(clip, verdict, text, **fields)
        return writer.push(store, len(writer.lines) - 1)

    return says


@pytest.fixture
def does(store, says):
    """`does(who, verdict)`: lease one clip, decide it, give it back; says which."""

    def does(who, verdict=Verdict.ACCEPTED):
        (clip,) = ids(store.lease(who, 1))
        says(who, clip, verdict)
        store.release(who, [clip])
        return clip

    return does


def decided(store):
    return store.counts("nobody").decided


def test_one_opinion_is_what_a_store_wants_by_itself(store, fill, does):
    fill(1)
    assert store.opinions() == 1
    does("anna")
    assert decided(store) == 1
    assert store.lease("ben", 1) == []


@pytest.mark.parametrize("verdict", OPINIONS)
@pytest.mark.parametrize("wanted", [2, 3])
def test_so_many_different_reviewers_and_then_it_is_done(store, fill, does, wanted, verdict):
    store.want_opinions(wanted)
    assert store.opinions() == wanted
    fill(1)
    for number, who in enumerate(PEOPLE[:wanted]):
        assert decided(store) == 0
        assert store.counts(who).at_hand == 1
        clip = does(who, verdict)
        assert store.counts(who).at_hand == 0
        assert store.lease(who, 9) == store.lease(who, 9, first=[clip], lang="de") == []
        assert store.renew(who, [clip]) == frozenset(), number
    assert decided(store) == 1
    for who in PEOPLE:
        assert store.lease(who, 1, first=[clip]) == []
        assert store.counts(who).at_hand == 0
    assert {one.reviewer for one in store.results(frozenset(OPINIONS))} == set(PEOPLE[:wanted])


def test_one_reviewer_at_a_time(two, fill, says):
    fill(1)
    (clip,) = ids(two.lease("anna", 1))
    assert two.lease("ben", 1) == []
    assert two.counts("ben").at_hand == 0
    says("anna", clip)
    assert ids(two.lease("ben", 1)) == [clip]
    assert two.lease("cleo", 1, first=[clip]) == []
    assert two.counts("cleo").at_hand == 0
    with pytest.raises(Refused, match="not leased to cleo"):
        two.audio("cleo", clip)
    with pytest.raises(Refused, match="not leased to anna"):
        two.audio("anna", clip)


def test_what_one_decides_again_is_one_opinion(two, fill, says, device):
    fill(1)
    (clip,) = ids(two.lease("anna", 1))
    says("anna", clip)
    says("anna", clip, Verdict.CORRECTED, "better")
    other = device("anna")
    other.decide(clip, Verdict.UNINTELLIGIBLE)
    other.push(two)
    assert decided(two) == 0
    assert ids(two.lease("ben", 1)) == [clip]


@pytest.mark.parametrize("lang", [None, "de"])
def test_a_clip_just_decided_comes_after_all_others(two, fill, says, lang):
    fill(4)
    first, second = ids(two.lease("anna", 2))
    says("anna", first)
    taken = two.lease("ben", 2, lang=lang)
    assert not {first, second} & set(ids(taken))
    assert two.audio("anna", first)
    assert two.counts("ben").at_hand == 3
    assert ids(two.lease("ben", 9, lang=lang)) == [*ids(taken), first]
    with pytest.raises(Refused):
        two.audio("anna", first)


def test_it_is_as_good_as_any_once_its_decider_has_let_go(two, fill, says):
    fill(4)
    (clip,) = ids(two.lease("anna", 1))
    says("anna", clip)
    two.release("anna", [clip])
    with pytest.raises(Refused):
        two.audio("anna", clip)
    assert ids(two.lease("ben", 1)) == [clip]


def test_it_is_as_good_as_any_once_that_lease_has_run_out_which_is_not_prolonged(two, fill, says, clock):
    fill(4)
    clip, other = ids(two.lease("anna", 2))
    says("anna", clip)
    clock.now += LEASE_SECONDS - 1
    assert two.renew("anna", [clip, other]) == {clip, other}
    clock.now += 1
    assert ids(two.lease("ben", 1)) == [clip]
    assert two.renew("anna", [clip, other]) == {other}


def test_a_lease_begins_anew_with_its_next_holder(two, fill, says, clock):
    fill(1)
    (before,) = two.lease("anna", 1, seconds=3 * 86400)
    says("anna", before.clip.id)
    (after,) = two.lease("ben", 1)
    assert after.lease != before.lease
    assert after.expires == clock.now + LEASE_SECONDS
    clock.now += LEASE_SECONDS
    assert ids(two.lease("cleo", 1)) == [before.clip.id]


def test_a_decision_taken_back_at_once_is_as_if_it_had_not_been(two, fill, says):
    fill(2)
    clip, _ = ids(two.lease("anna", 2))
    says("anna", clip)
    says("anna", clip, Verdict.RETRACTED)
    assert two.audio("anna", clip)
    assert clip not in ids(two.lease("ben", 9))
    assert clip in ids(two.lease("anna", 2))
    says("anna", clip, Verdict.CORRECTED, "again")
    two.release("anna", [clip])
    assert clip in ids(two.lease("ben", 9))


def test_taken_back_while_another_has_it(two, fill, says):
    fill(1)
    (clip,) = ids(two.lease("anna", 1))
    says("anna", clip)
    assert ids(two.lease("ben", 1)) == [clip]
    says("anna", clip, Verdict.RETRACTED)
    assert two.audio("ben", clip)
    assert two.lease("anna", 1) == two.reopen("anna", [clip]) == []
    says("ben", clip)
    assert decided(two) == 0
    assert ids(two.lease("anna", 1)) == [clip]
    says("anna", clip)
    assert decided(two) == 1


def test_one_of_several_taken_back_opens_the_clip_again(two, fill, says, does):
    fill(1)
    clip = does("anna")
    assert ids(two.lease("ben", 1)) == [clip]
    says("ben", clip)
    assert decided(two) == 1
    says("anna", clip, Verdict.RETRACTED)
    assert decided(two) == 0
    # It is anna's again, although ben might have gone on hearing what he decided.
    assert two.lease("cleo", 1) == []
    assert two.audio("anna", clip)
    two.release("anna", [clip])
    assert two.lease("ben", 1) == []
    assert ids(two.lease("cleo", 1)) == [clip]


def test_a_decision_can_be_heard_and_revised_until_somebody_else_is_at_it(two, fill, says, does):
    fill(2)
    clip = does("anna")
    (again,) = two.reopen("anna", [clip])
    assert again.clip.id == clip
    assert two.audio("anna", clip)
    assert two.reopen("ben", [clip]) == []
    # It waits for others all the same, after those that nobody has.
    other, last = ids(two.lease("ben", 2))
    assert last == clip != other
    assert two.reopen("anna", [clip]) == []
    says("anna", clip, Verdict.CORRECTED, "late")
    assert two.audio("ben", clip)
    assert ("anna", "late") in [(one.reviewer, one.text) for one in two.results()]
    assert decided(two) == 0
    says("ben", clip)
    assert decided(two) == 1
    # Both opinions stand, and each is its reviewer's to revise, as long as the other does not hear it.
    assert two.reopen("anna", [clip]) == []
    two.release("ben", [clip])
    assert ids(two.reopen("anna", [clip])) == [clip]
    assert two.audio("anna", clip)
    assert two.reopen("ben", [clip]) == []
    assert decided(two) == 1


def test_with_one_opinion_wanted_a_clip_is_its_last_deciders_alone(store, fill, says, does):
    fill(1)
    clip = does("anna")
    says("ben", clip)
    assert store.reopen("anna", [clip]) == []
    assert ids(store.reopen("ben", [clip])) == [clip]


def test_an_expired_lease_of_the_second(two, fill, does, clock):
    fill(1)
    clip = does("anna")
    two.lease("ben", 1)
    clock.now += LEASE_SECONDS
    assert two.counts("anna").at_hand == 0
    assert two.counts("cleo").at_hand == 1
    assert two.lease("anna", 1) == []
    assert ids(two.lease("cleo", 1)) == [clip]


def test_reopened_after_the_seconds_lease_ran_out_it_waits_for_others(two, fill, does, clock):
    fill(1)
    clip = does("anna")
    two.lease("ben", 1)
    clock.now += LEASE_SECONDS
    assert ids(two.reopen("anna", [clip])) == [clip]
    assert ids(two.lease("cleo", 1)) == [clip]


def test_late_opinions_count(two, fill, says, clock):
    """The lease ran out, others had it: whatever arrives is an opinion, and there may be more than are wanted."""
    fill(1)
    (clip,) = ids(two.lease("anna", 1))
    clock.now += LEASE_SECONDS
    two.lease("ben", 1)
    clock.now += LEASE_SECONDS
    two.lease("cleo", 1)
    says("anna", clip)
    assert decided(two) == 0
    assert two.audio("cleo", clip)
    says("ben", clip)
    assert decided(two) == 1
    assert two.audio("cleo", clip)
    says("cleo", clip)
    assert sorted(one.reviewer for one in two.results()) == ["anna", "ben", "cleo"]
    says("ben", clip, Verdict.RETRACTED)
    assert decided(two) == 1


@pytest.mark.parametrize("first", [True, False])
def test_a_skip_is_no_opinion(two, fill, does, first):
    fill(1)
    if first:
        does("anna", Verdict.SKIPPED)
        does("ben")
    else:
        does("ben")
        does("anna", Verdict.SKIPPED)
    assert [two.counts(who).at_hand for who in ("anna", "ben", "cleo")] == [0, 0, 1]
    assert two.lease("anna", 1) == two.lease("ben", 1) == []
    does("cleo")
    assert decided(two) == 1


def test_an_opinion_changed_into_a_skip(two, fill, says, does):
    fill(1)
    (clip,) = ids(two.lease("anna", 1))
    says("anna", clip)
    says("anna", clip, Verdict.SKIPPED)
    assert two.lease("anna", 1) == []
    does("ben")
    assert decided(two) == 0
    does("cleo")
    assert decided(two) == 1


@pytest.mark.parametrize("verdict", [Verdict.ESCALATED, Verdict.CRITICAL])
def test_an_escalated_or_critical_clip_goes_to_nobody_else(two, fill, does, verdict):
    fill(1)
    clip = does("anna")
    does("ben", verdict)
    assert decided(two) == 1
    assert two.lease("cleo", 1, first=[clip]) == []
    assert two.reopen("anna", [clip]) == []
    assert [one.reviewer for one in two.results(frozenset(Verdict))] == ["ben"]


def test_an_escalation_that_its_reviewer_decides_after_all(two, fill, says, does):
    fill(1)
    (clip,) = ids(two.lease("anna", 1))
    says("anna", clip, Verdict.ESCALATED)
    says("anna", clip)
    assert two.audio("anna", clip)
    assert decided(two) == 0
    does("ben")
    assert decided(two) == 1


def test_a_critical_mark_taken_back_leaves_no_text_and_so_no_opinion(two, fill, says, does):
    fill(1)
    clip = does("anna")
    (held,) = two.lease("ben", 1)
    says("ben", clip, Verdict.CRITICAL, lease=held.lease)
    says("ben", clip, Verdict.RETRACTED, lease=held.lease)
    assert two.audio("ben", clip)
    says("ben", clip)
    assert decided(two) == 0
    two.release("ben", [clip])
    assert does("anna") == clip
    assert decided(two) == 1


def test_an_opinion_whose_text_is_erased_is_none(two, fill, device):
    fill(1)
    (clip,) = ids(two.lease("anna", 1))
    anna = device("anna")
    anna.decide(clip, Verdict.CORRECTED, "gone")
    anna.erase(clip, Reason.WITHDRAWAL)
    anna.push(two)
    assert ids(two.lease("anna", 1)) == [clip]


def test_a_withdrawn_clip_is_gone_whatever_it_wants(two, fill, does):
    fill(2)
    clip = does("anna")
    two.withdraw([clip])
    assert clip not in ids(two.lease("ben", 9))
    assert list(two.results()) == []
    counts = two.counts("ben")
    assert (counts.clips, counts.at_hand, counts.decided, counts.withdrawn) == (1, 1, 0, 1)


def test_counts(two, fill, says, does, clock):
    fill(6)
    for who in ("anna", "ben"):
        first = does(who)
    held = ids(two.lease("anna", 2))
    assert first not in held
    says("anna", held[0])
    seen = {who: two.counts(who) for who in ("anna", "ben", "cleo")}
    # anna: the one that she holds, and the three that nobody has decided; ben and cleo: all but what is held.
    assert {who: one.at_hand for who, one in seen.items()} == {"anna": 4, "ben": 4, "cleo": 4}
    assert {(one.clips, one.decided, one.withdrawn) for one in seen.values()} == {(6, 1, 0)}
    for who in ("anna", "ben", "cleo"):
        assert len(two.lease(who, 99)) == seen[who].at_hand, who
        if who != "anna":
            two.release(who, ids(two.lease(who, 99)))
        else:
            two.release(who, [clip for clip in ids(two.lease(who, 99)) if clip != held[1]])
    clock.now += LEASE_SECONDS
    assert {who: two.counts(who).at_hand for who in ("anna", "ben", "cleo")} == {"anna": 4, "ben": 5, "cleo": 5}


def test_everybodys_latest_comes_out(two, fill, says, does):
    fill(1)
    clip = does("anna")
    does("ben")
    says("anna", clip, Verdict.CORRECTED, "second thoughts")
    texts = [(one.reviewer, one.text) for one in two.results()]
    assert texts == [("ben", "by ben"), ("anna", "second thoughts")]
    assert len(list(two.results(every_revision=True))) == 3


def test_wanting_more_opens_what_has_too_few(store, fill, says, does):
    fill(5)
    clips = [does("anna") for _ in range(2)]
    still, marked = ids(store.lease("anna", 2))
    says("anna", still)
    says("anna", marked, Verdict.ESCALATED)
    judged = store.want_opinions(2)
    assert (judged.reopened, judged.done) == (3, 0)
    assert decided(store) == 1
    assert store.lease("anna", 1, first=clips)[0].clip.id not in [*clips, still, marked]
    # What anna may still hear comes last.
    assert ids(store.lease("ben", 9)) == [*clips, still]
    assert store.want_opinions(2) == Judged(0, 0)


def test_wanting_fewer_finishes_what_has_enough(store, fill, does):
    store.want_opinions(3)
    fill(4)
    assert does("anna") == does("ben")
    clip = does("anna")
    (held,) = ids(store.lease("ben", 1, first=[clip]))
    judged = store.want_opinions(2)
    assert (judged.reopened, judged.done) == (0, 1)
    judged = store.want_opinions(1)
    assert (judged.reopened, judged.done) == (0, 1)
    assert decided(store) == 2
    # Who was at it may go on.
    assert store.audio("ben", held)
    assert held not in ids(store.lease("cleo", 9))
    judged = store.want_opinions(2)
    assert (judged.reopened, judged.done) == (1, 0)
    assert store.audio("ben", held)
    assert held in ids(store.lease("ben", 1))
    assert held not in ids(store.lease("dora", 9))


def test_wanting_it_of_many_clips(store, fill, device):
    """More than are judged in one step."""
    fill(1100)
    anna, ben = device("anna"), device("ben")
    clips = sorted(ids(store.lease("anna", 1000)) + ids(store.lease("ben", 100)))
    for clip in clips:
        anna.decide(clip, Verdict.ACCEPTED)
    ben.decide(clips[3], Verdict.ACCEPTED)
    anna.push(store)
    ben.push(store)
    assert store.want_opinions(2).reopened == 1099
    assert decided(store) == 1
    assert store.counts("ben").at_hand == 1099
    assert store.counts("anna").at_hand == 0
    assert store.want_opinions(1).done == 1099
    assert decided(store) == 1100


@pytest.mark.parametrize("number", [0, 10, -1])
def test_a_number_that_makes_no_sense_is_refused(store, number):
    with pytest.raises(StoreError):
        store.want_opinions(number)
    assert store.opinions() == 1


@pytest.mark.parametrize("wanted", [2, 3])
def test_reviewers_at_the_same_time(store, fill, device, wanted):
    """Each clip is decided by exactly as many as are wanted, and nobody is ever given one that they have decided."""
    clips = 40
    fill(clips)
    store.want_opinions(wanted)
    assert [store.counts(who).at_hand for who in ("nobody", *PEOPLE)] == [clips] * 5  # each has a way in now
    by, failed = defaultdict(list), []

    def work(who, writer):
        try:
            while decided(store) < clips:
                for one in store.lease(who, 5):
                    assert who not in by[one.clip.id]
                    store.audio(who, one.clip.id)
                    writer.decide(one.clip.id, Verdict.ACCEPTED, f"by {who}", lease=one.lease)
                    assert writer.push(store, len(writer.lines) - 1).quarantined == ()
                    by[one.clip.id].append(who)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(who, device(who))) for who in PEOPLE[:wanted]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert {len(who) for who in by.values()} == {len(set(who)) for who in by.values()} == {wanted}
    assert len(by) == clips
    assert len(list(store.results())) == clips * wanted
