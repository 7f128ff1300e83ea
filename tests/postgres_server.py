"""A PostgreSQL server of the tests' own, which goes away with them: a socket with trust, the loopback with SCRAM."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

SETTINGS = {"max_connections": "100", "log_min_messages": "fatal"}


def binaries() -> Path | None:
    """The folder of the newest server's programs, as Debian lays them out, or of the one on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    other = shutil.which("initdb")
    return Path(other).resolve().parent if other else None


class PostgresServer:
    """A server in a folder of its own. `durable` is for what happens when it is killed; other tests need no disk."""

    def __init__(self, *, durable: bool = False, settings: dict[str, str] | None = None) -> None:
        bin_folder = binaries()
        if bin_folder is None:
            raise RuntimeError("there is no PostgreSQL server on this machine")
        self._bin = bin_folder
        self.folder = Path(tempfile.mkdtemp(prefix="earmark-pg-"))
        # PostgreSQL refuses to run as root.
        self._as: tuple[str, ...] = ()
        if os.geteuid() == 0:
            person = pwd.getpwnam("postgres")
            os.chown(self.folder, person.pw_uid, person.pw_gid)
            self._as = ("runuser", "-u", "postgres", "--")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.settings = SETTINGS | ({} if durable else {"fsync": "off", "full_page_writes": "off"}) | (settings or {})
        self._run(
            "initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
            "--auth-local=trust", "--auth-host=scram-sha-256", *(() if durable else ("--no-sync",)),
        )  # fmt: skip

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start, or start again after a kill, when the old one's last processes may still be going."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 " + " ".join(
            f"-c {name}={value}" for name, value in self.settings.items()
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                self._run("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "-o", options, "start")
                return
            except subprocess.CalledProcessError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def kill(self) -> None:
        """Kill the server and all its processes as a power cut would."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
        for one in [pid, *map(int, children.stdout.split())]:
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def stop(self) -> None:
        """Stop at once and remove everything."""
        subprocess.run(
            [*self._as, str(self._bin / "pg_ctl"), "-D", str(self.data), "-m", "immediate", "stop"],
            capture_output=True,
            cwd=self.folder,
            check=False,
        )
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str, user: str = "postgres") -> str:
        """Over the Unix socket, where everybody is believed."""
        return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}"

    def tcp_url(self, database: str, user: str, password: str) -> str:
        """Over the loopback, with a password."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def dump(self, database: str) -> bytes:
        """All that `pg_dump` gives of a database, the texts plain."""
        dumped = self._run("pg_dump", "-h", self.folder, "-p", self.port, "-U", "postgres", database)
        # Each dump has a random word of its own in these.
        return b"".join(
            line for line in dumped.splitlines(True) if not line.startswith((b"\\restrict", b"\\unrestrict"))
        )

    def restore(self, database: str, dumped: bytes) -> None:
        """Put what `dump` gave in the place of the store that the database holds."""
        where = ("-h", self.folder, "-p", self.port, "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1", "-q")
        self._run("psql", *where, "-c", "DROP SCHEMA earmark CASCADE")
        self._run("psql", *where, given=dumped)

    def _run(self, program: str, *arguments: object, given: bytes = b"") -> bytes:
        command: Sequence[str] = [*self._as, str(self._bin / program), *map(str, arguments)]
        return subprocess.run(
            command, input=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self.folder, check=True
        ).stdout
