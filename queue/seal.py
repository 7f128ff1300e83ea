"""Sealing bytes under a key: AES-256-GCM (NIST SP 800-38D), a random 96-bit nonce in front of ciphertext and tag.

Sealing to somebody's public key: HPKE in base mode (RFC 9180) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and
AES-256-GCM, the encapsulated key in front. Keys are the 32 bytes of RFC 7748.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hpke import Suite

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


def public_key_of(private: bytes) -> bytes:
    """The public key that belongs to a private one. Any 32 random bytes are a private key (RFC 7748, section 5)."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def seal_to(public: bytes, data: bytes, context: bytes) -> bytes:
    """`data` so that only the holder of the private key reads it; nobody can tell who sealed it.

    `context` is authenticated but not held: `unseal_with` must be given the same. Raises ValueError for bytes that
    are no public key.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    return _suite().encrypt(data, X25519PublicKey.from_public_bytes(public), info=context)


def unseal_with(private: bytes, sealed: bytes, context: bytes) -> bytes:
    """What was sealed to the key. Raises `NotSealed` when key, `context` or a bit of `sealed` is another."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    try:
        return _suite().decrypt(sealed, X25519PrivateKey.from_private_bytes(private), info=context)
    except (InvalidTag, ValueError):  # ValueError: too short, or an encapsulated key that is none
        raise NotSealed("the sealed bytes do not open") from None


def _suite() -> Suite:
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
