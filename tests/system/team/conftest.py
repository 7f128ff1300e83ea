"""A whole team: a store in PostgreSQL, sealed audio beside it, a gate behind a real sshd for each reviewer, and their
machines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from needs import need_postgres, need_sshd
from postgres_server import PostgresServer
from sshd_server import Sshd
from system.gate.conftest import gate_command
from terminal.home import Home

TEXTS = [f"machine text number {n}" for n in range(8)]
DATABASE = "earmark"


class Team:
    """`host` is where the store's administrator and supervisor are, over one login; each reviewer has a machine and a
    login role of their own. The forced command finds the master key in the host's configuration: it has no environment.
    """

    def __init__(self, folder: Path, database: PostgresServer, sshd: Sshd) -> None:
        self.folder = folder
        self.database = database
        self.sshd = sshd
        self.host = Home(folder / "host", EARMARK_STORE=database.url(DATABASE))
        del self.host.env["EARMARK_REVIEWER"]
        self.master_key = self.host.path / "master.key"
        self.audio = folder / "audio"
        self.corpus = self.host.folder / "filled"
        (self.host.path / "config.toml").write_text(f"master_key = {json.dumps(str(self.master_key))}\n")
        # The account's own configuration, as the gate finds it at an account of the store's.
        config = sshd.folder / "sshd_config"
        config.write_text(config.read_text() + f"SetEnv EARMARK_CONFIG={self.host.path / 'config.toml'}\n")
        self.sql(f"CREATE DATABASE {DATABASE}", database="postgres")
        self.told("store", "init", "--audio", f"file://{quote(str(self.audio))}")
        self.told("store", "add-reviewer", "postgres", "--role", "postgres", "--supervisor")

    def told(self, *arguments: str) -> str:
        """What a command at the host says, which must go well."""
        done = self.host.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def admit(self, name: str, *, role: str | None = None, more: tuple[str, ...] = ()) -> Home:
        """Let a reviewer in by a key and under a login role; their machine."""
        role = role or name
        self.told("store", "add-reviewer", role, "--role", role)
        url = self.database.url(DATABASE, role)
        self.sshd.key(name, command=gate_command(self.host, "--store", url, "--as", name, *more))
        home = Home(self.folder / name, EARMARK_STORE=f"ssh://{name}", **self.sshd.environment)
        del home.env["EARMARK_REVIEWER"]  # the host says who one is
        return home

    def sql(self, statement: str, *, database: str = DATABASE) -> list[tuple[Any, ...]]:
        """As the server's superuser."""
        with psycopg.connect(self.database.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def exported(self, *options: str) -> list[dict[str, Any]]:
        """What a supervisor's export gives."""
        done = self.host.run("export", "-", *options)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def results(self) -> list[tuple[str, str]]:
        """(reviewer, verdict) of every decision that the store has, in order of arrival."""
        return [
            (reviewer, verdict)
            for reviewer, verdict in self.sql("SELECT reviewer, verdict FROM earmark.line ORDER BY arrival")
            if verdict is not None
        ]


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    """A store with clips, and an sshd that runs."""
    need_sshd()
    need_postgres()
    database = PostgresServer(durable=True)  # it is killed and restarted
    database.start()
    sshd = Sshd(tmp_path / "sshd")
    try:
        team = Team(tmp_path, database, sshd)
        team.host.fill(TEXTS)
        sshd.start()
        yield team
    finally:
        sshd.stop()
        database.stop()


@pytest.fixture
def ada(team: Team) -> Home:
    return team.admit("ada")
