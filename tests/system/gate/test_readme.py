"""What the README says about a store over SSH, line by line as it stands there, against a real sshd."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from needs import need_one_time_codes
from sshd_server import Sshd, code
from system.gate.conftest import TEXTS, Team, gate_command
from terminal.console import Console
from terminal.home import decide, leave, opened

README = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
SECTION = README[README.index("## A store over SSH") : README.index("## Sound")]
ACCOUNT, HOST = "earmark", "review.example.org"


def block(name: str = "") -> str:
    """The indented lines after the mark of that name; without a name the first ones of the section."""
    after = SECTION[SECTION.index(f"<!-- {name} -->") if name else 0 :]
    found = re.search(r"(?:^    .*\n)+", after, re.MULTILINE)
    assert found
    return re.sub(r"^    ", "", found[0], flags=re.MULTILINE)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    need_one_time_codes()
    config = block("sshd_config").replace(f"Match User {ACCOUNT}", f"Match User {Sshd.account()}")
    server = Sshd(tmp_path / "sshd", totp=True, authentication=config, auth=block("pam").strip())
    try:
        yield server
    finally:
        server.stop()


def test_the_readmes_way_to_a_store_over_ssh(tmp_path: Path, server: Sshd) -> None:
    # The account's secret.
    with Console([*shlex.split(block("secret")), "--secret", str(server.folder / "totp")]) as console:
        console.wait("Enter code from app", 30)
        found = re.search(rb"Your new secret key is: (\w+)", bytes(console.raw))
        assert found
        secret = found[1].decode()
        console.type(code(secret) + "\r")
        assert console.wait_exit(30) == 0

    # A reviewer's key.
    team = Team(tmp_path, server)
    team.host.fill(TEXTS)
    line = block("authorized_keys").strip()
    for said, meant in (
        ("/usr/local/bin/earmark gate", gate_command(team.host)),
        ("sqlite:////srv/earmark", team.store),
    ):
        assert said in line
        line = line.replace(said, meant)
    server.key(HOST, line=line.replace("ssh-ed25519 AAAA… ada", "{}"))
    server.start()

    # The reviewer's machine.
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "earmark").write_text(f'#!/bin/sh\nexec {sys.executable} -m earmark.tui "$@"\n')
    (binaries / "earmark").chmod(0o755)
    home = team.reviewer("ada")
    home.env["PATH"] = f"{binaries}:{home.env['PATH']}"
    commands = block().replace(f"{ACCOUNT}@", f"{server.user}@")
    assert HOST in commands
    assert "earmark review" in commands
    with home.console(argv=[shutil.which("sh") or "sh", "-ec", commands]) as console:
        console.wait("Verification code:", 30)
        console.type(code(secret) + "\r")
        opened(console)
        console.wait(TEXTS[0])
        decide(console, "u")
        assert leave(console) == 0
        assert console.raw.count(b"Verification code:") == 1
    assert team.results() == [("ada", "unintelligible", None)]


def test_every_key_named_there_is_one() -> None:
    assert "`L` leaves for the prompt" in SECTION
    assert "| review | `L` | sign in again" in README
