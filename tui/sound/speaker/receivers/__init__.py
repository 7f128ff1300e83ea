"""Receivers to paste at the other end: programs in what a workstation has already, printed by `earmark speaker`."""

from __future__ import annotations

import shlex
import sys
from importlib.resources import files
from pathlib import Path

_FILES = {"sh": "receiver.sh", "python": "receiver.py", "powershell": "receiver.ps1"}
_PLAIN = "earmark speaker"


def script(kind: str) -> str:
    """The receiver of a kind, `sh`, `python` or `powershell`; it calls this very program on this host, by its path."""
    # On a line of its own, whatever a start-up file on the host has printed: the line that fetches it begins there.
    text = "\n" + (files(__name__) / _FILES[kind]).read_text(encoding="utf-8")
    command = f"{shlex.quote(program())} speaker"
    if kind == "python":
        return text.replace(f'REMOTE = "{_PLAIN}"', f"REMOTE = {command!r}", 1)
    quoted = command.replace("'", "''" if kind == "powershell" else "'\\''")
    return text.replace(f"'{_PLAIN} --text'", f"'{quoted} --text'", 1)


def program() -> str:
    """How a shell on this host starts Earmark: a remote command has no environment that was activated."""
    started = Path(sys.argv[0])
    return str(started.absolute()) if started.name == "earmark" else "earmark"
