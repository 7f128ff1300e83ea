"""The master key, under which a store's own keys are sealed. It lives outside the database: a dump opens nothing.

A setting names it: a file that holds it (64 hex digits, nobody else's to read), or `command:` and a command line that
prints it, such as one that asks a vault or opens it with age.
"""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from pathlib import Path

from earmark.queue.seal import KEY_BYTES, NotSealed, new_key, seal, unseal
from earmark.queue.store.interface import StoreError

COMMAND = "command:"
_SECONDS = 120.0
_CHECK = b"earmark master key"


def read_master(setting: str) -> bytes:
    """The key that `setting` names. Raises `StoreError`."""
    if setting.startswith(COMMAND):
        return _key(_output(setting[len(COMMAND) :]), "what the master key's command printed")
    path = Path(setting).expanduser()
    try:
        with path.open("rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise StoreError(f"{path}: others may read the master key; run chmod 600 on it")
            return _key(file.read(4096), str(path))
    except OSError as error:
        raise StoreError(f"{path}: the master key cannot be read: {error.strerror}") from None


def make_master(path: Path) -> bytes:
    """A fresh key in a new file for its owner alone (0600), durably. Raises `StoreError`."""
    from earmark.queue.files import create, sync_folder

    key = new_key()
    try:
        create(path, key.hex().encode() + b"\n")
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: the master key cannot be written: {error.strerror}") from None
    return key


def check_of(master: bytes) -> bytes:
    """What a store keeps to know its master key by; it tells nothing of the key."""
    return seal(master, _CHECK, _CHECK)


def check_master(master: bytes, check: bytes, where: str) -> None:
    """Whether this is the store's master key. Raises `StoreError`."""
    try:
        unseal(master, check, _CHECK)
    except NotSealed:
        raise StoreError(f"{where}: this is another store's master key; set master_key to this one's") from None


def _output(command: str) -> bytes:
    try:
        done = subprocess.run(  # the setting's owner wrote it
            shlex.split(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=_SECONDS, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"the master key's command could not be run ({type(error).__name__})") from None
    if done.returncode != 0:
        raise StoreError(f"the master key's command failed with status {done.returncode}")
    return done.stdout


def _key(text: bytes, what: str) -> bytes:
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreError(f"{what} is no master key: 64 hex digits are")
    return key
