"""A host with Earmark behind a real sshd, and a workstation that has an SSH client, a shell and a player."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sshd_server import Sshd

EARMARK = Path(sys.executable).with_name("earmark")

SHELLS = {"dash": "sh", "bash": "sh", "python3": "python"}
"""What runs a receiver, and which receiver it is."""

ON_HOST = 'exec env XDG_STATE_HOME={state} PYTHONDONTWRITEBYTECODE=1 sh -c "$SSH_ORIGINAL_COMMAND"'


class Host:
    """Where Earmark runs. Whoever logs in by `far` finds the sitting whose state folder is `state`."""

    def __init__(self, folder: Path) -> None:
        self.sshd = Sshd(folder / "sshd")
        self.state = folder / "state"
        self.state.mkdir()
        self.sshd.key("far", command=ON_HOST.format(state=self.state), options="")
        self.sshd.start()

    def chatty(self, name: str, printed: str) -> None:
        """One more name under which one logs in; there a start-up file prints something."""
        greets = f"printf %b {shlex.quote(printed)}; {ON_HOST.format(state=self.state)}"
        self.sshd.key(name, command=greets, options="")

    def along(self, name: str, port: int) -> None:
        """One more name, under which one gets here along another way."""
        self.sshd.host(name, "far", port=port)

    def stop(self) -> None:
        self.sshd.stop()


class Workstation:
    """What is at the reviewer's end: `card` is the environment that leads to its sound card."""

    def __init__(self, folder: Path, host: Host, card: Mapping[str, str]) -> None:
        self.folder = folder
        self.home, self.temporary = folder / "own", folder / "temporary"
        self.home.mkdir(parents=True)
        self.temporary.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("EARMARK_", "XDG_", "PULSE"))}
        self.environment = {
            **kept,
            **card,
            "PATH": host.sshd.environment["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "LC_ALL": "C.UTF-8",
        }

    def receiver(self, kind: str) -> Path:
        """A receiver in a file, printed by the host."""
        path = self.folder / f"receiver.{kind}"
        if not path.exists():
            command = ["ssh", "far", f"{EARMARK} speaker --receiver {kind}"]
            path.write_bytes(subprocess.run(command, env=self.environment, capture_output=True, check=True).stdout)
        return path

    def line(self, shell: str, *, answers: bool, host: str = "far") -> str:
        """The line to paste: one that starts ssh itself and answers, or one that is started behind it and cannot."""
        kind = SHELLS[shell]
        if answers:
            own = f'"$(ssh far {EARMARK} speaker --receiver {kind})"'
            return f"exec {shell} -c {own} {'- ' if kind == 'sh' else ''}{host}"
        form = " --text" if kind == "sh" else ""
        return f"ssh -T {host} {EARMARK} speaker{form} | {shell} {self.receiver(kind)}"

    def listen(self, shell: str, player: str, *, answers: bool, host: str = "far") -> Listening:
        """Start a receiver."""
        return Listening(self.line(shell, answers=answers, host=host), {**self.environment, "EARMARK_PLAYER": player})


class Listening:
    """A receiver that runs, in a session of its own."""

    def __init__(self, line: str, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            ["sh", "-c", line],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def signal(self, number: int) -> None:
        """Signal all of it, as the terminal does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def said(self) -> str:
        """What it said until it ended."""
        return self.process.communicate(timeout=20)[1].decode(errors="replace")

    def close(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.communicate(timeout=20)

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
