"""A host behind a real sshd, ten real clips in its store, and a reviewer's screen on it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal.desk import Desk
from terminal.home import need
from workstation import Host

TEN = [
    "en/en-lj001-0008-wav.wav",
    "de/de-thorsten-02.wav",
    "de/de-emodb-03a04Ad.wav",
    "ar/ar-sc-yes-21.wav",
    "en/en-cv-22058266.mp3",
    "de/de-emodb-03a02Ta.wav",
    "fr/fr-goforward.wav",
    "en/en-lj001-0002-wav.wav",
    "ar/ar-sc-open-21.wav",
    "et/et-alumae-lause2.ogg",
]
"""Short ones, of 16, 22.05 and 48 kHz; WAV, MP3, Vorbis."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    need("ssh", "sshd" if shutil.which("sshd") else "/usr/sbin/sshd")
    host = Host(tmp_path / "host")
    yield host
    host.stop()


@pytest.fixture(scope="session")
def ten(shared: Path) -> list[Path]:
    """The files of ten clips, in the order in which they are reviewed."""
    return [shared / "speech/audio" / name for name in TEN]


@pytest.fixture(scope="session")
def _loaded(ten: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ten")
    manifest = folder / "ten.jsonl"
    rows = [{"audio_filepath": str(path), "pred_text": f"clip {path.stem}"} for path in ten]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    Desk(folder).run("load", "--root", str(ten[0].parents[1]), str(manifest))
    return folder


@pytest.fixture
def desk(_loaded: Path, host: Host, tmp_path: Path) -> Desk:
    """A desk on the host with the ten clips in its store and nothing decided."""
    folder = tmp_path / "desk"
    shutil.copytree(_loaded / "home", folder / "home")
    return Desk(folder, XDG_STATE_HOME=str(host.state), EARMARK_SOUND="speaker")
