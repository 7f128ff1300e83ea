"""The format of a line: what it says, that every byte counts, what is refused."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.queue.decision import HAS_TEXT, Decision, Draft, Verdict
from earmark.queue.journal.fit import MOST_TEXT, Unfit
from earmark.queue.journal.line import (
    BadLine,
    Erasure,
    Kind,
    Reason,
    chain_of,
    decode,
    encode,
    erased,
    reissued,
    split,
    verify,
)

SALT = "5a" * 16
Decide = Callable[..., Decision]


def line_of(entry: Decision | Draft | Erasure, previous: str = "", seq: int = 1) -> bytes:
    return encode(entry, device="d" * 32, seq=seq, app="0.1.0", previous=previous, salt=SALT)


def test_a_line_is_what_the_format_says(decide: Decide) -> None:
    line = line_of(decide(text="Größe", note="n", lease="l", heard=0.97, plays=2, seconds=14.2, keys=37))
    fields = json.loads(line)
    assert list(fields) == [
        *("v", "kind", "device", "seq", "id", "at", "reviewer", "clip", "lease", "revision", "verdict", "hypothesis"),
        *("heard", "plays", "seconds", "keys", "pressed", "app", "commit", "payload", "chain"),
    ]
    assert fields["payload"] == {"text": "Größe", "note": "n", "salt": SALT}
    payload = line[line.index(b',"payload":') + 11 : line.index(b',"chain":')]
    assert fields["commit"] == hashlib.sha256(payload).hexdigest()
    envelope = line[: line.index(b',"payload":')] + b"}"
    assert fields["chain"] == hashlib.sha256(envelope).hexdigest()
    assert fields["hypothesis"] == hashlib.sha256(SALT.encode() + b"sum words").hexdigest()
    second = json.loads(line_of(decide(), fields["chain"], 2))
    envelope2 = line_of(decide(id=second["id"]), fields["chain"], 2)
    envelope2 = envelope2[: envelope2.index(b',"payload":')] + b"}"
    assert second["chain"] == hashlib.sha256(fields["chain"].encode() + envelope2).hexdigest()


def test_a_critical_line_holds_no_text_whatever_it_was_given(decide: Decide) -> None:
    entry = decide(verdict="critical", note="the secret", shown="the secret too", pressed=1.5)
    entry = Decision(**{name: getattr(entry, name) for name in entry.__struct_fields__} | {"text": "secret \0 \ud800"})
    line = line_of(entry)
    fields = json.loads(line)
    assert fields["payload"] is fields["commit"] is fields["hypothesis"] is None
    assert fields["pressed"] == 1.5
    assert b"secret" not in line


def test_an_erasure_names_clip_and_reason_alone() -> None:
    line = line_of(Erasure(id="i", at="t", reviewer="anna", clip="c1", reason=Reason.WITHDRAWAL))
    assert list(json.loads(line)) == [
        "v",
        "kind",
        "device",
        "seq",
        "id",
        "at",
        "reviewer",
        "clip",
        "reason",
        "app",
        "commit",
        "payload",
        "chain",
    ]
    assert verify(line, "").reason is Reason.WITHDRAWAL


def test_a_draft_line(draft: Callable[[str, str], Draft]) -> None:
    entry = verify(line_of(draft("c1", "half a")), "")
    assert (entry.kind, entry.clip, entry.text) == (Kind.DRAFT, "c1", "half a")


def test_a_verdict_without_text_or_note_keeps_the_salt_of_what_was_shown(decide: Decide) -> None:
    assert json.loads(line_of(decide(verdict="skipped")))["payload"] == {"text": None, "note": None, "salt": SALT}
    assert json.loads(line_of(decide(verdict="skipped", shown=None)))["payload"] is None


clean = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)
finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    verdict = draw(st.sampled_from(list(Verdict)))
    return Decision(
        id=draw(clean),
        at=draw(clean),
        reviewer=draw(clean),
        clip=draw(clean),
        verdict=verdict,
        lease=draw(st.none() | clean),
        revision=draw(st.integers(1, 10**6)),
        text=draw(clean | st.just('x","payload":null,"chain":"')) if verdict in HAS_TEXT else None,
        note=draw(st.none() | clean),
        shown=draw(st.none() | st.text()),
        heard=draw(finite),
        plays=draw(st.integers(0, 10**6)),
        seconds=draw(finite),
        keys=draw(st.integers(0, 10**6)),
        pressed=draw(st.none() | finite),
    )


@given(decisions(), st.sampled_from(["", "a" * 64]), st.integers(1, 2**53))
def test_any_decision_comes_back_as_it_went_in(decision: Decision, previous: str, seq: int) -> None:
    line = line_of(decision, previous, seq)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    entry = verify(line, previous)
    same = [
        "id",
        "at",
        "reviewer",
        "clip",
        "verdict",
        "lease",
        "revision",
        "heard",
        "plays",
        "seconds",
        "keys",
        "pressed",
    ]
    assert [getattr(entry, name) for name in same] == [getattr(decision, name) for name in same]
    assert (entry.seq, entry.device, entry.app) == (seq, "d" * 32, "0.1.0")
    if decision.verdict is Verdict.CRITICAL:
        assert entry.payload is None
    else:
        assert entry.text == decision.text
        assert (entry.payload.note if entry.payload else None) == decision.note
    parts = split(line)
    assert json.loads(parts.envelope).keys() == json.loads(line).keys() - {"payload", "chain"}


@given(decisions())
def test_erasing_and_reissuing_keep_everything_else(decision: Decision) -> None:
    line = line_of(decision)
    gone = verify(erased(line), "")
    assert gone.payload is None
    assert gone.erased is (decode(line).payload is not None)
    assert split(erased(line)).envelope == split(line).envelope
    again = reissued(line, device="e" * 32, seq=7, previous="b" * 64)
    assert again == encode(decision, device="e" * 32, seq=7, app="0.1.0", previous="b" * 64, salt=SALT)


def test_every_flipped_bit_of_a_line_is_found(decide: Decide) -> None:
    line = line_of(decide(text="Größe, Übermaß", note="why"), "a" * 64)
    verify(line, "a" * 64)
    for bit in range(len(line) * 8):
        flipped = bytearray(line)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadLine):
            verify(bytes(flipped), "a" * 64)


def test_a_line_is_bound_to_the_one_before(decide: Decide) -> None:
    with pytest.raises(BadLine, match="chain is broken"):
        verify(line_of(decide(), "a" * 64), "b" * 64)


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"{}\n", b"null\n", b"\0" * 300 + b"\n", b',"payload":null,"chain":"' + b"a" * 64 + b'"}\n']
)
def test_what_is_no_line_is_refused(line: bytes) -> None:
    with pytest.raises(BadLine):
        verify(line, "")


def test_the_frame_is_exact(decide: Decide) -> None:
    with pytest.raises(BadLine):
        split(line_of(decide()).replace(b',"chain":"', b',"chaim":"'))


def test_a_payload_cannot_smuggle_fields_into_the_line(decide: Decide) -> None:
    line = line_of(decide(text="x"))
    payload = split(line).payload
    smuggled = payload + b',"verdict":"accepted"'
    commit = hashlib.sha256(smuggled).hexdigest().encode()
    envelope = split(line).envelope.replace(hashlib.sha256(payload).hexdigest().encode(), commit)
    chain = chain_of("", envelope).encode()
    with pytest.raises(BadLine, match="payload"):
        verify(envelope[:-1] + b',"payload":' + smuggled + b',"chain":"' + chain + b'"}\n', "")


def test_a_newer_version_is_named(decide: Decide) -> None:
    line = line_of(decide())
    envelope = split(line).envelope.replace(b'{"v":1,', b'{"v":2,')
    chain = chain_of("", envelope).encode()
    with pytest.raises(BadLine, match="version 2"):
        verify(envelope[:-1] + b',"payload":' + split(line).payload + b',"chain":"' + chain + b'"}\n', "")


@pytest.mark.parametrize(
    "change",
    [
        {"text": "secret \0"},
        {"text": "secret \ud800"},
        {"note": "secret \0"},
        {"clip": "\udfff"},
        {"lease": "\0"},
        {"text": "s" * (MOST_TEXT + 1)},
        {"text": "ß" * (MOST_TEXT // 2 + 1)},
        {"text": None},
        {"heard": math.nan},
        {"pressed": math.inf},
    ],
)
def test_what_cannot_be_written_is_refused_without_quoting_it(decide: Decide, change: dict[str, Any]) -> None:
    with pytest.raises(Unfit) as refused:
        line_of(decide(**change))
    assert "secret" not in str(refused.value)
    assert (refused.value.__cause__ is None and refused.value.__suppress_context__) or refused.value.__context__ is None


def test_a_text_of_the_longest_length_goes_in(decide: Decide) -> None:
    assert verify(line_of(decide(text="ß" * (MOST_TEXT // 2))), "").text == "ß" * (MOST_TEXT // 2)


def test_a_verdict_without_a_text_takes_none(decide: Decide) -> None:
    entry = decide(verdict="skipped")
    with pytest.raises(Unfit, match="'skipped' with a text"):
        line_of(Decision(**{name: getattr(entry, name) for name in entry.__struct_fields__} | {"text": "x"}))
