"""Journal lines on their way into the store: cursor, chain, fork, quarantine, and what each verdict does."""

from __future__ import annotations

import hashlib
import re

import pytest

from earmark.queue.decision import Verdict
from earmark.queue.journal.line import Reason, chain_of, commit_of, erased, reissued, split
from earmark.queue.store.interface import Head, Refused, StoreError


@pytest.fixture
def clips(store, fill):
    """Six clips, leased to anna."""
    fill(6)
    return [one.clip.id for one in store.lease("anna", 6)]


@pytest.fixture
def anna(device):
    return device("anna")


def texts(store, **given):
    return [(one.clip, one.text) for one in store.results(**given)]


def framed(line: bytes, envelope: bytes, previous: str, payload: bytes | None = None) -> bytes:
    """A line with another envelope or payload whose chain is right again."""
    payload = split(line).payload if payload is None else payload
    chain = chain_of(previous, envelope)
    return envelope[:-1] + b',"payload":' + payload + b',"chain":"' + chain.encode() + b'"}\n'


def test_head_follows_what_was_taken(store, clips, anna):
    assert store.head(anna.name) == Head()
    for clip in clips[:3]:
        anna.decide(clip, Verdict.ACCEPTED)
    pushed = anna.push(store)
    assert pushed.head == store.head(anna.name) == Head(3, anna.chain)
    assert pushed.quarantined == ()
    assert not pushed.fork
    assert [clip for clip, _ in texts(store)] == clips[:3]


def test_sending_again_in_any_cut_changes_nothing(store, clips, anna):
    for number, clip in enumerate(clips):
        anna.decide(clip, Verdict.CORRECTED, f"text {number}")
    wanted = [(clip, f"text {number}") for number, clip in enumerate(clips)]
    sent = [(0, 3), (0, 3), (0, 2), (1, 4), (0, 6), (5, 6), (0, 6)]
    for start, end in sent:
        pushed = store.push(anna.name, "anna", anna.lines[start:end])
        assert not pushed.fork
        assert pushed.quarantined == ()
    assert pushed.head == Head(6, anna.chain)
    assert texts(store, every_revision=True) == wanted


def test_a_gap_takes_nothing(store, clips, anna):
    for clip in clips[:4]:
        anna.decide(clip, Verdict.ACCEPTED)
    assert store.push(anna.name, "anna", anna.lines[1:]).head == Head()
    anna.push(store)
    store.push(anna.name, "anna", anna.lines[:1])
    for clip in clips[:2]:
        anna.decide(clip, Verdict.ACCEPTED)
    pushed = store.push(anna.name, "anna", anna.lines[5:])
    assert pushed.head.seq == 4
    assert not pushed.fork
    assert len(texts(store, every_revision=True)) == 4


def test_an_empty_push(store, anna):
    assert store.push(anna.name, "anna", []).head == Head()


@pytest.mark.parametrize("start", [0, 1, 2])
def test_other_lines_under_the_same_numbers_are_a_fork(store, clips, anna, start):
    """The journal came back from an old copy, and went on otherwise: seen with an overlap and without one."""
    anna.decide(clips[0], Verdict.ACCEPTED)
    copy = list(anna.lines)
    anna.decide(clips[1], Verdict.ACCEPTED)
    anna.push(store)
    before = store.head(anna.name)
    anna.lines = copy
    anna.decide(clips[2], Verdict.ACCEPTED)
    anna.decide(clips[3], Verdict.ACCEPTED)
    pushed = store.push(anna.name, "anna", anna.lines[start:])
    assert pushed.fork
    assert pushed.head == before == store.head(anna.name)
    assert [clip for clip, _ in texts(store)] == clips[:2]


def test_a_fork_seen_in_lines_that_have_all_arrived(store, clips, anna):
    first = anna.decide(clips[0], Verdict.ACCEPTED)
    anna.decide(clips[1], Verdict.ACCEPTED)
    anna.decide(clips[2], Verdict.ACCEPTED)
    anna.push(store)
    anna.lines = [first]
    anna.decide(clips[3], Verdict.ACCEPTED)
    assert anna.push(store).fork


def test_after_a_fork_a_new_device_brings_the_rest_once(store, clips, anna, device):
    anna.decide(clips[0], Verdict.CORRECTED, "first")
    anna.push(store)
    anna.decide(clips[1], Verdict.CORRECTED, "second")
    fresh = device("anna")
    for line in anna.lines:
        fresh.lines.append(
            reissued(line, device=fresh.name, seq=len(fresh.lines) + 1, previous=fresh.chain),
        )
    pushed = fresh.push(store)
    assert pushed.head == Head(2, fresh.chain)
    assert pushed.quarantined == ()
    assert texts(store, every_revision=True) == [(clips[0], "first"), (clips[1], "second")]
    assert not fresh.push(store).fork


def test_a_broken_chain_takes_nothing(store, clips, anna):
    for clip in clips[:3]:
        anna.decide(clip, Verdict.ACCEPTED)
    anna.lines[1] = anna.lines[1].replace(b'"plays":0', b'"plays":9')
    with pytest.raises(StoreError, match="line 2 does not follow"):
        anna.push(store)
    assert store.head(anna.name) == Head()
    assert texts(store) == []


def test_bytes_that_are_no_line_take_nothing(store, clips, anna):
    anna.decide(clips[0], Verdict.ACCEPTED)
    with pytest.raises(StoreError, match="line 2 of a push: not a journal line"):
        store.push(anna.name, "anna", [*anna.lines, b'{"half":\n'])
    assert store.head(anna.name) == Head()


def test_a_device_belongs_to_one_reviewer(store, clips, anna):
    anna.decide(clips[0], Verdict.ACCEPTED)
    anna.push(store)
    with pytest.raises(Refused, match="another reviewer"):
        store.push(anna.name, "ben", anna.lines)


def spoil_reviewer(line, previous):
    return framed(line, split(line).envelope.replace(b'"reviewer":"anna"', b'"reviewer":"ben"'), previous)


def spoil_device(line, previous):
    return framed(line, split(line).envelope.replace(b'"device":"device1"', b'"device":"device9"'), previous)


def spoil_verdict(line, previous):
    return framed(line, split(line).envelope.replace(b'"verdict":"corrected"', b'"verdict":"lovely"'), previous)


def spoil_clip(line, previous):
    envelope = split(line).envelope
    at = envelope.index(b'"clip":"') + 8
    return framed(line, envelope[:at] + b"SECRET" + envelope[envelope.index(b'"', at) :], previous)


def spoil_payload(line, previous):
    return framed(line, split(line).envelope, previous, split(line).payload.replace(b"SECRET", b"SECRET!"))


def spoil_json(line, previous):
    return framed(line, b"{nonsense SECRET}", previous)


def spoil_number(line, previous):
    return framed(line, split(line).envelope.replace(b'"seq":2', b'"seq":7'), previous)


def spoil_version(line, previous):
    return framed(line, split(line).envelope.replace(b'"v":1', b'"v":9'), previous)


def with_more(body, more):
    return body[:-1] + b',"more":' + more + b"}"


DEEP = b"[" * 6000
"""About as deep as a line's envelope may be long, and never closed: some decoders give up long before its end."""


def spoil_unknown_field(line, previous):
    return framed(line, with_more(split(line).envelope, b'"\xff"'), previous)


def spoil_depth(line, previous):
    return framed(line, with_more(split(line).envelope, DEEP), previous)


def spoil_id(line, previous):
    return framed(line, re.sub(rb'"id":"[^"]*"', b'"id":"no UUID"', split(line).envelope), previous)


def with_payload(line, previous, payload):
    envelope = re.sub(rb'"commit":"[^"]*"', b'"commit":"%s"' % commit_of(payload).encode(), split(line).envelope)
    return framed(line, envelope, previous, payload)


def spoil_payloads_letters(line, previous):
    return with_payload(line, previous, with_more(split(line).payload, b'"\xff"'))


def spoil_payloads_depth(line, previous):
    return with_payload(line, previous, with_more(split(line).payload, b"[" * 90_000 + b"]" * 90_000))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_reviewer, "another reviewer's"),
        (spoil_device, "another device's"),
        (spoil_verdict, "wrong kind"),
        (spoil_clip, "no such clip"),
        (spoil_payload, "not the one that was committed"),
        (spoil_json, "not valid JSON"),
        (spoil_number, "number is 7, its place 2"),
        (spoil_version, "version 9"),
        (spoil_unknown_field, "not valid JSON"),
        (spoil_depth, "not valid JSON"),
        (spoil_id, "not a UUID"),
        (spoil_payloads_letters, "not one of ours"),
        (spoil_payloads_depth, "not one of ours"),
    ],
)
def test_a_bad_line_is_set_aside_and_the_rest_goes_in(store, clips, anna, everything, spoil, reason):
    anna.decide(clips[0], Verdict.ACCEPTED)
    previous = anna.chain
    anna.decide(clips[1], Verdict.CORRECTED, "SECRET")
    anna.lines[1] = spoil(anna.lines[1], previous)
    anna.decide(clips[2], Verdict.ACCEPTED)
    pushed = anna.push(store)
    ((seq, told),) = [(one.seq, one.reason) for one in pushed.quarantined]
    assert seq == 2
    assert reason in told
    assert "SECRET" not in told
    assert pushed.head == Head(3, anna.chain)
    assert [clip for clip, _ in texts(store)] == [clips[0], clips[2]]
    assert b"SECRET" not in everything()
    again = anna.push(store)
    assert (again.head, again.quarantined, again.fork) == (pushed.head, pushed.quarantined, False)


def test_what_was_set_aside_is_told_again_with_what_comes_again(store, clips, anna):
    """The answer to the first push was lost, and more lines have come since."""
    for clip in ("nowhere", clips[0], "nowhere else", clips[1]):
        anna.decide(clip, Verdict.ACCEPTED)
    told = anna.push(store).quarantined
    assert [one.seq for one in told] == [1, 3]
    anna.decide("never", Verdict.ACCEPTED)
    again = store.push(anna.name, "anna", anna.lines[1:4])
    assert again.quarantined == told[1:]
    more = anna.push(store)
    assert more.quarantined[:2] == told
    assert [one.seq for one in more.quarantined] == [1, 3, 5]
    anna.decide(clips[2], Verdict.ACCEPTED)
    assert anna.push(store, 5).quarantined == ()


@pytest.mark.parametrize("payload", [b'{"text":1}', b'{"text":"\xff"}', b"[" * 90_000 + b"]" * 90_000])
def test_a_critical_mark_goes_in_whatever_is_in_the_place_of_its_payload(store, clips, anna, payload):
    anna.decide(clips[0], Verdict.CRITICAL)
    anna.lines[0] = framed(anna.lines[0], split(anna.lines[0]).envelope, "", payload)
    assert anna.push(store).quarantined == ()
    with pytest.raises(Refused, match="critical"):
        store.audio("anna", clips[0])


def test_a_decision_under_the_same_id_otherwise_spelled_counts_once(store, clips, anna, device):
    line = anna.decide(clips[0], Verdict.ACCEPTED)
    anna.push(store)
    ben = device("anna")
    again = re.sub(rb'"id":"[^"]*"', lambda found: found[0].upper().replace(b'"ID"', b'"id"'), split(line).envelope)
    ben.lines = [framed(line, again.replace(anna.name.encode(), ben.name.encode()), "")]
    assert ben.push(store).quarantined == ()
    assert len(texts(store, every_revision=True)) == 1


def test_a_bad_first_line_is_set_aside_too(store, clips, anna):
    anna.decide(clips[0], Verdict.ACCEPTED)
    anna.lines[0] = spoil_json(anna.lines[0], "")
    assert anna.push(store).head == Head(1, anna.chain)
    anna.decide(clips[1], Verdict.ACCEPTED)
    assert anna.push(store).head == Head(2, anna.chain)


def test_a_later_decision_revises_and_none_is_lost(store, clips, anna, device):
    anna.decide(clips[0], Verdict.ACCEPTED, "one", revision=1)
    anna.decide(clips[0], Verdict.CORRECTED, "two", revision=2)
    anna.push(store)
    ben = device("ben")
    ben.decide(clips[0], Verdict.CORRECTED, "bens")
    ben.push(store)
    assert texts(store) == [(clips[0], "two"), (clips[0], "bens")]
    assert [text for _, text in texts(store, every_revision=True)] == ["one", "two", "bens"]


def test_a_skip_opens_the_clip_and_anothers_decision_keeps_it_closed(store, clips, anna, device):
    ben = device("ben")
    ben.decide(clips[0], Verdict.ACCEPTED)
    ben.push(store)
    anna.decide(clips[0], Verdict.SKIPPED)
    anna.push(store)
    assert store.lease("cleo", 9) == []


def test_a_late_decision_on_a_clip_that_went_on_counts(store, clips, anna, clock):
    clock.now += 900
    assert clips[0] in [one.clip.id for one in store.lease("ben", 6)]
    anna.decide(clips[0], Verdict.CORRECTED, "late")
    anna.push(store)
    assert texts(store) == [(clips[0], "late")]
    assert store.audio("ben", clips[0])  # ben may go on hearing what he was given


def test_taking_back_leases_the_clip_again(store, clips, anna):
    anna.decide(clips[0], Verdict.ACCEPTED)
    anna.push(store)
    store.release("anna", clips)
    anna.decide(clips[0], Verdict.RETRACTED)
    anna.push(store, 1)
    assert texts(store) == []
    assert clips[0] not in [one.clip.id for one in store.lease("ben", 9)]
    assert store.audio("anna", clips[0])
    assert [one.clip.id for one in store.lease("anna", 1)] == [clips[0]]


def test_taking_back_a_skip_leaves_the_clip_with_who_has_it(store, clips, anna):
    anna.decide(clips[0], Verdict.SKIPPED)
    anna.push(store)
    assert [one.clip.id for one in store.lease("ben", 1)] == [clips[0]]
    anna.decide(clips[0], Verdict.RETRACTED)
    anna.push(store, 1)
    assert store.audio("ben", clips[0])
    with pytest.raises(Refused):
        store.audio("anna", clips[0])


def test_a_draft_leaves_no_text_and_no_mark(store, clips, anna, everything):
    anna.draft(clips[0], "SECRET")
    assert anna.push(store).head.seq == 1
    assert b"SECRET" not in everything()
    assert [one.clip.id for one in store.lease("anna", 1)] == [clips[0]]


def test_a_line_whose_payload_was_erased_before_decides_nothing(store, clips, anna):
    anna.decide(clips[0], Verdict.CORRECTED, "gone")
    pushed = store.push(anna.name, "anna", [erased(anna.lines[0])])
    assert pushed.head == Head(1, anna.chain)
    assert pushed.quarantined == ()
    assert texts(store) == []
    assert [one.clip.id for one in store.lease("anna", 1)] == [clips[0]]


@pytest.mark.parametrize("reason", [Reason.CRITICAL, Reason.WITHDRAWAL])
def test_an_erasure_takes_that_devices_payloads_of_that_clip(store, clips, anna, device, reason, everything):
    ben = device("ben")
    ben.decide(clips[0], Verdict.CORRECTED, "bens")
    ben.push(store)
    anna.decide(clips[0], Verdict.CORRECTED, "SECRET" * 30)
    anna.decide(clips[1], Verdict.CORRECTED, "other")
    anna.push(store)
    anna.erase(clips[0], reason)
    anna.push(store, 2)
    assert texts(store, every_revision=True) == [(clips[0], "bens"), (clips[1], "other")]
    assert b"SECRET" not in everything()


def test_retention_on_a_machine_erases_nothing_here(store, clips, anna):
    anna.decide(clips[0], Verdict.CORRECTED, "kept")
    anna.erase(clips[0], Reason.RETENTION)
    anna.push(store)
    assert texts(store) == [(clips[0], "kept")]


def test_a_unintelligible_clip_has_a_result_when_asked_for(store, clips, anna):
    anna.decide(clips[0], Verdict.UNINTELLIGIBLE, note="wind")
    anna.push(store)
    assert texts(store) == []
    (result,) = store.results(frozenset({"unintelligible"}))
    assert (result.text, result.note) == (None, "wind")


def test_what_a_result_tells(store, clips, anna):
    anna.decide(
        clips[2], Verdict.CORRECTED, "heard", revision=3, note="n", heard=0.75, plays=2, seconds=14.5, lease="lease"
    )
    anna.push(store)
    (result,) = store.results()
    assert (result.clip, result.reviewer, result.verdict, result.text) == (clips[2], "anna", "corrected", "heard")
    assert (result.machine, result.lang, result.duration) == ("machine text 2", "de", 4.0)
    assert (result.revision, result.note, result.heard, result.plays, result.seconds) == (3, "n", 0.75, 2, 14.5)
    assert result.at == "2026-11-23T09:12:05.123Z"
    assert result.source is None
    (result,) = store.results(source=True)
    assert result.source == "corpus/2.wav"


def test_results_come_in_pages_and_each_once_while_more_arrive(store, fill, device, monkeypatch):
    monkeypatch.setattr("earmark.queue.store.results_page.PAGE", 4)
    fill(10)
    clips = [one.clip.id for one in store.lease("anna", 10)]
    anna = device("anna")
    for clip in clips:
        anna.decide(clip, Verdict.ACCEPTED, "first")
    anna.push(store)
    going = store.results()
    seen = [next(going) for _ in range(2)]
    anna.decide(clips[0], Verdict.CORRECTED, "second")
    anna.decide(clips[9], Verdict.CORRECTED, "second")
    anna.push(store, 10)
    store.withdraw([clips[8]])
    seen += list(going)
    assert [one.clip for one in seen] == clips[:8] + clips[9:]
    assert {one.text for one in seen} == {"first"}


def test_the_envelope_is_kept_to_the_byte(backdoor, store, clips, anna):
    anna.decide(clips[0], Verdict.CORRECTED, "Grüße, \N{CAT}")
    anna.push(store)
    envelope, payload, chain = backdoor.line()
    assert hashlib.sha256(envelope.encode()).hexdigest() == chain
    assert split(anna.lines[0]).payload == payload.encode()
