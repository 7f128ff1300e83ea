"""The README says what the program does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def earmark(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "earmark.tui", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def test_the_keys_are_current() -> None:
    start, end = "<!-- keys: written by `earmark keys --markdown` -->\n", "<!-- end of keys -->"
    assert README[README.index(start) + len(start) : README.index(end)].strip() == earmark("keys", "--markdown").strip()


def test_every_setting_is_explained() -> None:
    from earmark.tui.settings import Settings

    table = README[README.index("## Settings") : README.index("## Tested on")]
    missing = [name for name in Settings.__struct_fields__ if f"`{name}" not in table]
    assert missing == []


def test_every_command_is_named_and_has_examples() -> None:
    from earmark.tui.commands import COMMANDS

    for command in COMMANDS:
        assert f"earmark {command}" in README, command
        told = earmark(command, "--help")
        assert "Examples:" in told or command == "journal", command


def test_the_picture_is_there_and_fetches_nothing() -> None:
    picture = (ROOT / ".readme" / "screen.svg").read_text(encoding="utf-8")
    assert "MACHINE" in picture
    assert "url(http" not in picture
