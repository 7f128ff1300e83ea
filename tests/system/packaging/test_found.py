"""Tools for people who write code find the modules: the type checker, completion in editors, pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jedi

ROOT = Path(__file__).resolve().parents[3]


def module(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a module in the project's root, which `-m` puts on the path."""
    return subprocess.run(
        [sys.executable, "-m", name, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_mypy_finds_types_across_the_folders(tmp_path: Path) -> None:
    user = tmp_path / "user.py"
    user.write_text("from earmark.queue.clip import Clip\n\n\ndef of(clip: Clip) -> int:\n    return clip.duration\n")
    said = module("mypy", "--config-file", ROOT / "pyproject.toml", "--cache-dir", tmp_path / "cache", user)
    assert "return-value" in said.stdout, said.stdout + said.stderr
    assert "Found 1 error in 1 file" in said.stdout


def test_jedi_goes_to_the_definition() -> None:
    script = jedi.Script("from earmark.queue.clip import Clip\nClip", project=jedi.Project(ROOT))
    (definition,) = script.goto(2, 1, follow_imports=True)
    assert Path(str(definition.module_path)).resolve() == ROOT / "queue" / "clip.py"


def test_pytest_from_the_root_finds_the_tests() -> None:
    said = module("pytest", "--collect-only", "-q", "tests/unit/keymaps")
    assert said.returncode == 0, said.stdout[-2000:]
