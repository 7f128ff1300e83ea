"""What opens a batch: a passphrase, or somebody's age or SSH key. Either leads to a key that wraps the batch's own.

A passphrase goes through scrypt (RFC 7914), which takes 128 MiB of memory for every guess. A key file is used through
age (https://age-encryption.org/v1), which `earmark[age]` brings along.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from earmark.queue.seal import KEY_BYTES, new_key
from earmark.queue.store.interface import StoreError

if TYPE_CHECKING:
    from types import ModuleType

SHORTEST = 12
"""Characters of the shortest passphrase that is taken."""

MOST_OF_A_FILE = 1 << 16
"""Bytes of the longest key file that is read."""


class KeyTrouble(StoreError):
    """The key cannot be used, or opens nothing; the message says what to do. It never holds any of the key."""


class ByPassphrase(msgspec.Struct, frozen=True, tag="passphrase"):
    """scrypt's salt and its costs (RFC 7914, section 2): memory is 128 * n * r bytes.

    They come from a file that somebody may have changed: no more than 1 GiB, and never a trifle.
    """

    salt: Annotated[bytes, msgspec.Meta(min_length=16, max_length=64)]
    n: Annotated[int, msgspec.Meta(ge=1 << 14, le=1 << 20)] = 1 << 17
    r: Annotated[int, msgspec.Meta(ge=8, le=8)] = 8
    p: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1


class ByKeyFile(msgspec.Struct, frozen=True, tag="key file"):
    """The wrapping key, encrypted by age to the key in `file`."""

    file: str
    sealed: Annotated[bytes, msgspec.Meta(max_length=1 << 14)]


Lock = ByPassphrase | ByKeyFile


def new_passphrase_lock() -> ByPassphrase:
    """A lock with fresh salt."""
    return ByPassphrase(os.urandom(16))


def wrapping_key(lock: ByPassphrase, passphrase: str) -> bytes:
    """The key that a passphrase stands for. Takes about half a second, whatever the passphrase."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    # The same passphrase from another keyboard may be composed in another way.
    secret = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    try:
        return Scrypt(salt=lock.salt, length=KEY_BYTES, n=lock.n, r=lock.r, p=lock.p).derive(secret)
    except MemoryError:
        raise KeyTrouble(
            f"not enough memory to open the batch: {128 * lock.n * lock.r >> 20} MiB are needed for a moment"
        ) from None


def lock_by_key_file(path: Path) -> tuple[ByKeyFile, bytes]:
    """A fresh wrapping key, and how it is locked with the age identity or SSH Ed25519 key in a file.

    Raises `KeyTrouble`.
    """
    age = _age()
    identity = _identity(age, path)
    recipient = identity.to_public() if hasattr(identity, "to_public") else _recipient(age, path)
    key = new_key()
    lock = ByKeyFile(str(path.absolute()), bytes(age.encrypt(key, [recipient])))
    unlock_by_key_file(lock, path)  # a .pub file beside it may be another key's
    return lock, key


def unlock_by_key_file(lock: ByKeyFile, path: Path | None = None) -> bytes:
    """The wrapping key, opened with the key in `path` (by default where it lay before). Raises `KeyTrouble`."""
    age = _age()
    where = path or Path(lock.file)
    try:
        key = bytes(age.decrypt(lock.sealed, [_identity(age, where)]))
    except age.DecryptError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyTrouble(f"the key in {where} does not open this batch")
    return key


def _age() -> ModuleType:
    try:
        import pyrage
    except ImportError:
        raise KeyTrouble("a key file needs age: pip install 'earmark[age]'") from None
    module: ModuleType = pyrage
    return module


def _identity(age: Any, path: Path) -> Any:
    """The private key in a file."""
    try:
        with path.open("rb") as file:
            said = file.read(MOST_OF_A_FILE)
    except OSError as error:
        raise KeyTrouble(f"{path}: the key cannot be read: {error.strerror}") from None
    lines = said.decode("utf-8", "replace").splitlines()
    mine = next((line.strip() for line in lines if line.strip().startswith("AGE-SECRET-KEY-1")), None)
    try:
        if mine is not None:
            return age.x25519.Identity.from_str(mine)
        return age.ssh.Identity.from_buffer(said)
    except age.IdentityError as error:
        # What the library says may quote the file.
        locked = "decrypted first" in str(error)
    if locked:
        raise KeyTrouble(f"{path}: the key has a passphrase of its own, which cannot be asked for: use another key")
    raise KeyTrouble(f"{path}: neither an age identity nor an SSH Ed25519 key")


def _recipient(age: Any, path: Path) -> Any:
    """The public half of an SSH key, which ssh-keygen writes beside it."""
    beside = path.with_name(path.name + ".pub")
    try:
        return age.ssh.Recipient.from_str(beside.read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError, age.RecipientError):
        raise KeyTrouble(f"{beside}: the public half of the key is needed too: `ssh-keygen -y` writes it") from None
