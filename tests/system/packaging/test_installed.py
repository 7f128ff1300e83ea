"""The program as this environment has it installed: from the checkout, or from a wheel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from terminal.console import Console

ROOT = Path(__file__).resolve().parents[3]
EARMARK = Path(sys.executable).with_name("earmark")


def test_help_shows_the_commands() -> None:
    shown = subprocess.run([EARMARK, "--help"], capture_output=True, text=True, check=True)
    assert "earmark demo" in shown.stdout
    assert not shown.stderr


def test_a_mistyped_command_is_a_usage_error() -> None:
    assert subprocess.run([EARMARK, "reviwe"], capture_output=True, check=False).returncode == 2


def test_queue_is_the_standard_library_s_in_the_project_root() -> None:
    """A folder named queue on the path must not hide it: asyncio and logging need it."""
    code = "import queue; queue.Queue; import earmark.queue.clip; print(queue.__file__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).name == "queue.py"


def test_it_runs_as_a_module_from_the_project_root() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "earmark.tui", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "earmark demo" in shown.stdout


def test_credits_are_shown() -> None:
    shown = subprocess.run([EARMARK, "demo", "--credits"], capture_output=True, text=True, check=True).stdout
    assert "https://creativecommons.org/licenses/by/4.0/" in shown


def test_the_demo_opens_and_leaves(tmp_path: Path) -> None:
    """The screen shows the first clip's machine transcript; `q` ends the program with 0."""
    with Console(
        [str(EARMARK), "demo", "--sound", "none"], {"HOME": str(tmp_path), "EARMARK_HOME": str(tmp_path)}
    ) as console:
        console.wait("another engineer", 60)
        console.press("q")
        assert console.wait_exit(60) == 0
