"""A home with all the real clips in it, loaded once and copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from terminal.desk import Desk


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk's folder whose store holds every clip."""
    folder = tmp_path_factory.mktemp("loaded")
    Desk(folder).load()
    return folder


@pytest.fixture
def desk(loaded: Path, tmp_path: Path) -> Desk:
    """A desk of the test's own with every clip in its store and nothing decided."""
    shutil.copytree(loaded / "home", tmp_path / "home")
    return Desk(tmp_path)
