"""Fixtures that more than one folder of tests needs."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# The tests that every kind of store passes are imported like any module, and say as much when they fail.
pytest.register_assert_rewrite("contract", "counted")

ROOT = Path(__file__).resolve().parents[1]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Whoever starts the tests in the background has them, and all that they start, ignore Ctrl-C: some test just that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Say how many faults a test has made, and how many decisions went through them."""

    def counted(what: str, faults: int, decisions: int, quarantined: int = 0) -> None:
        record_property("counted", (what, faults, decisions, quarantined))

    return counted


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The faults that were counted. A test that passed has lost nothing, and doubled nothing."""
    counted = [
        (*value, report.duration)
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
        if name == "counted"
    ]
    for what, faults, decisions, quarantined, seconds in counted:
        terminalreporter.write_line(
            f"{faults:5,} {what}: {decisions:,} decisions saved, 0 lost, 0 doubled, {quarantined:,} set aside and told "
            f"({seconds:.0f} s)"
        )


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings."""
    return Path(os.environ.get("EARMARK_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def soundlab() -> ModuleType:
    """The module `soundlab.py`: tests are imported by path, so it cannot be imported by name."""
    spec = importlib.util.spec_from_file_location("soundlab", Path(__file__).with_name("soundlab.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["soundlab"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pulse(soundlab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A running PulseAudio server of the test's own, into which everything plays."""
    server = soundlab.Pulse(tmp_path)
    server.start()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _recorded_pulse(soundlab: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    server = soundlab.Pulse(tmp_path_factory.mktemp("pulse"))
    server.start()
    with server.recording() as recording:
        yield recording
    server.stop()


@pytest.fixture
def recording(_recorded_pulse: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What sounds from now on: everything plays into one server that is recorded for the whole run of the tests."""
    for name, value in _recorded_pulse.environment.items():
        monkeypatch.setenv(name, value)
    _recorded_pulse.restart()
    return _recorded_pulse


@pytest.fixture
def alsa_file(soundlab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything plays, faster than real time, into this WAV file."""
    environment, capture = soundlab.alsa_file(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Path(capture)


@pytest.fixture
def no_device(soundlab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a sound card."""
    for name, value in soundlab.no_device(tmp_path).items():
        monkeypatch.setenv(name, value)
