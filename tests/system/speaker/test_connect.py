"""`earmark connect`: one login, the host's screen in this terminal, its sound here, through a real sshd."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from needs import need
from soundlab import Pulse
from terminal.console import Console, earmark
from terminal.desk import Desk, decide, leave, number, wait_for
from workstation import EARMARK, Host, Workstation


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Any]:
    need("pulseaudio", "parec")
    folder = tmp_path / "pulse"
    folder.mkdir()
    pulse = Pulse(folder)
    pulse.start()
    try:
        with pulse.recording() as recording:
            yield recording
    finally:
        pulse.stop()


@pytest.fixture
def station(tmp_path: Path, host: Host, recording: Any) -> Workstation:
    return Workstation(tmp_path / "station", host, recording.environment)


def remote(folder: Path, desk: Desk, host: Host) -> Path:
    """Earmark as it is on the host: at that desk, whatever the workstation's environment."""
    own = {**desk.settings, "HOME": str(desk.folder), "XDG_STATE_HOME": str(host.state), "LANG": "C.UTF-8"}
    given = " ".join(f"{name}={shlex.quote(value)}" for name, value in own.items())
    program = folder / "host" / "earmark"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nunset PULSE_SERVER\nexec env {given} {EARMARK} "$@"\n')
    program.chmod(0o755)
    return program


def connect(station: Workstation, program: Path, *arguments: str) -> Console:
    return Console(
        earmark("connect", "--sound", "command", "--command", str(program), "far", *arguments),
        {**station.environment, "TERM": "xterm-256color"},
    )


def masters(host: Host) -> list[str]:
    """The processes of shared logins that lead to this host."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"-M" in words and any(str(host.sshd.folder).encode() in word for word in words):
                found.append(path.name)
    return found


def test_a_clip_is_heard_here_decided_there_and_nothing_stays(
    station: Workstation, desk: Desk, host: Host, recording: Any, tmp_path: Path
) -> None:
    program = remote(tmp_path, desk, host)
    clips = desk.clips()
    with connect(station, program) as console:
        wait_for(console, clips[0], 30)
        console.wait("speaker earmark", 30)
        console.wait("heard 100%", 30)
        assert recording.samples.any(), "nothing was heard here"
        assert len(masters(host)) == 1
        decide(console, "enter")
        wait_for(console, clips[1])
        leave(console)
    assert [line["verdict"] for line in desk.journal()] == ["accepted"]
    assert not masters(host)
    assert not list(station.temporary.iterdir())


def test_words_behind_the_host_are_the_hosts_and_so_is_the_exit_code(
    station: Workstation, desk: Desk, host: Host, tmp_path: Path
) -> None:
    program = remote(tmp_path, desk, host)
    with connect(station, program, "status", "--json") as console:
        assert console.wait_exit(30) == 0
        assert '"at_hand": 10' in console.text()
    with connect(station, program, "review", "--lang", "no such thing", "--limit", "0") as console:
        assert console.wait_exit(30) == 2
        assert "--limit" in console.text()


def test_a_window_that_closes_leaves_no_login_and_no_decision_behind(
    station: Workstation, desk: Desk, host: Host, tmp_path: Path
) -> None:
    program = remote(tmp_path, desk, host)
    with connect(station, program) as console:
        console.wait("speaker earmark", 30)
        console.wait("heard 100%", 30)
        decide(console, "enter")
        saved = number(console, "saved")
        os.kill(console.process.pid, signal.SIGHUP)
        os.kill(console.process.pid, signal.SIGHUP)
        console.wait_exit(30)
    assert not masters(host)
    assert len([line for line in desk.journal() if line["kind"] == "decision"]) == saved


def test_a_host_that_lets_nobody_in_is_told(station: Workstation) -> None:
    with Console(earmark("connect", "nobody.invalid"), {**station.environment, "TERM": "xterm-256color"}) as console:
        assert console.wait_exit(30) == 1
        assert "could not log in to nobody.invalid" in console.text().replace("\n", " ")


def test_a_host_is_no_option(station: Workstation) -> None:
    with Console(earmark("connect", "--", "-oProxyCommand=touch x"), station.environment) as console:
        assert console.wait_exit(30) == 2
        assert "is no host" in console.text()
