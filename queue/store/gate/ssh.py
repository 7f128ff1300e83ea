"""`ssh` as the way to a gate. Signing in, with all that it may ask, is apart from the connections that the work needs:
those never ask.

One connection is signed in for and stays open in the background (OpenSSH's ControlMaster); everything else goes through
it. Its socket lies in a folder of the user's own. On Windows there is no such thing: only keys that need no prompt do.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from earmark.queue.store.gate.address import Address, parse
from earmark.queue.store.gate.client import GateStore
from earmark.queue.store.interface import SignInAgain, StoreError, StoreUnreachable

PERSIST = 600
"""Seconds that the signed-in connection stays after its last use: a sync and a status after it need one sign-in."""

_QUIET = (
    "-T", "-a", "-x",
    # What the user's own configuration may ask for besides belongs to logins, not to this.
    *("-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no", "-o", "RemoteCommand=none"),
    *("-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"),
)  # fmt: skip
_LONGEST_SOCKET = 104 - 18
"""Bytes of a socket's path: the system's bound (macOS has the lowest), less what ssh appends while it makes one."""

_MOST_SAID = 4096
_ANSWERS_WITHIN = 10.0
"""Seconds in which the connection in the background says that it is there: it is on this machine."""

_SAID_NO = ("permission denied", "host key verification failed", "too many authentication failures")
HAS_MASTERS = sys.platform != "win32"


def open_ssh(url: str, *, reviewer: str | None = None, prompt: bool = True) -> GateStore:
    """The store that an `ssh://` URL leads to. Signs in first, unless somebody has; with `prompt` ssh may ask on the
    terminal.

    `reviewer` is in whose name one means to come, None for whoever the gate says. Raises `StoreError`.
    """
    address = parse(url)
    way = SshWay(address)
    way.sign_in(prompt=prompt)
    return GateStore(way, wanted=address.store, reviewer=reviewer)


class SshWay:
    """A `Way` to the gate at an address. Raises `StoreError` where there is no ssh, or no place for the socket."""

    def __init__(self, address: Address) -> None:
        program = shutil.which("ssh")
        if program is None:
            raise StoreError("there is no ssh on this machine: install OpenSSH's client")
        self._address = address
        self._ssh = program
        self._socket = control_folder() / _name(address) if HAS_MASTERS else None

    def open(self) -> SshChannel:
        gate = ["earmark", "gate"]
        if self._address.store is not None:
            gate += ["--store", self._address.store]
        return SshChannel(
            self._command("-o", "BatchMode=yes", "-o", "ControlMaster=no", said=[shlex.join(gate)]), str(self._address)
        )

    def open_without_sign_in(self) -> bool:
        if self._socket is None or not self._socket.exists():
            return False
        return self._tell("check") == 0

    def sign_in(self, *, prompt: bool) -> None:
        if self._socket is None or self.open_without_sign_in():
            return
        options = ["-M", "-N", "-f", "-o", f"ControlPersist={PERSIST}", "-o", f"BatchMode={'no' if prompt else 'yes'}"]
        # ssh asks on the terminal itself, whatever its standard streams are; what it says besides is to be read there.
        # A file, as the connection in the background may hold on to a pipe.
        with _startable(), tempfile.TemporaryFile() as heard:
            done = subprocess.run(
                self._command(*options),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=None if prompt else heard,
                check=False,
            )
            heard.seek(0)
            said = heard.read(_MOST_SAID)
        if done.returncode != 0 and prompt:
            raise StoreUnreachable(f"ssh did not get in at {self._address}, and ended with {done.returncode}")
        if done.returncode != 0:
            raise fault(str(self._address), done.returncode, said)

    def sign_out(self) -> None:
        """End the connection in the background."""
        if self._socket is not None:
            self._tell("exit")

    def _tell(self, what: str) -> int:
        """Tell the connection in the background something; its ssh's exit code. Raises `StoreUnreachable`."""
        try:
            with _startable():
                return subprocess.run(
                    self._command("-O", what),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    check=False,
                    timeout=_ANSWERS_WITHIN,
                ).returncode
        except subprocess.TimeoutExpired:
            raise StoreUnreachable(
                f"the ssh that is signed in at {self._address} does not answer: end that process"
            ) from None

    def _command(self, *options: str, said: list[str] | None = None) -> list[str]:
        command = [self._ssh, *_QUIET, *options]
        # In quotation marks, and a percent sign doubled: it is read as a line of the configuration is.
        path = "none" if self._socket is None else '"' + str(self._socket).replace("%", "%%") + '"'
        command += ["-o", f"ControlPath={path}"]
        if self._address.port is not None:
            command += ["-p", str(self._address.port)]
        if self._address.user is not None:
            command += ["-l", self._address.user]
        return [*command, "--", self._address.host, *(said or [])]


class SshChannel:
    """A `Channel` over an ssh of its own, without a terminal: whatever happens, it can neither ask nor write there."""

    def __init__(self, command: list[str], where: str) -> None:
        self._where = where
        with _startable():
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        self._said = bytearray()
        self._hearing = threading.Thread(target=self._hear, name="ssh", daemon=True)
        self._hearing.start()

    def send(self, data: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[stdin.write(rest) :]
        except ValueError:  # closed
            raise BrokenPipeError from None

    def receive(self, most: int) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        data: bytes = stdout.read(most) if not stdout.closed else b""
        if not data:
            stdout.close()
            self._process.wait()
        return data

    def close(self) -> None:
        # The reading thread sees the end, and waits for the process; closing under it would not wake it.
        with contextlib.suppress(OSError, ValueError):
            self._process.terminate()
        stdin = self._process.stdin
        if stdin is not None:
            with contextlib.suppress(OSError):
                stdin.close()

    def fault(self) -> StoreError:
        self._hearing.join(5.0)
        try:
            code = self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            code = -1
        return fault(self._where, code, bytes(self._said))

    def _hear(self) -> None:
        """Keep the last of what ssh says, and never let it wait for being heard."""
        stderr = self._process.stderr
        assert stderr is not None
        with stderr:
            while data := stderr.read(_MOST_SAID):
                self._said += data
                del self._said[:-_MOST_SAID]


@contextlib.contextmanager
def _startable() -> Iterator[None]:
    """Where this machine cannot start one more ssh (no process, no file, no room), that may pass."""
    try:
        yield
    except OSError as error:
        raise StoreUnreachable(f"ssh cannot be started on this machine: {error.strerror or error}") from error


def fault(where: str, code: int, said: bytes) -> StoreError:
    """What an ssh that ended with `code`, having said so much, stands for."""
    from earmark.queue.text import clean

    lines = [clean(line, most=200) for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    last = lines[-1].strip() if lines else ""
    told = f": {last}" if last else ""
    if any(no in line.lower() for line in lines for no in _SAID_NO):
        hint = "" if HAS_MASTERS else "; on Windows only a key that needs no prompt will do, such as one in ssh-agent"
        return SignInAgain(f"{where} asks for a sign-in{told}{hint}")
    if code == 127 or "command not found" in last:
        return StoreError(
            f"{where} has no earmark on its path{told}: install it there, or name it in command= of the key"
        )
    if code == 255:
        return StoreUnreachable(f"{where} cannot be reached{told}")
    return StoreUnreachable(f"the gate at {where} ended ({code}){told}")


def control_folder() -> Path:
    """The folder (mode 0700, made when missing) for the sockets of signed-in connections. Raises `StoreError`."""
    who = os.getuid()
    places = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]  # noqa: S108 - a folder of our own in it
    names = [Path(place) / f"earmark-{who}" for place in places if place and Path(place).is_dir()]
    fitting = [name for name in names if len(os.fsencode(name)) + 17 <= _LONGEST_SOCKET]
    if not fitting:
        raise StoreError("no folder with a short path for ssh's socket: set XDG_RUNTIME_DIR")
    folder = fitting[0]
    with _startable(), contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != who or found.st_mode & 0o077:
        raise StoreError(f"{folder} must be a folder of yours that nobody else can enter: remove it, or chmod 700 it")
    return folder


def _name(address: Address) -> str:
    which = f"{address.user}@{address.host}:{address.port}"
    return hashlib.sha256(which.encode()).hexdigest()[:16]
