"""The program as this environment has it installed: from the checkout, or from a wheel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from terminal.console import Console

ROOT = Path(__file__).resolve().parents[3]
EARMARK = Path(sys.executable).with_name("earmark")


def printed(*command: str | Path) -> str:
    """What a command prints that must end with 0 and complain of nothing. It runs in the project's root."""
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not ran.stderr
    return ran.stdout


def test_help_shows_the_commands() -> None:
    assert "earmark demo" in printed(EARMARK, "--help")


def test_a_mistyped_command_is_a_usage_error() -> None:
    assert subprocess.run([EARMARK, "reviwe"], capture_output=True, check=False).returncode == 2


def test_queue_is_the_standard_library_s_in_the_project_root() -> None:
    """A folder named queue on the path must not hide it: asyncio and logging need it."""
    code = "import queue; queue.Queue; import earmark.queue.clip; print(queue.__file__)"
    assert Path(printed(sys.executable, "-c", code).strip()).name == "queue.py"


def test_it_runs_as_a_module_in_the_project_root() -> None:
    assert "earmark demo" in printed(sys.executable, "-m", "earmark.tui", "--help")


def test_credits_are_shown() -> None:
    assert "https://creativecommons.org/licenses/by/4.0/" in printed(EARMARK, "demo", "--credits")


def test_the_demo_opens_and_leaves(tmp_path: Path) -> None:
    """The screen shows the first clip's machine transcript; `q` ends the program with 0."""
    home = {"HOME": str(tmp_path), "EARMARK_HOME": str(tmp_path)}
    with Console([str(EARMARK), "demo", "--sound", "none"], home) as console:
        console.wait("another engineer", 60)
        console.press("q")
        assert console.wait_exit(60) == 0
