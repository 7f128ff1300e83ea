"""A key and a one-time code: asked for once, before the screen, and never on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sshd_server
from needs import need_one_time_codes
from sshd_server import PAM, Sshd, code
from system.gate.conftest import TEXTS, Team
from terminal.console import Console
from terminal.home import Home, decide, leave, opened

PROMPT = "Verification code:"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    need_one_time_codes()
    server = Sshd(tmp_path / "sshd", totp=True)
    try:
        yield server
    finally:
        server.stop()


def sign_in(console: Console) -> None:
    """Answer the prompt."""
    console.wait(PROMPT, 30)
    console.type(code() + "\r")


def attempts(server: Sshd) -> int:
    return server.log().count("Connection from")


def test_one_code_is_enough_for_everything_that_follows(team: Team, ada: Home) -> None:
    with ada.console("status") as console:
        sign_in(console)
        assert console.wait_exit(30) == 0
        assert "12 clips that you could review now" in console.text()
    for command in ("status", "sync", "doctor"):
        done = ada.run(command, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
    with ada.console("review") as console:
        opened(console)
        decide(console, "u")
        assert leave(console) == 0
        assert PROMPT.encode() not in console.raw
    assert team.results() == [("ada", "unintelligible", None)]
    assert attempts(team.server) == 2  # the one that asked, and the test's own when the server started


def test_where_nobody_can_be_asked_it_says_so(ada: Home) -> None:
    done = ada.run("status", stdin=subprocess.DEVNULL, start_new_session=True)
    assert done.returncode == 1
    assert "asks for a sign-in" in done.stderr
    assert "Permission denied" in done.stderr


def test_the_screen_says_sign_in_again_and_one_key_leaves_for_the_prompt_and_comes_back(team: Team, ada: Home) -> None:
    with ada.console("review", env={"EARMARK_SYNC_SECONDS": "0.5"}) as console:
        sign_in(console)
        opened(console)
        console.wait(TEXTS[0])
        assert decide(console, "u") == 1
        console.wait("unsent 0", 20)
        drawn = len(console.raw)

        team.server.hang_up()
        console.wait("Sign in again: L leaves for the prompt", 30)
        assert decide(console, "u") == 2
        console.wait(lambda text: "! sign in again" in text and "unsent 1" in text, 20)
        tried = attempts(team.server)
        assert decide(console, "s") == 3  # reviewing goes on
        console.settle(1.0, 4.0)
        assert attempts(team.server) == tried, "a host may lock an account for trying again and again"
        assert PROMPT.encode() not in console.raw[drawn:]
        assert b"denied" not in console.raw[drawn:]

        console.press("L")
        console.wait("Signing in at the store's host")
        assert TEXTS[3] not in console.text()
        sign_in(console)
        console.wait(lambda text: "Signed in." in text and TEXTS[3] in text, 30)
        console.wait(lambda text: "saved 3" in text and "unsent 0" in text and "! sign in again" not in text, 30)
        assert decide(console, "u") == 4
        console.wait("unsent 0", 20)
        assert leave(console) == 0
    assert [verdict for _, verdict, _ in team.results()] == [
        "unintelligible",
        "unintelligible",
        "skipped",
        "unintelligible",
    ]


def test_ctrl_c_at_the_prompt_comes_back_to_the_clips(team: Team, ada: Home) -> None:
    with ada.console("review", env={"EARMARK_SYNC_SECONDS": "0.5"}) as console:
        sign_in(console)
        opened(console)
        team.server.hang_up()
        console.wait("Sign in again: L leaves for the prompt", 30)
        console.press("L")
        console.wait(PROMPT, 30)
        console.press("ctrl+c")
        console.wait(lambda text: "Not signed in" in text and TEXTS[0] in text and "saved 0" in text, 30)
        assert decide(console, "u") == 1
        console.press("L")
        console.wait(PROMPT, 30)
        for asked in (1, 2, 3):
            console.wait(lambda text, asked=asked: text.count(PROMPT) == asked, 30)
            console.type("000000\r")
        console.wait(lambda text: "Not signed in" in text and "saved 1" in text, 60)
        assert decide(console, "u") == 2
        assert leave(console) == 0
        assert "2 saved, 2 not sent yet." in console.text()
    with ada.console("sync") as console:
        sign_in(console)
        assert console.wait_exit(30) == 0
    assert len(team.results()) == 2


def test_the_key_has_nothing_to_do_while_one_is_signed_in(team: Team, ada: Home) -> None:
    with ada.console("review") as console:
        sign_in(console)
        opened(console)
        console.press("L")
        console.wait("Signed in.", 20)
        console.wait(TEXTS[0])
        assert leave(console) == 0


def test_the_machines_own_pam_service_is_put_back(tmp_path: Path) -> None:
    need_one_time_codes()
    before = PAM.read_bytes(), PAM.stat().st_mode
    server = Sshd(tmp_path / "sshd", totp=True)
    server.start()
    assert b"google" in PAM.read_bytes()
    server.stop()
    assert (PAM.read_bytes(), PAM.stat().st_mode) == before
    # Killed with the test's service in place: the next start finds the machine's own.
    code = "import os, pathlib, sshd_server, sys; "
    code += "sshd_server.Sshd(pathlib.Path(sys.argv[1]), totp=True)._lay_pam_over(); os.kill(os.getpid(), 9)"
    env = {**os.environ, "PYTHONPATH": str(Path(sshd_server.__file__).parent), "TMPDIR": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "killed")], env=env, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert b"google" in PAM.read_bytes()
    server = Sshd(tmp_path / "next", totp=True)
    try:
        server.start()
    finally:
        server.stop()
    assert (PAM.read_bytes(), PAM.stat().st_mode) == before
