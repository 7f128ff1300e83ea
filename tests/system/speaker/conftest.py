"""A host behind a real sshd, ten real clips in its store, and a reviewer's screen on it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from needs import need_sshd
from terminal.desk import Desk
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

LONGER = [
    "de/de-fleurs-000.ogg",
    "en/en-jfk.flac",
    "de/de-fleurs-002.ogg",
    "en/en-fleurs-002.ogg",
    "zh/zh-fleurs-1883.wav",
    "en/en-fleurs-000.ogg",
]
"""From ten to eighteen seconds."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    need_sshd()
    host = Host(tmp_path / "host")
    yield host
    host.stop()


@pytest.fixture(scope="session")
def ten(shared: Path) -> list[Path]:
    """The files of ten clips, in the order in which they are reviewed."""
    return [shared / "speech/audio" / name for name in TEN]


def load(folder: Path, files: list[Path]) -> Path:
    """A desk's folder whose store holds these clips."""
    manifest = folder / "clips.jsonl"
    rows = [{"audio_filepath": str(path), "pred_text": f"clip {path.stem}"} for path in files]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    Desk(folder).run("load", "--root", str(files[0].parents[1]), str(manifest))
    return folder


def desk_on(host: Host, loaded: Path, folder: Path) -> Desk:
    """A desk on the host with a store like that one and nothing decided."""
    shutil.copytree(loaded / "home", folder / "home")
    return Desk(folder, XDG_STATE_HOME=str(host.state), EARMARK_SOUND="speaker")


@pytest.fixture(scope="session")
def _ten_loaded(ten: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return load(tmp_path_factory.mktemp("ten"), ten)


@pytest.fixture(scope="session")
def _long_loaded(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return load(tmp_path_factory.mktemp("long"), [shared / "speech/audio" / name for name in LONGER])


@pytest.fixture
def desk(_ten_loaded: Path, host: Host, tmp_path: Path) -> Desk:
    """A desk with the ten clips."""
    return desk_on(host, _ten_loaded, tmp_path / "desk")


@pytest.fixture
def long_desk(_long_loaded: Path, host: Host, tmp_path: Path) -> Desk:
    """A desk with long clips: what should sound on, or end, has its time."""
    return desk_on(host, _long_loaded, tmp_path / "desk")
