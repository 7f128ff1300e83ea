"""The payloads of an offline sitting: whoever has the laptop does not read them, and no result is lost with the key.

A sealed payload is a JSON string of two parts in Base64 (RFC 4648, section 4) with a full stop between them:

    "SEALED TO THE STORE.SEALED UNDER THE BATCH'S KEY"

The first part opens with the store's private key alone, and is empty for a draft, which never leaves the machine. The
second is for later sittings with the same batch; it dies with the batch's key. Both are bound to the line by its
commit, which is also what says whether they hold what was meant.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from earmark.queue.journal.line import BadLine, Entry, Kind, Parts, Payload, commit_in, commit_of, decode_payload
from earmark.queue.seal import NotSealed, seal, seal_to, unseal, unseal_with

_MARK = b'"'
_FOR_STORE = b"earmark payload for the store\0"
_FOR_BATCH = b"earmark payload for the batch\0"


class PayloadSeal:
    """Seals payloads to the store whose public key is `store`, and under the batch's key `own`."""

    def __init__(self, store: bytes, own: bytes) -> None:
        self._store = store
        self._own = own

    def seal(self, payload: bytes, commit: str, kind: Kind) -> bytes:
        """The JSON string that stands in a payload's place."""
        bound = commit.encode()
        away = b"" if kind is Kind.DRAFT else seal_to(self._store, payload, _FOR_STORE + bound)
        here = seal(self._own, payload, _FOR_BATCH + bound)
        return _MARK + base64.b64encode(away) + b"." + base64.b64encode(here) + _MARK

    def open(self, entry: Entry) -> Entry:
        """The entry with its payload readable, where it was sealed under this batch's key; else as it is."""
        if not isinstance(entry.payload, str) or entry.commit is None:
            return entry
        try:
            plain = unseal(self._own, _part(entry.payload, 1), _FOR_BATCH + entry.commit.encode())
            return msgspec.structs.replace(entry, payload=_payload(plain, entry.commit))
        except (BadLine, NotSealed):
            return entry


def is_sealed(parts: Parts) -> bool:
    """Whether a line's payload is sealed."""
    return parts.payload.startswith(_MARK)


def opened(parts: Parts, private: bytes) -> Parts:
    """A line's parts with the payload that was sealed to the store with this private key, in the clear and checked
    against the commit: what a store keeps. A line that is not sealed is given back as it is.

    Raises `BadLine` for a seal that does not open, or holds something else than was committed.
    """
    if not is_sealed(parts):
        return parts
    commit = commit_in(parts.envelope)
    if commit is None:
        raise BadLine("a sealed payload where there is none to seal")
    try:
        plain = unseal_with(
            private, _part(msgspec.json.decode(parts.payload, type=str), 0), _FOR_STORE + commit.encode()
        )
    except (NotSealed, msgspec.DecodeError, UnicodeDecodeError):
        raise BadLine("its seal does not open: it was sealed to another store, or changed on the way") from None
    _payload(plain, commit)
    return parts._replace(payload=plain)


def _part(sealed: str, which: int) -> bytes:
    parts = sealed.split(".")
    try:
        return base64.b64decode(parts[which], validate=True) if len(parts) == 2 else b""
    except (binascii.Error, ValueError):
        raise NotSealed("the sealed bytes do not open") from None


def _payload(plain: bytes, commit: str) -> Payload:
    if commit_of(plain) != commit:
        raise BadLine("the sealed payload is not the one that was committed")
    try:
        return decode_payload(plain)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadLine("the payload is not one of ours") from None
