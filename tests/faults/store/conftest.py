"""A team's store in PostgreSQL that writes through to its disk, and two ways to it: straight, and over a gate behind a
real sshd.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from contract.store.tools import make_incoming
from counted import Balance, Machine, balance
from earmark.queue.store.gate.address import parse
from earmark.queue.store.gate.ssh import SshWay, open_ssh
from earmark.queue.store.interface import ReviewStore
from earmark.queue.store.postgres import PostgresStore
from needs import need_postgres, need_sshd
from postgres_server import PostgresServer
from proxy import Proxy
from sshd_server import Sshd
from system.store.postgres.conftest import Team

CLIPS = 20
LEASE_SECONDS = 900.0


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    need_postgres()
    server = PostgresServer(durable=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def team(server: PostgresServer, tmp_path: Path) -> Iterator[Team]:
    team = Team(server, tmp_path)
    yield team
    team.close()


def arrived(team: Team) -> list[tuple[str, str | None]]:
    """Id and text of every decision that the store has."""
    return team.sql("SELECT id::text, payload::json ->> 'text' FROM earmark.line WHERE verdict IS NOT NULL")


class Ways:
    """Machines, and their ways to the store. Those straight to it go through `straight`, those over sshd through
    `gated`, as `ssh://NAME`.
    """

    def __init__(self, team: Team, sshd: Sshd, folder: Path) -> None:
        self.team = team
        self.sshd = sshd
        self.folder = folder
        self.straight = Proxy(team.server.port)
        self.gated = Proxy(sshd.port)
        list(team.add(make_incoming(n) for n in range(CLIPS)))
        self.clips = [clip for (clip,) in team.sql("SELECT id FROM earmark.clip ORDER BY arrival")]
        self.machines: list[Machine] = []

    def machine(
        self,
        name: str,
        *,
        gate: bool = False,
        reviewer: str | None = None,
        open_store: Callable[[], ReviewStore] | None = None,
    ) -> Machine:
        """A machine of that name, on one of the two ways or on another; its reviewer has its name or another."""
        reviewer = reviewer or name
        if open_store is None:
            open_store = (self.over_a_gate if gate else self.over_tcp)(reviewer)
        machine = Machine(self.folder / name, reviewer, self.clips, open_store)
        self.machines.append(machine)
        return machine

    def over_tcp(self, reviewer: str) -> Callable[[], ReviewStore]:
        self.team.open(reviewer)
        login, database = self.team.login(reviewer), self.team.database
        self.team.sql(f"ALTER ROLE {login} PASSWORD 'word'")
        # TLS would hide where PostgreSQL's own messages begin and end.
        url = f"postgresql://{login}:word@127.0.0.1:{self.straight.port}/{database}?sslmode=disable"
        return lambda: PostgresStore(url, lease_seconds=LEASE_SECONDS)

    def over_a_gate(self, reviewer: str) -> Callable[[], ReviewStore]:
        self.team.open(reviewer)
        home = self.folder / "gate"
        command = [sys.executable, "-m", "earmark.tui", "--home", str(home), "gate", "--as", reviewer]
        self.sshd.key(f"key-{reviewer}", command=shlex.join([*command, "--store", self.team.url(reviewer)]))
        self.sshd.host(reviewer, f"key-{reviewer}", port=self.gated.port)
        return lambda: open_ssh(f"ssh://{reviewer}", prompt=False)

    def balance(self) -> Balance:
        """Check that the store has what the machines said was saved, once."""
        shown = {name: text for machine in self.machines for name, text in machine.shown.items()}
        return balance(arrived(self.team), shown, set().union(*(machine.aside() for machine in self.machines)))

    def close(self) -> None:
        for machine in self.machines:
            machine.journal.close()
        for reviewer in {machine.reviewer for machine in self.machines}:
            SshWay(parse(f"ssh://{reviewer}")).sign_out()
        self.straight.close()
        self.gated.close()


@pytest.fixture
def ways(team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ways]:
    need_sshd()
    sshd = Sshd(tmp_path / "sshd")
    for name, value in sshd.environment.items():
        monkeypatch.setenv(name, value)
    sshd.start()
    try:
        ways = Ways(team, sshd, tmp_path)
        yield ways
        ways.close()
    finally:
        sshd.stop()


def done_by(program: str, given: Mapping[str, Any], under: Sequence[str]) -> Any:
    """What a program in a process of its own says (JSON) that it did with what it was given, under such a command."""
    command = [*under, sys.executable, "-c", program, json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, (under, done.stderr)
    return json.loads(done.stdout)
