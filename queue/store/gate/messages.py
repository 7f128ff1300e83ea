"""What is said through a gate: requests to it and answers from it, as MessagePack in frames. Pure.

The client begins with a `Hello`, the gate answers with a `Welcome`; then each request gets one answer, in order. An
answer's first byte says what it is (`ANSWER`, `FAILED`, `GOODBYE`); the rest of an `ANSWER` is what `ReviewStore` gives
for the request. Nobody says who the reviewer is but the gate, once, in its `Welcome`.

Bounds stand in the types: what does not keep to them is no request.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

import msgspec

from earmark.queue.store.interface import Refused, StoreError, StoreUnreachable

VERSION = 1
MOST_NAMED = 1000
"""Clips that one request may name, and that are leased at a time."""

MOST_PUSHED = 2000
"""Lines that one push may carry: who was offline for days is done in one."""

PART = 1 << 18
"""Bytes of sound in one answer. Between two parts of a long clip there is room for a push."""

ANSWER, FAILED, GOODBYE = b"\0", b"\1", b"\2"

_ID = r"\A[0-9A-Za-z_.-]{1,64}\Z"
Id = Annotated[str, msgspec.Meta(pattern=_ID)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Place = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Lang = Annotated[str, msgspec.Meta(max_length=35)]
Ids = Annotated[list[Id], msgspec.Meta(max_length=MOST_NAMED)]
Lines = Annotated[list[bytes], msgspec.Meta(max_length=MOST_PUSHED)]


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The client's first words: its protocol's version, in whose name it means to come, and which store it expects.

    `reviewer` and `store` (a URL, or None) open nothing: the gate refuses who means to be somebody or somewhere else.
    Fields of later versions are passed over, so that a gate can tell them what is wrong.
    """

    version: Annotated[int, msgspec.Meta(ge=1, le=2**31)]
    reviewer: Name | None = None
    store: Annotated[str, msgspec.Meta(max_length=4096)] | None = None


class Welcome(msgspec.Struct, frozen=True):
    """The gate's first words: its protocol's version, the store's own name, and who the reviewer is."""

    version: int
    store: Id
    reviewer: Name


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=str.lower):
    """One of the questions of `ReviewStore`, without the reviewer."""


class PublicKey(Request, frozen=True):
    pass


class Head(Request, frozen=True):
    device: Id


class Push(Request, frozen=True):
    device: Id
    lines: Lines


class Quarantined(Request, frozen=True):
    device: Id


class Withdrawn(Request, frozen=True):
    after: Place = 0


class Lease(Request, frozen=True):
    """Clips for `seconds`, as far as the host allows; None for its usual time."""

    count: Place
    lang: Lang | None = None
    first: Ids = []
    seconds: Seconds | None = None


class Reopen(Request, frozen=True):
    clips: Ids


class Renew(Request, frozen=True):
    clips: Ids


class Release(Request, frozen=True):
    clips: Ids


class Audio(Request, frozen=True):
    """A part of a clip's sound, from byte `start` on."""

    clip: Id
    start: Place = 0


class Counts(Request, frozen=True):
    pass


Requests = PublicKey | Head | Push | Quarantined | Withdrawn | Lease | Reopen | Renew | Release | Audio | Counts


class Sound(msgspec.Struct, frozen=True):
    """The answer to `Audio`: the clip's whole length in bytes, and the part."""

    total: int
    part: bytes


class Failed(msgspec.Struct, frozen=True):
    """Why the store did not: `kind` names one of the exceptions of `ReviewStore`, `words` are its message."""

    kind: str
    words: str


class SaidGoodbye(StoreError):
    """The gate ended the connection; the message is its reason."""


KINDS: dict[str, type[StoreError]] = {
    "refused": Refused,
    "unreachable": StoreUnreachable,
    "error": StoreError,
}

NONSENSE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What a decoder raises for bytes that are no message: of another kind, in broken UTF-8, or nested without end."""

_MOST_WORDS = 500

encode = msgspec.msgpack.Encoder().encode
hello_in: Callable[[bytes], Hello] = msgspec.msgpack.Decoder(Hello).decode
request_in: Callable[[bytes], Requests] = msgspec.msgpack.Decoder(Requests).decode
_failed_in: Callable[[bytes], Failed] = msgspec.msgpack.Decoder(Failed).decode


def is_id(text: str) -> bool:
    """Whether the text may be the id of a clip, device, lease or store: it becomes a file's name."""
    return re.match(_ID, text) is not None


def failure(error: StoreError) -> bytes:
    """The answer for a store that will not or cannot."""
    kind = next((kind for kind, known in KINDS.items() if isinstance(error, known)), "error")
    return FAILED + encode(Failed(kind, words_of(str(error))))


def goodbye(words: str) -> bytes:
    """The last frame of a gate: why it ends the connection."""
    return GOODBYE + encode(Failed("error", words_of(words)))


def failure_in(body: bytes) -> StoreError:
    """The exception that an answer which is no `ANSWER` stands for. Its words are somebody else's, and cleaned.

    Raises one of `NONSENSE` for what is no such answer.
    """
    failed = _failed_in(body[1:])
    if body[:1] == GOODBYE:
        return SaidGoodbye(words_of(failed.words))
    return KINDS.get(failed.kind, StoreError)(words_of(failed.words))


def words_of(text: str) -> str:
    """Somebody else's message, as it may be shown."""
    from earmark.queue.text import clean

    return clean(text, most=_MOST_WORDS)
