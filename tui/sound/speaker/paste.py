"""The exact lines to paste at a workstation so that the sound of this host's sitting goes out there."""

from __future__ import annotations

import getpass
import os
import shlex
from collections.abc import Mapping
from typing import NamedTuple

from earmark.tui.sound.speaker.receivers import program

PAGE_PORT = 8750
"""The port of the page, on both ends of the tunnel, where it is free."""


CUT = "sed -n '/^#!/,$p'"
CUT_THERE = r"-replace '(?s)\A.*?(?=# Earmark)'"
"""Leave out what start-up files on the host print before the program: it is not to be run at the workstation."""


class Line(NamedTuple):
    """What to paste where: `where` says which workstation it is for."""

    where: str
    line: str


def lines(environ: Mapping[str, str] = os.environ) -> list[Line]:
    """A line for each kind of workstation. Over SSH they name this user, and this host by the address that was reached;
    else `HOST` stands for what one gives to ssh.
    """
    host, options = reached(environ)
    way = " ".join([*options, host])
    earmark = shlex.quote(program())
    sh, python = (f"{earmark} speaker --receiver {kind}" for kind in ("sh", "python"))
    windows = f"{earmark} speaker --receiver powershell"
    page = f"{earmark} speaker --web --port {PAGE_PORT}"
    tunnel = f"-L {PAGE_PORT}:127.0.0.1:{PAGE_PORT}"
    return [
        Line("Linux, macOS", f'sh -c "$(ssh {way} {_word(sh)} | {CUT})" - {way}'),
        Line("with Python there", f'python3 -c "$(ssh {way} {_word(python)} | {CUT})" {way}'),
        Line(
            "Windows PowerShell",
            f"$EarmarkHost = '{way}'; iex ((ssh {way} {_word(windows)} | Out-String) {CUT_THERE})",
        ),
        Line("a browser there", f"ssh {tunnel} {way} {_word(page)}"),
    ]


def _word(command: str) -> str:
    """A remote command as one word for a shell that expands what stands in double quotes around it."""
    return "'" + command.replace("'", "'\\''") + "'"


def reached(environ: Mapping[str, str] = os.environ) -> tuple[str, list[str]]:
    """How `ssh` came to this host: `user@address`, or `HOST` where it did not, and the options before it."""
    parts = environ.get("SSH_CONNECTION", "").split()
    if len(parts) != 4:
        return "HOST", []
    _, _, address, port = parts
    return f"{environ.get('USER') or getpass.getuser()}@{address}", [] if port == "22" else ["-p", port]
