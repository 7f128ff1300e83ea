"""Opaque names for sounds and people, under a store's own keys."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

_ID_DIGITS = 32


def clip_id(key: bytes, identity: bytes) -> str:
    """The opaque id of a sound: HMAC-SHA256 under the store's key, cut to 128 bits, in hex."""
    return hmac.new(key, identity, hashlib.sha256).hexdigest()[:_ID_DIGITS]


def pseudonym(key: bytes, subject: str) -> bytes:
    """What the store knows a person by: HMAC-SHA256 under its key over the name in normal form C."""
    return hmac.new(key, unicodedata.normalize("NFC", subject).encode(), hashlib.sha256).digest()
