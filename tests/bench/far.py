"""What a reviewer decided offline, sent over a long line: from connecting until the store has all of it.

A line of 200 ms there and back lies between the reviewer's program and PostgreSQL (verified TLS 1.3, SCRAM), or between
it and the sshd of a host with a gate. Nothing else is slow, so that what counts is how often the program waits for an
answer: a real line adds what its width takes, and a fresh connection's slow start. Nothing of the journal has arrived
before, as was noted when the clips were checked out. `--lines N` says how many results there are, `--runs N` how often
they are sent.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from day import Diary
from measure import Row, show, workplace
from store import TEXT, Team, team

# After measure, which makes the tests' helpers importable.
from certificates import certificate  # isort: skip
from line import Line  # isort: skip
from sshd_server import Sshd, sshd  # isort: skip

from earmark.queue.clip import Clip, Hypothesis
from earmark.queue.decision import Verdict
from earmark.queue.store.gate.ssh import open_ssh
from earmark.queue.store.interface import Head, Leased, Pushed
from earmark.queue.store.postgres import PostgresStore
from earmark.queue.sync import send

ROUND_TRIP = 0.2
HOST, PASSWORD = "db.example.org", "long and secret"


def diary(made: Team, lines: int, run: str) -> Diary:
    """A journal of corrections, one a clip."""
    with made.admin() as connection:
        rows = connection.execute("SELECT clip FROM earmark.work ORDER BY arrival LIMIT %s", (lines,)).fetchall()
    written = Diary(f"laptop-{run}", "r0")
    for (clip,) in rows:
        written.decide(Leased("0" * 32, Clip(clip, 3.0, 16000, Hypothesis(TEXT)), 0.0), Verdict.CORRECTED)
    return written


class Noting:
    """A store that notes when it last acknowledged lines."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.acknowledged = 0.0

    def push(self, *given: Any) -> Pushed:
        answer: Pushed = self._store.push(*given)
        self.acknowledged = time.perf_counter()
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Sent(NamedTuple):
    """Seconds until connected, from then until the last line is acknowledged, and until nothing is left to ask."""

    connecting: float
    sending: float
    after: float


def sent(written: Diary, connect: Callable[[], Any]) -> Sent:
    """Connect and send everything."""
    began = time.perf_counter()
    store = Noting(connect())
    connected = time.perf_counter()
    result = send(written, store, since=Head())  # type: ignore[arg-type]
    ended = time.perf_counter()
    store.close()
    assert (result.unsent, result.quarantined) == (0, ())
    return Sent(connected - began, store.acknowledged - connected, ended - store.acknowledged)


def rows(what: str, found: list[Sent], near: list[Sent]) -> list[Row]:
    """The medians, beside those of the same line without its delay."""

    def row(part: str, of: Callable[[Sent], float], most: float | None = None) -> Row:
        far, here = (statistics.median(map(of, each)) for each in (found, near))
        return Row(f"{what}: {part}", far, "s", here, far / here, most)

    return [
        row("connecting", lambda one: one.connecting),
        row("until the last is acknowledged", lambda one: one.sending),
        row("both", lambda one: one.connecting + one.sending, 2.0),
        row("what was set aside is asked for", lambda one: one.after),
    ]


def both_ways(
    made: Team, line: Line, name: str, lines: int, runs: int, connect: Callable[[], Any]
) -> tuple[list[Sent], list[Sent]]:
    """What it took with the line's delay and without, in turn."""
    found: tuple[list[Sent], list[Sent]] = ([], [])
    for run in range(runs):
        for way, delay in zip(found, (ROUND_TRIP / 2, 0.0), strict=True):
            line.delay = delay
            way.append(sent(diary(made, lines, f"{name}-{run}-{delay}"), connect))
    return found


def directly(made: Team, folder: Path, lines: int, runs: int) -> list[Row]:
    """To the database itself."""
    with made.admin() as connection:
        connection.execute(f"ALTER ROLE r0 PASSWORD '{PASSWORD}'".encode())
    line = Line(made.server.port, delay=ROUND_TRIP / 2)
    os.environ["PGPASSWORD"] = PASSWORD
    url = f"postgresql://r0@{HOST}:{line.port}/bench?hostaddr=127.0.0.1&sslrootcert={folder / 'known.crt'}"
    # hostaddr is this machine, where anything goes: here it must be as to another one.
    url += "&sslmode=verify-full&channel_binding=require&require_auth=scram-sha-256&ssl_min_protocol_version=TLSv1.3"
    found = both_ways(made, line, "direct", lines, runs, lambda: PostgresStore(url, lease_seconds=900))
    line.close()
    del os.environ["PGPASSWORD"]
    return rows(f"{lines:,} results over TLS and SCRAM", *found)


def through_the_gate(made: Team, folder: Path, lines: int, runs: int) -> list[Row]:
    """To a host with a gate. Connecting is signing in, where nobody has lately, and the start of the gate."""
    server = Sshd(folder / "sshd")
    gate = [sys.executable, "-m", "earmark.tui", "gate", "--store", made.url("r0"), "--as", "r0"]
    server.key("r0", command=shlex.join(["env", f"EARMARK_HOME={folder / 'home'}", *gate]))
    server.start()
    line = Line(server.port, delay=ROUND_TRIP / 2)
    server.host("far", "r0", port=line.port)
    os.environ.update(server.environment)
    try:
        found = both_ways(made, line, "gate", lines, runs, lambda: open_ssh("ssh://far", reviewer="r0", prompt=False))
    finally:
        line.close()
        server.stop()
    return rows(f"{lines:,} results through ssh and a gate", *found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()

    def encrypted(server: Any) -> None:
        certificate(server.folder, HOST)
        (folder / "known.crt").write_bytes((server.folder / "server.crt").read_bytes())
        server.settings |= {
            "ssl": "on",
            "ssl_cert_file": str(server.folder / "server.crt"),
            "ssl_key_file": str(server.folder / "server.key"),
        }

    with workplace() as (folder, _), team(given.lines, folder, people=1, prepare=encrypted) as made:
        found = directly(made, folder, given.lines, given.runs)
        if sshd() is not None:
            found += through_the_gate(made, folder, given.lines, given.runs)
    show(found)


if __name__ == "__main__":
    main()
