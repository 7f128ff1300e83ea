"""Where the review screen and `earmark speaker` of one user on one host meet: a Unix socket that is nobody else's."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

SOCKET = "sound.sock"
_LOCK = "sound.lock"


class NoRendezvous(Exception):
    """The two cannot meet here; the message is one line that says why and what to do."""


class Taken(NoRendezvous):
    """Another sitting of the same user has the socket."""


def folder() -> Path:
    """The folder of the socket, made where it is missing: this user's alone, one for each host that shares the home.

    Raises `NoRendezvous` where it is somebody else's, a link, or open to others: somebody might listen.
    """
    from platformdirs import user_state_path

    host = "".join(c for c in socket.gethostname() if c.isalnum() or c == "-") or "host"
    path = user_state_path("earmark", appauthor=False) / f"sound-{host}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        found = path.lstat()
    except OSError as error:
        raise NoRendezvous(f"{path}: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise NoRendezvous(f"{path} is no folder; remove it")
    if found.st_uid != os.getuid():
        raise NoRendezvous(f"{path} belongs to somebody else; have it removed")
    if found.st_mode & 0o077:
        raise NoRendezvous(f"{path} is open to others; remove it, or take their rights away (chmod 700)")
    return path


class Meeting:
    """The program's side: listens until it is closed. Raises `Taken` while another sitting does, or `NoRendezvous`."""

    def __init__(self) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise NoRendezvous("this system has no Unix sockets")
        import fcntl

        place = folder()
        try:
            self._lock = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise NoRendezvous(f"{place / _LOCK}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever holds the lock is the only one that listens: a socket that is there was left by a killed program.
            with contextlib.suppress(FileNotFoundError):
                (place / SOCKET).unlink()
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                with _reachable(place) as path:
                    self.socket.bind(path)
                    os.chmod(path, 0o600)  # noqa: PTH101 - the path may be one of a descriptor
                self.socket.listen(4)
                self.socket.setblocking(False)
            except BaseException:
                self.socket.close()
                raise
        except BlockingIOError:
            os.close(self._lock)
            raise Taken("another sitting of yours on this host has the speaker") from None
        except OSError as error:
            os.close(self._lock)
            raise NoRendezvous(f"{place / SOCKET}: {error.strerror}") from None
        self._path = place / SOCKET

    def accept(self) -> socket.socket | None:
        """Whoever has come, not blocking; None where nobody has, or another user, who is sent away."""
        try:
            connection, _ = self.socket.accept()
        except OSError:
            return None
        if not is_us(connection):
            connection.close()
            return None
        connection.setblocking(False)
        return connection

    def close(self) -> None:
        """Meet nobody any more."""
        with contextlib.suppress(OSError):
            self._path.unlink()
        self.socket.close()
        os.close(self._lock)


def join() -> socket.socket | None:
    """The speaker's side: a connection to the program; None while none is there. Raises `NoRendezvous`."""
    place = folder()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _reachable(place) as path:
            connection.connect(path)
    except (FileNotFoundError, ConnectionError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise NoRendezvous(f"{place / SOCKET}: {error.strerror}") from None
    if not is_us(connection):
        connection.close()
        raise NoRendezvous(f"{place / SOCKET} is held by another user")
    return connection


def is_us(connection: socket.socket) -> bool:
    """Whether the other end runs as the same user; taken for granted where the system does not say (the folder is
    ours).
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", told)[1]
    return uid == os.getuid()


@contextlib.contextmanager
def _reachable(place: Path) -> Iterator[str]:
    """A path to the socket that is short enough: the system allows about a hundred bytes, and homes may lie deep."""
    path = place / SOCKET
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)
