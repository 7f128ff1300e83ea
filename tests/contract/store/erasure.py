"""What must go, and that it is gone from the store's files to the last byte."""

from __future__ import annotations

import random

import pytest

from earmark.queue.clip import Hypothesis
from earmark.queue.decision import Verdict
from earmark.queue.store.interface import Refused, Unknown

HOLD = 7 * 86400.0


def ids(leased):
    return [one.clip.id for one in leased]


def texts(store, **given):
    return [one.text for one in store.results(**given)]


@pytest.fixture
def clips(store, incoming):
    """Four clips, leased to anna; the first one's hypothesis and source hold a secret word."""
    secret = incoming(0, hypothesis=Hypothesis("the SECRET word " * 40), source="SECRET.wav", peaks=b"SECRET" * 9)
    assert list(store.add([secret, *(incoming(n) for n in range(1, 4))])) == ["added"] * 4
    return ids(store.lease("anna", 4))


@pytest.fixture
def anna(device):
    return device("anna")


def test_a_withdrawn_clip_is_gone_everywhere(backdoor, store, clips, anna, device, everything):
    anna.decide(clips[0], Verdict.CORRECTED, "SECRET " * 50, note="SECRET")
    anna.decide(clips[1], Verdict.ACCEPTED, "other")
    anna.push(store)
    ben = device("ben")
    ben.decide(clips[0], Verdict.CORRECTED, "SECRET too")
    ben.push(store)
    key = backdoor.clip_keys()[clips[0]]
    assert b"SECRET" in everything()
    assert key in everything()

    assert store.withdraw([clips[0]]) == 1

    assert b"SECRET" not in everything()
    assert key not in everything()
    assert not backdoor.sound(clips[0]).exists()
    assert texts(store) == texts(store, every_revision=True) == ["other"]
    assert len(list(store.results(frozenset(Verdict)))) == 1
    with pytest.raises(Refused, match="withdrawn"):
        store.audio("anna", clips[0])
    assert clips[0] not in ids(store.lease("anna", 9, first=[clips[0]]))
    assert store.withdrawn() == (1, (clips[0],))


def test_withdrawing_again_changes_nothing(store, clips):
    assert store.withdraw([clips[0], clips[0]]) == 1
    assert store.withdraw([clips[0]]) == 0
    assert store.withdrawn() == (1, (clips[0],))


def test_an_unknown_clip_is_named_and_the_others_go(store, clips):
    with pytest.raises(Unknown, match="no clip nowhere") as caught:
        store.withdraw(["nowhere", clips[1]])
    assert caught.value.clips == ("nowhere",)
    assert store.withdrawn()[1] == (clips[1],)


def test_what_a_crash_left_is_removed_the_second_time(backdoor, store, clips):
    path = backdoor.sound(clips[0])
    sealed = path.read_bytes()
    store.withdraw([clips[0]])
    path.write_bytes(sealed)  # as if the program had died between the commit and the unlink
    store.withdraw([clips[0]])
    assert not path.exists()


def test_withdrawals_since_an_epoch(store, clips):
    assert store.withdrawn() == (0, ())
    store.withdraw([clips[2]])
    epoch, _ = store.withdrawn()
    assert store.withdrawn(epoch) == (epoch, ())
    store.withdraw([clips[0], clips[1]])
    assert store.withdrawn(epoch) == (epoch + 2, (clips[0], clips[1]))
    # A store that came back from an old copy: the reviewer's list is newer than it.
    assert store.withdrawn(99) == (3, (clips[2], clips[0], clips[1]))


def test_a_withdrawn_sound_does_not_come_back(store, clips, incoming):
    store.withdraw([clips[0]])
    assert list(store.add([incoming(0, source="renamed.wav", subject=None)])) == ["withdrawn"]


def test_a_decision_on_a_withdrawn_clip_leaves_no_text(store, clips, anna, everything):
    store.withdraw([clips[0]])
    anna.decide(clips[0], Verdict.CORRECTED, "SECRET later")
    anna.decide(clips[0], Verdict.RETRACTED)
    anna.decide(clips[0], Verdict.CRITICAL)
    anna.decide(clips[1], Verdict.ACCEPTED, "fine")
    pushed = anna.push(store)
    assert pushed.head.seq == 4
    assert pushed.quarantined == ()
    assert b"SECRET" not in everything()
    assert texts(store) == ["fine"]
    assert clips[0] not in ids(store.lease("anna", 9))


def test_a_subject_and_all_that_comes_later(store, incoming):
    people = ["Zoë", "Max", "Zoe\u0308", None]
    list(store.add(incoming(n, subject=subject) for n, subject in enumerate(people)))
    assert store.withdraw_subject("Zoë") == 2
    assert store.counts("anna").withdrawn == 2
    assert store.withdraw_subject("Zoë") == 0
    assert list(store.add([incoming(7, subject="Zoë"), incoming(8, subject="Max")])) == ["withdrawn", "added"]


def test_a_subject_may_opt_out_before_any_clip_of_theirs(store, incoming):
    assert store.withdraw_subject("Eva") == 0
    assert list(store.add([incoming(1, subject="Eva")])) == ["withdrawn"]


def test_a_subject_who_opts_out_while_clips_come_in(store, incoming, backdoor):
    def some():
        yield incoming(1, subject="Eva")
        store.withdraw_subject("Eva")

    assert list(store.add(some())) == ["withdrawn"]
    assert backdoor.staged() == []


@pytest.mark.parametrize("text", [None, Hypothesis("other")])
def test_a_subject_whose_name_came_with_a_later_load(store, incoming, text):
    more = {} if text is None else {"hypothesis": text}
    assert list(store.add([incoming(1, subject=None)])) == ["added"]
    assert list(store.add([incoming(1, subject="Eva", **more)])) == ["known" if text is None else "other text"]
    assert list(store.add([incoming(1, subject="Max"), incoming(1, subject=None)])) == ["known", "known"]
    assert store.withdraw_subject("Max") == 0
    assert store.withdraw_subject("Eva") == 1
    assert store.lease("anna", 9) == []


def test_a_subject_whose_name_came_later_in_the_same_batch(store, incoming):
    assert list(store.add([incoming(1, subject=None), incoming(1, subject="Eva")])) == ["added", "known"]
    assert store.withdraw_subject("Eva") == 1


def test_a_clip_that_turns_out_to_be_of_somebody_who_opted_out(store, incoming, backdoor, everything):
    secret = Hypothesis("SECRET")
    assert list(store.add([incoming(1, subject=None, hypothesis=secret), incoming(2)])) == ["added"] * 2
    clip = next(one.clip.id for one in store.lease("anna", 9) if one.clip.hypothesis == secret)
    sound = backdoor.sound(clip)
    store.withdraw_subject("Eva")
    given = [incoming(1, subject="Eva"), incoming(3, subject=None), incoming(3, subject="Eva")]
    assert list(store.add(given)) == ["withdrawn", "added", "withdrawn"]
    _, gone = store.withdrawn()
    assert clip in gone
    assert len(gone) == 2
    assert not sound.exists()
    assert b"SECRET" not in everything()
    assert [one.clip.hypothesis.text for one in store.lease("anna", 9)] == ["machine text 2"]
    store.check_withdrawals()
    assert list(store.add(given)) == ["withdrawn"] * 3
    assert len(store.withdrawn()[1]) == 2


def test_critical_erases_every_text_of_that_clip(store, clips, anna, device, everything):
    ben = device("ben")
    ben.decide(clips[1], Verdict.CORRECTED, "SECRET by ben " * 30)
    ben.decide(clips[2], Verdict.CORRECTED, "bens other")
    ben.push(store)
    anna.decide(clips[1], Verdict.CORRECTED, "SECRET by anna " * 30)
    anna.decide(clips[1], Verdict.CRITICAL, pressed=1.5)
    anna.push(store)
    assert everything().count(b"SECRET by") == 0
    assert texts(store, every_revision=True) == ["bens other"]
    assert texts(store) == ["bens other"]
    (mark,) = store.results(frozenset({"critical"}))
    assert (mark.clip, mark.text, mark.machine) == (clips[1], None, None)


def test_a_text_on_a_critical_clip_that_arrives_later_is_dropped(store, clips, anna, device, everything):
    anna.decide(clips[1], Verdict.CRITICAL)
    anna.push(store)
    ben = device("ben")
    ben.decide(clips[1], Verdict.CORRECTED, "SECRET by ben")
    assert ben.push(store).head.seq == 1
    assert b"SECRET by" not in everything()
    assert texts(store) == []


def test_of_a_critical_or_withdrawn_clip_no_other_verdict_comes_out(store, clips, anna, device):
    anna.decide(clips[0], Verdict.UNINTELLIGIBLE)
    anna.decide(clips[1], Verdict.UNINTELLIGIBLE)
    anna.push(store)
    ben = device("ben")
    ben.decide(clips[0], Verdict.CRITICAL)
    ben.push(store)
    store.withdraw([clips[1]])
    assert [(one.reviewer, one.verdict) for one in store.results(frozenset(Verdict))] == [("ben", "critical")]


def test_a_critical_clip_leaves_all_leases_and_cannot_be_heard(store, clips, anna, device):
    ben = device("ben")
    ben.decide(clips[0], Verdict.CRITICAL)
    ben.push(store)
    with pytest.raises(Refused, match="critical"):
        store.audio("anna", clips[0])
    assert clips[0] not in ids(store.lease("anna", 9))
    anna.decide(clips[1], Verdict.CRITICAL)
    anna.push(store)
    with pytest.raises(Refused, match="critical"):
        store.audio("anna", clips[1])


def test_the_key_is_destroyed_after_the_hold(backdoor, store, clips, anna, clock, everything):
    anna.decide(clips[0], Verdict.CRITICAL)
    anna.push(store)
    key = backdoor.clip_keys()[clips[0]]
    clock.now += HOLD - 1
    assert store.purge() == 0
    clock.now += 1
    assert store.purge() == 1
    assert store.purge() == 0
    assert clips[0] not in backdoor.clip_keys()
    assert key not in everything()
    assert b"the SECRET" not in everything()
    assert not backdoor.sound(clips[0]).exists()
    assert store.counts("anna").decided == 1


def test_leasing_purges_what_is_due(backdoor, store, clips, anna, clock):
    anna.decide(clips[0], Verdict.CRITICAL)
    anna.push(store)
    clock.now += HOLD
    store.lease("ben", 1)
    assert clips[0] not in backdoor.clip_keys()


def test_taking_a_critical_mark_back(backdoor, store, clips, anna, clock):
    anna.decide(clips[0], Verdict.CORRECTED, "typed")
    anna.decide(clips[0], Verdict.CRITICAL)
    anna.decide(clips[0], Verdict.RETRACTED)
    anna.push(store)
    assert ids(store.lease("anna", 1)) == [clips[0]]
    assert store.audio("anna", clips[0])
    assert texts(store, every_revision=True) == []  # clip and hypothesis come back, never what was typed
    clock.now += HOLD + 1
    assert store.purge() == 0
    assert clips[0] in backdoor.clip_keys()


def taken_back_too_late(store, clip, anna, clock):
    """A critical mark whose hold was over, and the clip's key destroyed, before its reviewer took it back."""
    anna.decide(clip, Verdict.CRITICAL)
    anna.push(store)
    clock.now += HOLD
    store.purge()
    anna.decide(clip, Verdict.RETRACTED)
    anna.push(store, 1)


def test_taking_it_back_after_the_hold_brings_nothing(store, clips, anna, clock):
    taken_back_too_late(store, clips[0], anna, clock)
    assert clips[0] not in ids(store.lease("anna", 9))
    with pytest.raises(Refused):
        store.audio("anna", clips[0])


@pytest.mark.parametrize("verdict", [Verdict.ACCEPTED, Verdict.SKIPPED, Verdict.UNINTELLIGIBLE, Verdict.ESCALATED])
def test_a_late_decision_after_that_brings_nothing_either(store, clips, anna, device, clock, verdict):
    taken_back_too_late(store, clips[0], anna, clock)
    ben = device("ben")
    ben.decide(clips[0], verdict)
    ben.push(store)
    assert clips[0] not in ids(store.lease("cleo", 9))
    assert store.reopen("ben", clips[:1]) == []
    assert store.counts("cleo").decided == 1


def test_one_mark_taken_back_leaves_the_others(store, clips, anna, device, clock):
    ben = device("ben")
    ben.decide(clips[0], Verdict.CRITICAL)
    ben.push(store)
    anna.decide(clips[0], Verdict.CRITICAL)
    anna.decide(clips[0], Verdict.RETRACTED)
    anna.push(store)
    assert clips[0] not in ids(store.lease("anna", 9))
    clock.now += HOLD
    assert store.purge() == 1


def test_a_critical_clip_loaded_again_after_its_hold_stays_away(store, clips, anna, clock, incoming):
    anna.decide(clips[1], Verdict.CRITICAL)
    anna.push(store)
    clock.now += HOLD
    store.purge()
    assert list(store.add([incoming(1)])) == ["known"]
    assert clips[1] not in ids(store.lease("anna", 9))


def test_a_critical_clip_can_be_withdrawn(store, clips, anna):
    anna.decide(clips[0], Verdict.CRITICAL)
    anna.push(store)
    assert store.withdraw([clips[0]]) == 1
    assert store.purge() == 0


def test_a_critical_mark_with_a_spoilt_commit_still_counts(store, clips, anna):
    from earmark.queue.journal.line import chain_of, split

    anna.decide(clips[0], Verdict.CRITICAL)
    envelope = split(anna.lines[0]).envelope
    line = envelope[:-1] + b',"payload":{"text":"SECRET","note":null,"salt":""},"chain":"%s"}\n'
    anna.lines[0] = line % chain_of("", envelope).encode()
    assert anna.push(store).quarantined == ()
    with pytest.raises(Refused, match="critical"):
        store.audio("anna", clips[0])


@pytest.mark.parametrize("seed", range(3))
def test_no_text_lingers_wherever_it_lay(store, incoming, device, everything, seed):
    """Texts of all sizes, side by side on pages and over several: what is erased is gone, the rest is whole."""
    chance = random.Random(seed)
    count = 150

    def word(kind, number):
        return f"{kind}-{number:04d}-"

    def long(kind, number):
        return word(kind, number) * chance.choice([1, 3, 20, 100, 600])

    list(
        store.add(
            incoming(n, hypothesis=Hypothesis(long("machine", n)), source=long("source", n)) for n in range(count)
        )
    )
    clips = ids(store.lease("anna", count))
    device_of = {name: device(name) for name in ("anna", "ben")}
    gone: set[int] = set()
    marked: set[int] = set()
    for _ in range(6):
        for name, one in device_of.items():
            start = len(one.lines)
            for number in chance.sample(range(count), 40):
                one.decide(clips[number], Verdict.CORRECTED, long(f"by-{name}", number))
            one.push(store, start)
        some = chance.sample(range(count), 8)
        store.withdraw([clips[number] for number in some])
        gone.update(some)
        start = len(device_of["anna"].lines)
        for number in chance.sample(range(count), 8):
            device_of["anna"].decide(clips[number], Verdict.CRITICAL)
            marked.add(number)
        device_of["anna"].push(store, start)
        held = everything()
        lingering = [
            word(kind, number)
            for number in gone | marked
            for kind in ("machine", "source", "by-anna", "by-ben")
            if (number in gone or kind.startswith("by-")) and word(kind, number).encode() in held
        ]
        assert lingering == []
    for result in store.results(source=True):
        number = clips.index(result.clip)
        assert result.text.startswith(word(f"by-{result.reviewer}", number))
        assert result.machine.startswith(word("machine", number))
        assert result.source.startswith(word("source", number))
