"""A team's host: a store, an sshd before it, a key for each reviewer, and reviewers at machines of their own."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from needs import need_sshd
from sshd_server import Sshd
from terminal.home import Home

TEXTS = [f"machine text number {n}" for n in range(12)]


def gate_command(home: Home, *arguments: str) -> str:
    """`earmark gate` as a forced command, with this interpreter."""
    return shlex.join([sys.executable, "-m", "earmark.tui", "gate", *arguments])


class Team:
    """`host` is the supervisor's home, where the store is; `server` lets reviewers in."""

    def __init__(self, folder: Path, server: Sshd) -> None:
        self.folder = folder
        self.host = Home(folder / "host")
        self.store = f"sqlite:///{self.host.path / 'store'}"
        self.server = server

    def admit(self, name: str, **given: str) -> None:
        """A key for a reviewer."""
        self.server.key(name, command=gate_command(self.host, "--store", self.store, "--as", name), **given)

    def reviewer(self, name: str, url: str | None = None, **settings: str) -> Home:
        """A reviewer's own machine."""
        home = Home(self.folder / name, EARMARK_STORE=url or f"ssh://{name}", **self.server.environment, **settings)
        del home.env["EARMARK_REVIEWER"]  # the host says who one is
        return home

    def results(self) -> list[tuple[str, str, str | None]]:
        """(reviewer, verdict, text) of every decision in the store."""
        with self.host.database() as connection:
            rows = connection.execute(
                "SELECT reviewer, verdict, json_extract(payload, '$.text') FROM line ORDER BY arrival"
            ).fetchall()
        connection.close()
        return rows


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    need_sshd()
    server = Sshd(tmp_path / "sshd")
    yield server
    server.stop()


@pytest.fixture
def team(tmp_path: Path, server: Sshd) -> Team:
    """A store with clips, and an sshd that runs; ada may review."""
    team = Team(tmp_path, server)
    team.host.fill(TEXTS)
    team.admit("ada")
    server.start()
    return team


@pytest.fixture
def ada(team: Team) -> Home:
    return team.reviewer("ada")
