"""A program that writes into a journal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

WRITER = Path(__file__).with_name("writer.py")


@pytest.fixture
def writer() -> Callable[..., list[str]]:
    """The command that runs `writer.py`."""
    return lambda *given: [sys.executable, str(WRITER), *map(str, given)]
