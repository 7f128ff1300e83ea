"""One line of the journal: how it is written, taken apart and checked. Pure: no clock, no disk.

A line is one JSON object, its fields in a fixed order, and a line feed:

    {ENVELOPE FIELDS,"payload":PAYLOAD,"chain":"CHAIN"}

- The **envelope** is the line's exact bytes without `,"payload":…,"chain":"…"` and the line feed: a JSON object by
  itself.
- **commit**, a field of the envelope, is SHA-256 in hex over the payload's exact bytes, which hold 16 random bytes of
  salt, so that nobody can guess a short text from it. It is null when there never was a payload.
- **chain** is SHA-256 in hex over the previous line's chain (as 64 ASCII letters; nothing for the first line) and the
  envelope.

So every byte is covered, and a payload can be erased (made `null`) while the chain still holds. The split is sure:
`,"payload":` cannot stand inside a JSON string, where a quotation mark is escaped, and the tail with the chain has a
fixed length.
"""

from __future__ import annotations

import hashlib
import math
from enum import StrEnum
from typing import NamedTuple

import msgspec

from earmark.queue.decision import HAS_TEXT, Decision, Draft, Verdict

VERSION = 1
MOST_TEXT = 100_000
"""The longest text, or note, in bytes of UTF-8."""

_PAYLOAD = b',"payload":'
_CHAIN = b',"chain":"'
_END = b'"}\n'
_HASH = 64
_TAIL = len(_CHAIN) + _HASH + len(_END)
_NULL = b"null"


class BadLine(ValueError):
    """These bytes are not a sound journal line. The message is the reason; it never holds any of the line's text."""


class Unfit(ValueError):
    """An entry that cannot be written as a line. The message is the reason; it never holds any of the text."""


class Kind(StrEnum):
    """What a line is: a decision, a draft (unfinished text) or the erasure of a clip's payloads."""

    DECISION = "decision"
    DRAFT = "draft"
    ERASURE = "erasure"


class Reason(StrEnum):
    """Why payloads were erased."""

    CRITICAL = "critical"
    WITHDRAWAL = "withdrawal"
    RETENTION = "retention"


class Payload(msgspec.Struct, frozen=True, gc=False):
    """What can be erased: the text, the note, and the salt (32 hex digits) of commit and hypothesis."""

    text: str | None
    note: str | None
    salt: str


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """The order to erase every payload of a clip that stands earlier in the journal. `id` and `at` as in `Decision`."""

    id: str
    at: str
    reviewer: str
    clip: str
    reason: Reason


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A journal line, decoded. Fields that its kind does not have keep their defaults.

    `hypothesis` is SHA-256 in hex over the salt (as hex digits) and the machine text that was shown. `payload` is None
    when there never was one (`commit` is None as well) or when it has been erased.
    """

    v: int
    kind: Kind
    device: str
    seq: int
    id: str
    at: str
    reviewer: str
    clip: str
    app: str
    commit: str | None
    payload: Payload | None
    chain: str
    lease: str | None = None
    revision: int = 0
    verdict: Verdict | None = None
    hypothesis: str | None = None
    heard: float = 0.0
    plays: int = 0
    seconds: float = 0.0
    keys: int = 0
    pressed: float | None = None
    reason: Reason | None = None

    @property
    def text(self) -> str | None:
        """The text of a decision or draft; None where there is none or it has been erased."""
        return None if self.payload is None else self.payload.text

    @property
    def erased(self) -> bool:
        """Whether there was a payload that is gone."""
        return self.payload is None and self.commit is not None


class Parts(NamedTuple):
    """A line taken apart: the envelope's and the payload's exact bytes (`null` for none), and the chain."""

    envelope: bytes
    payload: bytes
    chain: str


class _Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    # The order of the fields is the order in the line.
    v: int = VERSION
    kind: Kind = Kind.DECISION
    device: str
    seq: int
    id: str
    at: str
    reviewer: str
    clip: str
    lease: str | None
    revision: int
    verdict: Verdict
    hypothesis: str | None
    heard: float
    plays: int
    seconds: float
    keys: int
    pressed: float | None
    app: str
    commit: str | None


class _Draft(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    v: int = VERSION
    kind: Kind = Kind.DRAFT
    device: str
    seq: int
    id: str
    at: str
    reviewer: str
    clip: str
    app: str
    commit: str


class _Erasure(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    v: int = VERSION
    kind: Kind = Kind.ERASURE
    device: str
    seq: int
    id: str
    at: str
    reviewer: str
    clip: str
    reason: Reason
    app: str
    commit: None = None


class _Commit(msgspec.Struct, frozen=True, gc=False):
    commit: str | None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode
_decode_commit = msgspec.json.Decoder(_Commit).decode
_decode_payload = msgspec.json.Decoder(Payload).decode


def chain_of(previous: str, envelope: bytes) -> str:
    """The chain value of a line: SHA-256 in hex over the previous one ("" before the first line) and the envelope."""
    return hashlib.sha256(previous.encode() + envelope).hexdigest()


def commit_of(payload: bytes) -> str:
    """What an envelope says of its payload: SHA-256 in hex over the payload's exact bytes."""
    return hashlib.sha256(payload).hexdigest()


def hypothesis_of(salt: str, shown: str) -> str:
    """The salted hash of the machine text that was shown: SHA-256 in hex over the salt's hex digits and the text."""
    # The text comes from a recogniser: what UTF-8 cannot hold must not keep anybody from deciding.
    return hashlib.sha256(salt.encode() + shown.encode("utf-8", "surrogatepass")).hexdigest()


def encode(entry: Decision | Draft | Erasure, *, device: str, seq: int, app: str, previous: str, salt: str) -> bytes:
    """The line (with its line feed) for `entry`, as number `seq` after a line whose chain is `previous`.

    `salt` is 32 random hex digits. A critical decision gets no payload and no hypothesis, whatever the entry holds.
    Raises `Unfit`.
    """
    envelope: _Decision | _Draft | _Erasure
    payload = _NULL
    _check_strings(entry.id, entry.at, entry.reviewer, entry.clip, app)
    if isinstance(entry, Decision):
        _check_decision(entry)
        critical = entry.verdict is Verdict.CRITICAL
        given = (entry.text, entry.note, entry.shown)
        if not critical and any(part is not None for part in given):
            payload = _encode(Payload(entry.text, entry.note, salt))
        envelope = _Decision(
            device=device,
            seq=seq,
            id=entry.id,
            at=entry.at,
            reviewer=entry.reviewer,
            clip=entry.clip,
            lease=entry.lease,
            revision=entry.revision,
            verdict=entry.verdict,
            hypothesis=None if critical or entry.shown is None else hypothesis_of(salt, entry.shown),
            heard=entry.heard,
            plays=entry.plays,
            seconds=entry.seconds,
            keys=entry.keys,
            pressed=entry.pressed,
            app=app,
            commit=None if payload is _NULL else commit_of(payload),
        )
    elif isinstance(entry, Draft):
        _check_text(entry.text)
        payload = _encode(Payload(entry.text, None, salt))
        envelope = _Draft(
            device=device,
            seq=seq,
            id=entry.id,
            at=entry.at,
            reviewer=entry.reviewer,
            clip=entry.clip,
            app=app,
            commit=commit_of(payload),
        )
    else:
        envelope = _Erasure(
            device=device,
            seq=seq,
            id=entry.id,
            at=entry.at,
            reviewer=entry.reviewer,
            clip=entry.clip,
            reason=entry.reason,
            app=app,
        )
    return _join(_encode(envelope), payload, previous)


def split(line: bytes) -> Parts:
    """Take a line (with its line feed) apart. Nothing is checked but the frame. Raises `BadLine`."""
    tail = len(line) - _TAIL
    head, found, rest = line[: max(tail, 0)].partition(_PAYLOAD)
    if not found or not line.startswith(_CHAIN, tail) or not line.endswith(_END) or b"\n" in rest:
        raise BadLine("not a journal line")
    try:
        return Parts(head + b"}", rest, chain_in(line))
    except UnicodeDecodeError:
        raise BadLine("not a journal line") from None


def chain_in(line: bytes) -> str:
    """The chain that a sound line (with its line feed) states."""
    return line[-_HASH - len(_END) : -len(_END)].decode("ascii")


def decode(line: bytes) -> Entry:
    """A line's fields, typed, hashes unchecked. Raises `BadLine`; its cause is dropped, since it may quote the line."""
    try:
        entry = _decode(line)
    except msgspec.ValidationError:
        raise BadLine("a field is missing or of the wrong kind") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadLine("not valid JSON") from None
    if entry.v != VERSION:
        raise BadLine(f"version {entry.v} of the journal: this Earmark reads version {VERSION} only")
    if (entry.kind is Kind.DECISION) is (entry.verdict is None) or (entry.kind is Kind.ERASURE) is (
        entry.reason is None
    ):
        raise BadLine("a field is missing or of the wrong kind")
    return entry


def check(parts: Parts, previous: str) -> None:
    """Whether chain and payload are what they should be after a line whose chain is `previous`. Raises `BadLine`.

    An erased payload passes: whether it was erased rightly, only the lines after it can tell.
    """
    if chain_of(previous, parts.envelope) != parts.chain:
        raise BadLine("the chain is broken: this line or the one before it has been changed")
    check_payload(parts)


def check_payload(parts: Parts) -> None:
    """Whether the payload is the one that the envelope's commit is of (or none). Raises `BadLine`."""
    if parts.payload == _NULL:
        return
    if commit_in(parts.envelope) != commit_of(parts.payload):
        raise BadLine("the payload is not the one that was committed")
    try:
        # One value by itself, or a payload could smuggle fields into the line.
        _decode_payload(parts.payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadLine("the payload is not one of ours") from None


def commit_in(envelope: bytes) -> str | None:
    """The commit that an envelope states, None for none. Raises `BadLine`."""
    try:
        return _decode_commit(envelope).commit
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadLine("not a journal line") from None


def verify(line: bytes, previous: str) -> Entry:
    """Decode a line (with its line feed) and check every byte of it after a line whose chain is `previous`.

    Raises `BadLine`.
    """
    parts = split(line)
    check(parts, previous)
    return decode(line)


def erased(line: bytes) -> bytes:
    """The same line with its payload gone. Chain and commit stay as they are. Raises `BadLine`."""
    parts = split(line)
    return _frame(parts.envelope, _NULL, parts.chain)


def reissued(line: bytes, *, device: str, seq: int, previous: str) -> bytes:
    """The same entry, payload and all, as a line of another device under another number. Raises `BadLine`."""
    parts = split(line)
    fields = msgspec.json.decode(parts.envelope, type=dict[str, msgspec.Raw])
    fields["device"] = msgspec.Raw(_encode(device))
    fields["seq"] = msgspec.Raw(_encode(seq))
    return _join(_encode(fields), parts.payload, previous)


def _join(envelope: bytes, payload: bytes, previous: str) -> bytes:
    return _frame(envelope, payload, chain_of(previous, envelope))


def _frame(envelope: bytes, payload: bytes, chain: str) -> bytes:
    return b"".join((envelope[:-1], _PAYLOAD, payload, _CHAIN, chain.encode("ascii"), _END))


def _check_decision(decision: Decision) -> None:
    if decision.lease is not None:
        _check_strings(decision.lease)
    if not all(math.isfinite(n) for n in (decision.heard, decision.seconds, decision.pressed or 0.0)):
        raise Unfit("a number of the decision is not finite")
    if decision.verdict is Verdict.CRITICAL:
        return  # text and note are dropped, so that nothing in them can hold a critical mark back
    if (decision.text is not None) is not (decision.verdict in HAS_TEXT):
        raise Unfit(f"a decision '{decision.verdict}' {'without' if decision.text is None else 'with'} a text")
    for text in (decision.text, decision.note):
        if text is not None:
            _check_text(text)


def _check_text(text: str) -> None:
    _check_strings(text)
    if len(text) > MOST_TEXT or len(text.encode()) > MOST_TEXT:
        raise Unfit(f"the text is longer than {MOST_TEXT // 1000} kB")


def _check_strings(*strings: str) -> None:
    for string in strings:
        if "\0" in string:  # legal in JSON, but not in every database
            raise Unfit("the text holds a NUL character")
        try:
            string.encode()
        except UnicodeEncodeError:  # its message and its arguments quote the text
            raise Unfit("the text holds half a surrogate pair, which UTF-8 cannot") from None
