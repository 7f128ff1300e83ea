"""One line of the journal: how it is written, taken apart and checked. Pure: no clock, no disk.

A line is one JSON object, its fields in a fixed order, and a line feed:

    {ENVELOPE FIELDS,"payload":PAYLOAD,"chain":"CHAIN"}

- The **envelope** is the line's exact bytes without `,"payload":…,"chain":"…"` and the line feed: a JSON object by
  itself.
- **commit**, a field of the envelope, is SHA-256 in hex over the payload's exact bytes, which hold 16 random bytes of
  salt, so that nobody can guess a short text from it. It is null when there never was a payload.
- **chain** is SHA-256 in hex over the previous line's chain (as 64 ASCII letters; nothing for the first line) and the
  envelope.

The payload of an offline sitting is **sealed** (`sealing`): a JSON string in the payload's place. The commit is still
that of the plain payload, and **seal**, one more field of such a line's envelope, is SHA-256 in hex over the string's
exact bytes. A store that opens the seal keeps the plain payload, and the chain holds there as well.

So every byte is covered, and a payload can be erased (made `null`) while the chain still holds. The split is sure:
`,"payload":` cannot stand inside a JSON string, where a quotation mark is escaped, and the tail with the chain has a
fixed length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from earmark.queue.decision import Decision, Draft, Verdict
from earmark.queue.journal.fit import check_decision, check_strings, check_text

VERSION = 1
_PAYLOAD = b',"payload":'
_CHAIN = b',"chain":"'
_END = b'"}\n'
_HASH = 64
_TAIL = len(_CHAIN) + _HASH + len(_END)
_NULL = b"null"


class BadLine(ValueError):
    """These bytes are not a sound journal line. The message is the reason; it never holds any of the line's text."""


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
    when there never was one (`commit` is None as well) or when it has been erased, and a string when it is sealed.
    `seal` is None for a line that was never sealed.
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
    payload: Payload | str | None
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
    seal: str | None = None

    @property
    def text(self) -> str | None:
        """The text of a decision or draft; None where there is none, it has been erased, or it is sealed."""
        return self.payload.text if isinstance(self.payload, Payload) else None

    @property
    def sealed(self) -> bool:
        """Whether there is a payload that cannot be read here."""
        return isinstance(self.payload, str)

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
    seal: str | UnsetType = UNSET


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
    seal: str | UnsetType = UNSET


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
    seal: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode
_decode_commit = msgspec.json.Decoder(_Commit).decode
decode_payload = msgspec.json.Decoder(Payload).decode


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


def encode(
    entry: Decision | Draft | Erasure,
    *,
    device: str,
    seq: int,
    app: str,
    previous: str,
    salt: str,
    seal: Callable[[bytes, str, Kind], bytes] | None = None,
) -> bytes:
    """The line (with its line feed) for `entry`, as number `seq` after a line whose chain is `previous`.

    `salt` is 32 random hex digits. A critical decision gets no payload and no hypothesis, whatever the entry holds.
    `seal` turns a payload, its commit and the line's kind into the JSON string that stands in the payload's place.
    Raises `Unfit`.
    """
    envelope: _Decision | _Draft | _Erasure
    payload = _NULL
    check_strings(entry.id, entry.at, entry.reviewer, entry.clip, app)
    if isinstance(entry, Decision):
        check_decision(entry)
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
        check_text(entry.text)
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
    if seal is not None and envelope.commit is not None:
        payload = seal(payload, envelope.commit, envelope.kind)
        envelope = msgspec.structs.replace(envelope, seal=commit_of(payload))
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
    """Whether the payload is the one that the envelope speaks of (or none). A sealed one stays closed: it is the one
    that was sealed; what is in it, only who opens it can check. Raises `BadLine`.
    """
    if parts.payload == _NULL:
        return
    said = _said(parts.envelope)
    if parts.payload.startswith(b'"'):
        if said.seal != commit_of(parts.payload):
            raise BadLine("the sealed payload is not the one that was sealed")
        return
    if said.commit != commit_of(parts.payload):
        raise BadLine("the payload is not the one that was committed")
    try:
        # One value by itself, or a payload could smuggle fields into the line.
        decode_payload(parts.payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadLine("the payload is not one of ours") from None


def commit_in(envelope: bytes) -> str | None:
    """The commit that an envelope states, None for none. Raises `BadLine`."""
    return _said(envelope).commit


def _said(envelope: bytes) -> _Commit:
    try:
        return _decode_commit(envelope)
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
