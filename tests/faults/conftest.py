"""Fault tests need real tools: without one they fail, unless EARMARK_PARTIAL=1 says that this is known."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest


@pytest.fixture
def need() -> Callable[[str], str]:
    """The path of a tool."""

    def find(tool: str) -> str:
        path = shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if path is None:
            without(f"{tool} is not installed")
        assert path is not None
        return path

    return find


def without(why: str) -> None:
    # What could not be tested counts as failed, unless whoever runs the tests has said that a part of them will do.
    if os.environ.get("EARMARK_PARTIAL") == "1":
        pytest.skip(why)
    pytest.fail(f"{why}; EARMARK_PARTIAL=1 leaves this test out")


@pytest.fixture
def apart(need: Callable[[str], str]) -> list[str]:
    """What to put before a command so that it may mount file systems that nobody else sees."""
    command = [need("unshare"), "-m"] if os.geteuid() == 0 else [need("unshare"), "-Urm"]
    done = subprocess.run(
        [*command, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        without(f"nothing can be mounted here: {done.stderr.strip()}")
    return command
