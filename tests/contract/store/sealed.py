"""What was decided offline reaches the store sealed, and is kept in the clear; and leases that last for days."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from earmark.queue.decision import Verdict
from earmark.queue.journal.line import Kind, chain_of, commit_of, split
from earmark.queue.journal.sealing import PayloadSeal
from earmark.queue.seal import new_key, public_key_of

TEXT = "what somebody said offline"


@pytest.fixture
def clips(fill: Callable[[int], None], store: Any) -> list[str]:
    fill(3)
    return [one.clip.id for one in store.lease("anna", 3)]


@pytest.fixture
def anna(device: Callable[[str], Any], store: Any) -> Any:
    """Anna's machine, which seals to the store."""
    anna = device("anna")
    anna.seal = PayloadSeal(store.public_key(), new_key()).seal
    return anna


def texts(store: Any) -> dict[str, str | None]:
    return {result.clip: result.text for result in store.results()}


def test_a_sealed_line_is_opened_and_its_text_kept(store: Any, clips: list[str], anna: Any) -> None:
    line = anna.decide(clips[0], Verdict.CORRECTED, TEXT)
    assert TEXT.encode() not in line and b"salt" not in line
    pushed = anna.push(store)
    assert (pushed.head.seq, pushed.head.chain, pushed.quarantined) == (1, anna.chain, ())
    assert texts(store) == {clips[0]: TEXT}
    again = anna.push(store)
    assert again.head == pushed.head and len(list(store.results())) == 1


def test_sealed_and_plain_lines_follow_each_other(store: Any, clips: list[str], anna: Any) -> None:
    anna.decide(clips[0], Verdict.CORRECTED, TEXT)
    sealing, anna.seal = anna.seal, None
    anna.decide(clips[1], Verdict.CORRECTED, "online")
    anna.seal = sealing
    anna.decide(clips[2], Verdict.UNINTELLIGIBLE)
    anna.decide(clips[0], Verdict.CORRECTED, f"{TEXT}, revised", revision=2)
    assert anna.push(store).quarantined == ()
    assert texts(store) == {clips[0]: f"{TEXT}, revised", clips[1]: "online"}


def forged(line: bytes, change: Callable[[bytes], bytes], *, seal_too: bool = True) -> bytes:
    """The line with another payload, and with a chain (and seal) that fit it."""
    parts = split(line)
    payload = change(parts.payload)
    envelope = parts.envelope
    if seal_too:
        envelope = envelope.replace(commit_of(parts.payload).encode(), commit_of(payload).encode())
    return b"".join((envelope[:-1], b',"payload":', payload, b',"chain":"', chain_of("", envelope).encode(), b'"}\n'))


def flipped(payload: bytes) -> bytes:
    return payload[:40] + (b"A" if payload[40:41] != b"A" else b"B") + payload[41:]


@pytest.mark.parametrize(
    "change",
    [
        flipped,
        lambda payload: b'""',
        lambda payload: b'"."',
        lambda payload: b'"!.!"',
        lambda payload: b'"AAAA.AAAA.AAAA"',
        lambda payload: b'"' + payload.strip(b'"').partition(b".")[2] + b"." + b'"',
        lambda payload: payload[:-1].partition(b".")[0] + b'"',
    ],
)
def test_a_seal_that_does_not_open_is_set_aside_and_holds_nothing_up(
    store: Any, clips: list[str], anna: Any, change: Callable[[bytes], bytes]
) -> None:
    anna.lines[:] = [forged(anna.decide(clips[0], Verdict.CORRECTED, TEXT), change)]
    anna.decide(clips[1], Verdict.CORRECTED, "the next")
    pushed = anna.push(store)
    assert [one.seq for one in pushed.quarantined] == [1]
    assert pushed.head.seq == 2
    assert texts(store) == {clips[1]: "the next"}


def test_a_line_sealed_to_another_store_is_set_aside(store: Any, clips: list[str], anna: Any) -> None:
    anna.seal = PayloadSeal(public_key_of(new_key()), new_key()).seal
    anna.decide(clips[0], Verdict.CORRECTED, TEXT)
    (aside,) = anna.push(store).quarantined
    assert "its seal does not open" in aside.reason and TEXT not in aside.reason


def test_what_is_under_the_seal_must_be_what_was_committed(store: Any, clips: list[str], anna: Any) -> None:
    whole = PayloadSeal(store.public_key(), new_key())

    def lying(payload: bytes, commit: str, kind: Kind) -> bytes:
        return whole.seal(payload.replace(b"somebody", b"nobody"), commit, kind)

    anna.seal = lying
    anna.decide(clips[0], Verdict.CORRECTED, TEXT)
    (aside,) = anna.push(store).quarantined
    assert "not the one that was committed" in aside.reason
    assert texts(store) == {}


def test_a_payload_that_is_another_lines_does_not_open(store: Any, clips: list[str], anna: Any) -> None:
    other = split(anna.decide(clips[1], Verdict.CORRECTED, "the other")).payload
    anna.lines[:] = []
    anna.lines[:] = [forged(anna.decide(clips[0], Verdict.CORRECTED, TEXT), lambda payload: other)]
    assert [one.seq for one in anna.push(store).quarantined] == [1]


def test_a_critical_mark_goes_through_whatever_its_payload_is(store: Any, clips: list[str], anna: Any) -> None:
    anna.decide(clips[0], Verdict.CORRECTED, TEXT)
    anna.push(store)
    anna.decide(clips[0], Verdict.CRITICAL, revision=2)
    assert anna.push(store, 1).quarantined == ()
    assert texts(store) == {}


# -- leases for days -------------------------------------------------------------------------------------------------


def test_a_lease_lasts_as_long_as_was_asked(store: Any, fill: Callable[[int], None], clock: Any) -> None:
    fill(2)
    (one,) = store.lease("anna", 1, seconds=3 * 86400)
    assert one.expires == clock.now + 3 * 86400
    clock.now += 3 * 86400 - 1
    assert one.clip.id not in [other.clip.id for other in store.lease("ben", 5)]
    clock.now += 2
    assert one.clip.id in [other.clip.id for other in store.lease("ben", 5)]


def test_nobody_gets_more_than_the_policy_allows(store: Any, fill: Callable[[int], None], clock: Any) -> None:
    fill(1)
    (one,) = store.lease("anna", 1, seconds=1e8)
    assert one.expires == clock.now + 7 * 86400


def test_no_sign_of_life_shortens_a_lease(store: Any, fill: Callable[[int], None], clock: Any) -> None:
    fill(1)
    (one,) = store.lease("anna", 1, seconds=86400)
    store.renew("anna", [one.clip.id])
    store.lease("anna", 1, first=[one.clip.id])
    clock.now += 80000
    assert store.lease("ben", 1) == []


def test_clips_that_are_checked_out_stay_out_of_a_sitting(store: Any, fill: Callable[[int], None]) -> None:
    fill(3)
    away = [one.clip.id for one in store.lease("anna", 2, seconds=86400)]
    here = [one.clip.id for one in store.lease("anna", 3)]
    assert len(here) == 1 and not {*here} & {*away}
    assert [one.clip.id for one in store.lease("anna", 2, first=away, seconds=86400)] == away
