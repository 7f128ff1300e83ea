"""A real sshd on a loopback port, with keys, a configuration and a client's surroundings of its own.

    server = Sshd(folder)
    server.key("ada", command="earmark gate --store … --as ada")
    server.start()
    subprocess.run(["ssh", "ada"], env={**os.environ, **server.environment})
    server.stop()

Each key is a host of its name for the client: `ssh://ada` goes to this sshd with that key. Without `totp` it needs no
root; with it, it lays its own PAM service over the machine's (`PAMServiceName` is not in every OpenSSH), and puts the
machine's back in `stop`, or at the next start if it was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

PAM = Path("/etc/pam.d/sshd")
PAM_KEPT = PAM.with_name(".sshd.before-earmark-tests")
AUTH = "auth required pam_google_authenticator.so"
TOTP_SERVICE = """\
{auth} secret={secret} user={user}
account required pam_permit.so
session required pam_permit.so
"""
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEH"


def sshd() -> str | None:
    """The server's program: it wants to be called by its whole path."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def code(secret: str = SECRET) -> str:
    """The one-time code of this half minute."""
    return subprocess.run(
        ["oathtool", "--totp", "-b", secret], capture_output=True, text=True, check=True
    ).stdout.strip()


class Sshd:
    """An sshd in `folder`. With `totp`, a key alone lets nobody in: `auth` is the line of the PAM service that asks for
    a code, whose secret is in `folder`. `authentication` takes the place of its configuration of who gets in and how.
    """

    def __init__(self, folder: Path, *, totp: bool = False, authentication: str = "", auth: str = AUTH) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.user = self.account()
        self.port = _free_port()
        # A socket's path must be short, and pytest's folders are not.
        self.runtime = Path(tempfile.mkdtemp(prefix="em-"))
        self._totp = totp
        self._auth = auth
        self._pam_lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._authorized = folder / "authorized_keys"
        self._authorized.touch()
        self._config = folder / "ssh_config"
        self._config.touch()
        self._binaries = folder / "bin"
        self._binaries.mkdir()
        wrapper = self._binaries / "ssh"
        # The client takes ~/.ssh from the password file, not from HOME: it must be told where else to look.
        wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {self._config} "$@"\n')
        wrapper.chmod(0o755)
        self._keygen(folder / "host_key")
        kinds = (folder / "host_key.pub").read_text().split()[:2]
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {' '.join(kinds)}\n")
        second = "publickey,keyboard-interactive" if totp else "publickey"
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {folder}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {self._authorized}\nStrictModes no\nPermitRootLogin yes\n"
            f"Subsystem sftp internal-sftp\nMaxStartups 100\nLogLevel VERBOSE\n"
            + (
                authentication
                or f"PasswordAuthentication no\nKbdInteractiveAuthentication {'yes' if totp else 'no'}\n"
                f"UsePAM {'yes' if totp else 'no'}\nAuthenticationMethods {second}\n"
            )
        )

    @staticmethod
    def account() -> str:
        """Who logs in: whoever runs the tests."""
        return getpass.getuser()

    @property
    def environment(self) -> dict[str, str]:
        """What a client's environment must have, for `ssh` to come here."""
        return {"PATH": f"{self._binaries}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(self.runtime)}

    def key(self, name: str, *, command: str | None = None, options: str = "restrict", line: str | None = None) -> None:
        """A key pair, and a host of that name for the client that uses it. `line` is the whole line of authorized_keys,
        with {} for the key, where it is not made of `command` and `options`.
        """
        self._keygen(self.folder / name)
        forced = 'command="{}"'.format(command.replace('"', '\\"')) if command is not None else ""
        line = line or " ".join(filter(None, [",".join(filter(None, [options, forced])), "{}"]))
        with self._authorized.open("a") as file:
            file.write(line.replace("{}", (self.folder / f"{name}.pub").read_text().strip()) + "\n")
        self.host(name, name)

    def host(self, name: str, key: str, *, port: int | None = None) -> None:
        """One more name for the client under which a key is used."""
        with self._config.open("a") as file:
            file.write(
                f"Host {name}\n  HostName 127.0.0.1\n  Port {port or self.port}\n  User {self.user}\n"
                f"  HostKeyAlias [127.0.0.1]:{self.port}\n"
                f"  IdentityFile {self.folder / key}\n  IdentitiesOnly yes\n  IdentityAgent none\n"
                f"  UserKnownHostsFile {self.folder / 'known_hosts'}\n  GlobalKnownHostsFile none\n"
                "  StrictHostKeyChecking yes\n"
            )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = sshd()
        assert program is not None, "there is no sshd here"
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        if self._totp and self._pam_lock is None:
            self._lay_pam_over()
        with (self.folder / "sshd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self._process.poll() is None and time.monotonic() < end, self.log()
            time.sleep(0.05)

    def stop(self) -> None:
        """End it with all its connections, and leave the machine as it was."""
        try:
            self.halt()
        finally:
            if self._totp:
                self._take_pam_away()
            shutil.rmtree(self.runtime, ignore_errors=True)

    def halt(self) -> None:
        """End it with all its connections; it can be started again."""
        self.hang_up()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang_up(self) -> None:
        """End every connection, as a host that restarts does; new ones are taken."""
        if self._process is not None:
            for pid in descendants(self._process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def freeze(self) -> None:
        """Let every connection hang: nothing is closed, and nothing comes any more."""
        if self._process is not None:
            for pid in [self._process.pid, *descendants(self._process.pid)]:
                os.kill(pid, signal.SIGSTOP)

    def gates(self) -> list[int]:
        """The processes of gates that run behind this sshd."""
        assert self._process is not None
        return [pid for pid in descendants(self._process.pid) if b"\0gate\0" in _command_line(pid)]

    def log(self) -> str:
        return (self.folder / "sshd.log").read_text(errors="replace")

    @staticmethod
    def _keygen(path: Path) -> None:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)], check=True)

    # -- PAM ---------------------------------------------------------------------------------------------------------

    def _lay_pam_over(self) -> None:
        secret = self.folder / "totp"
        if not secret.exists():
            secret.write_text(f'{SECRET}\n" TOTP_AUTH\n')
            secret.chmod(0o400)
        self._pam_lock = PAM.with_name(".sshd.lock-of-earmark-tests").open("w")
        fcntl.flock(self._pam_lock, fcntl.LOCK_EX)
        restore_pam()
        shutil.copy2(PAM, PAM_KEPT)
        PAM.write_text(TOTP_SERVICE.format(auth=self._auth, secret=secret, user=self.user))

    def _take_pam_away(self) -> None:
        if self._pam_lock is not None:
            restore_pam()
            Path(self._pam_lock.name).unlink(missing_ok=True)
            self._pam_lock.close()
            self._pam_lock = None


def restore_pam() -> None:
    """Put the machine's own PAM service back, if a test's lies over it."""
    if PAM_KEPT.exists():
        os.replace(PAM_KEPT, PAM)


def descendants(pid: int) -> list[int]:
    """The processes below one, as /proc has them."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name of the program, in brackets, may hold anything.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, ahead = [], [pid]
    while ahead:
        below = children.get(ahead.pop(), [])
        found += below
        ahead += below
    return found


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
