"""What opens a batch, what does not, and what is said then."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest
from pyrage import x25519

from earmark.queue.offline.keys import (
    ByPassphrase,
    KeyTrouble,
    Lock,
    lock_by_key_file,
    new_passphrase_lock,
    unlock_by_key_file,
    wrapping_key,
)

CHEAP = ByPassphrase(b"0123456789abcdef", n=1 << 14)


def test_scrypt_is_that_of_rfc_7914() -> None:
    """Section 12, the third vector: N = 16384, r = 8, p = 1."""
    lock = ByPassphrase(b"SodiumChloride", n=16384, r=8, p=1)
    key = "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    assert wrapping_key(lock, "pleaseletmein").hex() == key


def test_a_new_lock_takes_memory_and_has_salt_of_its_own() -> None:
    one, two = new_passphrase_lock(), new_passphrase_lock()
    assert 128 * one.n * one.r >= 64 << 20
    assert one.salt != two.salt


def test_a_passphrase_is_the_same_however_it_is_composed() -> None:
    assert wrapping_key(CHEAP, "u\u0308ber alle Berge") == wrapping_key(CHEAP, "\u00fcber alle Berge")
    assert wrapping_key(CHEAP, "uber alle Berge") != wrapping_key(CHEAP, "\u00fcber alle Berge")


@pytest.mark.parametrize("cost", [{"n": 1 << 10}, {"n": 1 << 24}, {"r": 1 << 20}, {"p": 1 << 20}, {"salt": ""}])
def test_costs_that_somebody_changed_are_no_lock(cost: dict[str, object]) -> None:
    whole = msgspec.json.decode(msgspec.json.encode(CHEAP))
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(whole | cost), type=Lock)


# -- key files -------------------------------------------------------------------------------------------------------


def ssh_key(folder: Path, name: str = "id", kind: str = "ed25519", passphrase: str = "") -> Path:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)], check=True)
    return path


def test_an_age_identity_opens_what_it_locked(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    identity = x25519.Identity.generate()
    path.write_text(f"# created: today\n# public key: {identity.to_public()}\n{identity}\n")
    lock, key = lock_by_key_file(path)
    assert unlock_by_key_file(lock) == key
    moved = tmp_path / "moved"
    path.rename(moved)
    assert unlock_by_key_file(lock, moved) == key
    with pytest.raises(KeyTrouble, match="cannot be read"):
        unlock_by_key_file(lock)


def test_an_ssh_key_opens_what_it_locked(tmp_path: Path) -> None:
    path = ssh_key(tmp_path)
    lock, key = lock_by_key_file(path)
    assert unlock_by_key_file(lock) == key
    with pytest.raises(KeyTrouble, match="does not open this batch"):
        unlock_by_key_file(lock, ssh_key(tmp_path, "other"))


def test_a_key_that_cannot_be_used_says_why_and_not_what_it_is(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_text("AGE-SECRET-KEY-1QQQQNOSUCHKEY")
    no_public = ssh_key(tmp_path, "alone")
    no_public.with_name("alone.pub").unlink()
    others = ssh_key(tmp_path, "mixed")
    others.with_name("mixed.pub").write_bytes(ssh_key(tmp_path, "another").with_name("another.pub").read_bytes())
    for path, words in (
        (tmp_path / "none", "cannot be read"),
        (garbage, "neither an age identity nor"),
        (ssh_key(tmp_path, "locked", passphrase="secret"), "passphrase of its own"),
        (no_public, "public half"),
        (others, "does not open"),
    ):
        with pytest.raises(KeyTrouble, match=words) as raised:
            lock_by_key_file(path)
        assert "QQQQ" not in str(raised.value)


def test_without_age_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(KeyTrouble, match=r"earmark\[age\]"):
        lock_by_key_file(tmp_path / "any")
