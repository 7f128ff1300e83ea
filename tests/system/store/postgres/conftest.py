"""A store in a database of the test's own, whose people each come in over a login of their own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from contract.store import tools
from contract.store.tools import LEASE_SECONDS, everything, fill, incoming  # noqa: F401 - fixtures
from earmark.queue.store import postgres_intake, postgres_schema
from earmark.queue.store.master import make_master
from earmark.queue.store.postgres import PostgresStore
from earmark.queue.store.withdrawal_log import FOLDER
from needs import need_postgres
from postgres_server import PostgresServer

MASTER = "master.key"
device = tools.device
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    need_postgres()
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


class Team:
    """A store as a team has it: made by an administrator, its clock in our hands. In what it does for a reviewer it is
    that reviewer's own connection, under a role that may do nothing else; in the rest it is a supervisor's. `audio` is
    the URL of its sound where that does not lie in `folder`.
    """

    def __init__(self, server: PostgresServer, folder: Path, *, audio: str | None = None) -> None:
        self.server = server
        self.database = f"earmark{next(_numbers)}"
        self.audio = folder / "audio"
        self.master_key = folder / MASTER
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self.database}".encode())
        self.made = postgres_schema.init(
            server.url(self.database),
            audio=audio or f"file://{quote(str(self.audio))}",
            master=lambda: make_master(self.master_key),
        )
        self._stores: dict[str, PostgresStore] = {}
        self.supervisor = self.open("supervisor", supervisor=True)
        self.id = self.supervisor.id

    def login(self, reviewer: str) -> str:
        """The login role's name; roles are the whole server's, and tests share one."""
        return f"{reviewer}_of_{self.database}"

    def url(self, reviewer: str) -> str:
        return self.server.url(self.database, self.login(reviewer))

    def open(self, reviewer: str, *, supervisor: bool = False) -> PostgresStore:
        """A store of a reviewer's, the first time after adding them."""
        if reviewer not in self._stores:
            postgres_schema.add_person(
                self.server.url(self.database), reviewer, self.login(reviewer), supervisor=supervisor
            )
            self._stores[reviewer] = PostgresStore(
                self.url(reviewer), lease_seconds=LEASE_SECONDS, master_key=str(self.master_key)
            )
        return self._stores[reviewer]

    def sql(self, statement: str, *given: Any) -> list[tuple[Any, ...]]:
        """As the server's superuser."""
        with psycopg.connect(self.server.url(self.database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), given)
            return cursor.fetchall() if cursor.description else []

    def sounds(self) -> list[Path]:
        """The files of the audio's folder, without the log of withdrawals that lies there too."""
        log = self.audio / FOLDER
        return [path for path in self.audio.rglob("*") if path.is_file() and log not in path.parents]

    def push(self, device: str, reviewer: str, lines: Sequence[bytes]) -> Any:
        return self.open(reviewer).push(device, reviewer, lines)

    def lease(self, reviewer: str, count: int, **given: Any) -> Any:
        return self.open(reviewer).lease(reviewer, count, **given)

    def reopen(self, reviewer: str, clips: Sequence[str]) -> Any:
        return self.open(reviewer).reopen(reviewer, clips)

    def renew(self, reviewer: str, clips: Sequence[str]) -> Any:
        return self.open(reviewer).renew(reviewer, clips)

    def release(self, reviewer: str, clips: Sequence[str]) -> None:
        self.open(reviewer).release(reviewer, clips)

    def audio_of(self, reviewer: str, clip: str) -> bytes:
        return self.open(reviewer).audio(reviewer, clip)

    def counts(self, reviewer: str) -> Any:
        return self.open(reviewer).counts(reviewer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.supervisor, name)

    def close(self) -> None:
        for store in self._stores.values():
            store.close()


class Clock:
    """The server's clock, once it is a table's."""

    def __init__(self, team: Team) -> None:
        self._team = team
        team.sql("CREATE TABLE earmark.test_clock AS SELECT 1800000000.0::double precision AS now")
        team.sql(f"GRANT SELECT ON earmark.test_clock TO {team.made.roles.owner}")
        team.sql(
            "CREATE OR REPLACE FUNCTION earmark.clock() RETURNS double precision LANGUAGE sql AS "
            "'SELECT now FROM earmark.test_clock'"
        )

    @property
    def now(self) -> float:
        ((now,),) = self._team.sql("SELECT now FROM earmark.test_clock")
        return float(now)

    @now.setter
    def now(self, now: float) -> None:
        self._team.sql("UPDATE earmark.test_clock SET now = %s", now)


class Dump:
    """The store as whoever steals a dump of the database, and the audio beside it, sees it."""

    def __init__(self, team: Team) -> None:
        self._team = team

    def everything(self) -> bytes:
        files = (path for path in sorted(self._team.audio.rglob("*")) if path.is_file())
        return b"".join([self._team.server.dump(self._team.database), *(path.read_bytes() for path in files)])

    def clip_keys(self) -> dict[str, bytes]:
        return {clip: key.hex().encode() for clip, key in self._team.sql("SELECT clip, key FROM earmark.clip_key")}

    def sound(self, clip: str) -> Path:
        ((name,),) = self._team.sql("SELECT object FROM earmark.clip WHERE id = %s", clip)
        return self._team.audio / name[:2] / name

    def staged(self) -> list[Path]:
        return self._team.sounds()

    def spoil_hypothesis(self, arrival: int) -> None:
        self._team.sql("UPDATE earmark.clip SET hypothesis = '{nonsense' WHERE arrival = %s", arrival)

    def line(self) -> tuple[str, str, str]:
        ((envelope, payload, chain),) = self._team.sql("SELECT envelope, payload, chain FROM earmark.line")
        return envelope, payload, chain

    def batches_of(self, patch: pytest.MonkeyPatch, clips: int) -> None:
        patch.setattr(postgres_intake, "BATCH", clips)


@pytest.fixture
def team(server: PostgresServer, tmp_path: Path) -> Iterator[Team]:
    team = Team(server, tmp_path)
    yield team
    team.close()


class _Store:
    """The team's store under the interface's own names (`audio` is the team's folder)."""

    def __init__(self, team: Team) -> None:
        self._team = team

    def audio(self, reviewer: str, clip: str) -> bytes:
        return self._team.audio_of(reviewer, clip)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._team, name)


@pytest.fixture
def store(team: Team) -> Any:
    return _Store(team)


@pytest.fixture
def clock(team: Team) -> Clock:
    return Clock(team)


@pytest.fixture
def backdoor(team: Team) -> Dump:
    return Dump(team)


@pytest.fixture
def login(team: Team) -> Iterator[Callable[[str], psycopg.Connection[Any]]]:
    """A bare connection under a reviewer's role, as an attacker with their password has it."""
    opened = []

    def login(reviewer: str) -> psycopg.Connection[Any]:
        team.open(reviewer)
        opened.append(psycopg.connect(team.url(reviewer), autocommit=True))
        return opened[-1]

    yield login
    for connection in opened:
        connection.close()
