"""Files that must outlast a crash, and be nobody else's: what differs between systems is in here.

Every function raises `OSError` when the system refuses.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Windows has neither close-on-exec nor a refusal of links to ask for; it needs telling that bytes are bytes.
_ALWAYS = (
    getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NOINHERIT", 0)
    | getattr(os, "O_BINARY", 0)
)


def make_folder(folder: Path) -> None:
    """Make `folder` and what is missing above it, for the owner alone (0700), durably."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent)


def open_file(path: Path, flags: int) -> int:
    """Open a regular file, 0600 when it is made, never through a link; returns the descriptor."""
    fd = os.open(path, flags | _ALWAYS, 0o600)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return fd


def open_append(path: Path) -> int:
    """Open a file for appending; it is made, durably, when it is not there."""
    new = not path.exists()
    fd = open_file(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    if new:
        try:
            os.fsync(fd)
            sync_folder(path.parent)
        except OSError:
            os.close(fd)
            raise
    return fd


def read(path: Path) -> bytes:
    """All bytes of a file that one writer may be growing or replacing meanwhile."""
    while True:
        fd = open_file(path, os.O_RDONLY)
        with os.fdopen(fd, "rb") as file:
            data = file.read()
            # A file that was replaced while it was read may have been overwritten as well: read the one in its place.
            # Compared while ours is open, since a closed file's number may be given to another at once.
            if os.path.samestat(os.fstat(fd), path.stat()):
                return data


def lock(fd: int) -> bool:
    """Take the file for this process alone, until the descriptor is closed; False when another has it."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        raise
    return True


def sync(fd: int) -> None:
    """Return when what was written is on the disk. After an error nothing is known, and calling again tells nothing."""
    if sys.platform == "darwin":
        # There fsync stops at the drive's own cache (fsync(2) of macOS).
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    elif sys.platform == "win32":
        os.fsync(fd)
    else:
        os.fdatasync(fd)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable. Windows has no such call, and keeps them by itself."""
    if sys.platform == "win32":
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def create(path: Path, data: bytes) -> None:
    """Make a new file that holds `data`, and sync it (not its folder)."""
    fd = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)


def replace(path: Path, data: bytes) -> None:
    """Put `data` in the place of a file, durably: whoever looks finds the old bytes or the new ones, never a part."""
    aside = path.with_name(path.name + ".tmp")
    aside.unlink(missing_ok=True)
    try:
        create(aside, data)
        move(aside, path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise


def move(source: Path, target: Path) -> None:
    """Move a file durably over another, whose bytes are then overwritten on the disk as far as that can be done."""
    old = _open_to_wipe(target)
    try:
        source.replace(target)
        sync_folder(target.parent)
        if source.parent != target.parent:
            sync_folder(source.parent)
        _wipe(old)
    finally:
        if old is not None:
            os.close(old)


def remove(path: Path) -> None:
    """Remove a file durably, if it is there, its bytes overwritten on the disk as far as that can be done."""
    old = _open_to_wipe(path)
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
        _wipe(old)
    finally:
        if old is not None:
            os.close(old)


def _open_to_wipe(path: Path) -> int | None:
    if sys.platform == "win32":  # where an open file can be neither replaced nor removed
        return None
    try:
        return open_file(path, os.O_WRONLY)
    except OSError:
        return None


def _wipe(fd: int | None) -> None:
    # Best effort: a copying file system or a flash drive may keep the old blocks all the same.
    if fd is None:
        return
    with contextlib.suppress(OSError):
        if os.fstat(fd).st_nlink:  # another name leads to it: it is somebody else's too
            return
        left = os.fstat(fd).st_size
        zeros = bytes(min(left, 1 << 20))
        while left > 0:
            left -= os.write(fd, zeros[:left])
        os.fsync(fd)
