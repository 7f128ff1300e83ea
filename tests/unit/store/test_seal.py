"""Sealed bytes open with their own key, for their own purpose, unchanged, and in no other way."""

from __future__ import annotations

import pytest

from earmark.queue.seal import NotSealed, new_key, public_key_of, seal, seal_to, unseal, unseal_with


def test_round_trip_and_fresh_nonces():
    key = new_key()
    one, two = seal(key, b"sound", b"clip"), seal(key, b"sound", b"clip")
    assert one != two
    assert unseal(key, one, b"clip") == unseal(key, two, b"clip") == b"sound"
    assert unseal(key, seal(key, b"", b""), b"") == b""


def test_any_flipped_bit_is_found():
    key = new_key()
    sealed = seal(key, b"sound", b"clip")
    for bit in range(len(sealed) * 8):
        spoilt = bytearray(sealed)
        spoilt[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotSealed):
            unseal(key, bytes(spoilt), b"clip")


@pytest.mark.parametrize("length", [0, 5, 12, 20])
def test_what_is_cut_short_does_not_open(length):
    key = new_key()
    with pytest.raises(NotSealed):
        unseal(key, seal(key, b"sound", b"clip")[:length], b"clip")


def test_another_key_or_purpose_does_not_open():
    key = new_key()
    sealed = seal(key, b"sound", b"clip")
    with pytest.raises(NotSealed):
        unseal(new_key(), sealed, b"clip")
    with pytest.raises(NotSealed):
        unseal(key, sealed, b"other clip")


def test_what_is_sealed_to_somebody_opens_with_their_key_alone():
    private = new_key()
    one, two = (seal_to(public_key_of(private), b"text", b"for you") for _ in range(2))
    assert one != two
    assert unseal_with(private, one, b"for you") == unseal_with(private, two, b"for you") == b"text"
    for key, context in ((new_key(), b"for you"), (private, b"for me")):
        with pytest.raises(NotSealed):
            unseal_with(key, one, context)


def test_any_flipped_bit_of_what_is_sealed_to_somebody_is_found():
    private = new_key()
    sealed = seal_to(public_key_of(private), b"text", b"")
    for bit in range(len(sealed) * 8):
        spoilt = bytearray(sealed)
        spoilt[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotSealed):
            unseal_with(private, bytes(spoilt), b"")
    for length in (0, 31, 32, 47, len(sealed) - 1):
        with pytest.raises(NotSealed):
            unseal_with(private, sealed[:length], b"")
