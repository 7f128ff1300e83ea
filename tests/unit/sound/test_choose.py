"""Which ways out are tried, in which order, and that choosing imports none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from earmark.tui.sound.sinks.choose import COMMANDS, PREFERENCES, candidates
from earmark.tui.sound.sinks.interface import SinkFailed


def test_auto_tries_the_libraries_first_and_then_the_players(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(
        "earmark.tui.sound.sinks.libraries.LibrarySink", lambda name, install, report: opened.append(name)
    )
    monkeypatch.setattr("earmark.tui.sound.sinks.command.CommandSink", lambda name, report: opened.append(name))
    for candidate in candidates("auto"):
        candidate(lambda event: None)
    assert opened == ["simpleaudio", "miniaudio", *COMMANDS]


def test_auto_leaves_out_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert candidates("auto") == ()


@pytest.mark.parametrize("name", ["simpleaudio", "miniaudio", "command"])
def test_one_asked_for_by_name_says_that_it_is_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (only,) = candidates(name)
    with pytest.raises(SinkFailed, match="is not installed"):
        only(lambda event: None)


def test_none_means_none() -> None:
    assert candidates("none") == ()


def test_an_unknown_preference_is_named() -> None:
    with pytest.raises(ValueError, match="'loud': one of auto, speaker, simpleaudio, miniaudio, command, none"):
        candidates("loud")


def test_choosing_imports_no_library(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from earmark.tui.sound.player import Player\n"
        "from earmark.tui.sound.sinks.choose import candidates, PREFERENCES\n"
        "for each in PREFERENCES: candidates(each)\n"
        "heavy = {'numpy', 'miniaudio', 'simpleaudio', 'soundfile', 'python_stretch', 'textual'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert said.stdout.strip() == "[]"
    assert PREFERENCES[0] == "auto"
