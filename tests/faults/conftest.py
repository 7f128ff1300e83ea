"""What more than one folder of fault tests needs."""

from __future__ import annotations

import os
import subprocess

import pytest

from needs import need, without


@pytest.fixture
def apart() -> list[str]:
    """What to put before a command so that it may mount file systems that nobody else sees."""
    command = [need("unshare"), "-m"] if os.geteuid() == 0 else [need("unshare"), "-Urm"]
    done = subprocess.run(
        [*command, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        without(f"nothing can be mounted here: {done.stderr.strip()}")
    return command
