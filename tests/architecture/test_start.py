"""`earmark --help` and completion answer at once: nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "asyncio",
    "cryptography",
    "miniaudio",
    "numpy",
    "python_stretch",
    "rich",
    "simpleaudio",
    "soundfile",
    "sqlite3",
    "textual",
    "websockets",
}
COMMANDS = [
    "load",
    "review",
    "speaker",
    "connect",
    "sync",
    "status",
    "export",
    "withdraw",
    "journal",
    "keys",
    "doctor",
    "demo",
    "gate",
]

ASK = """
import sys
from earmark.tui.commands import main
sys.argv = ["earmark", *sys.argv[1:]]
try:
    main()
except SystemExit as leave:
    assert not leave.code, leave.code
print("|".join(sys.modules))
"""


def imported_by(*arguments: str) -> set[str]:
    """The top-level modules in a process in which `earmark` ran with these arguments."""
    ran = subprocess.run([sys.executable, "-c", ASK, *arguments], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in ran.stdout.splitlines()[-1].split("|")}


def test_help_imports_nothing_heavy() -> None:
    assert not imported_by("--help") & HEAVY


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_imports_nothing_heavy(command: str) -> None:
    assert not imported_by(command, "--help") & HEAVY


def test_version_imports_nothing_heavy() -> None:
    assert not imported_by("--version") & HEAVY
