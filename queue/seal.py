"""Sealing bytes under a key: AES-256-GCM (NIST SP 800-38D), a random 96-bit nonce in front of ciphertext and tag."""

from __future__ import annotations

import os

NONCE_BYTES = 12
KEY_BYTES = 32


class NotSealed(Exception):
    """These bytes were not sealed under this key for this purpose, or they have been changed since."""


def new_key() -> bytes:
    """A fresh 256-bit key. One key may seal 2**32 messages before random nonces could meet; ours seal one or a few."""
    return os.urandom(KEY_BYTES)


def seal(key: bytes, data: bytes, aad: bytes) -> bytes:
    """`data` encrypted and authenticated under `key`: nonce, ciphertext, tag.

    `aad` (such as a clip's id) is authenticated but not held: `unseal` must be given the same.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, data, aad)


def unseal(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """What was sealed. Raises `NotSealed` when key, `aad` or a bit of `sealed` is another."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad)
    except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
        raise NotSealed("the sealed bytes do not open") from None
