"""The server is killed with all it runs, again and again, while reviewers push: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator

import pytest

from contract.store.tools import Device, make_incoming
from earmark.queue.decision import Verdict
from earmark.queue.store.interface import StoreUnreachable
from postgres_server import PostgresServer, binaries

KILLS = 50 if os.environ.get("EARMARK_LONG") else 3
REVIEWERS = ("anna", "ben")
LINES = 40


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """One of our own, which keeps its promises: it writes through to the disk."""
    if binaries() is None:
        pytest.skip("there is no PostgreSQL server on this machine")
    server = PostgresServer(durable=True)
    server.start()
    yield server
    server.stop()


def test_every_line_arrives_once_however_often_the_server_dies(server, team, device, store):
    chance = random.Random(int(os.environ.get("EARMARK_SEED", "1")))
    list(store.add(make_incoming(n) for n in range(40)))
    clips = {name: [one.clip.id for one in team.lease(name, 20)] for name in REVIEWERS}
    devices = {name: device(name) for name in REVIEWERS}
    acknowledged: dict[str, int] = {name: 0 for name in REVIEWERS}
    failed: list[BaseException] = []
    done = threading.Event()

    def push(name: str, one: Device) -> None:
        mine = team.open(name)
        try:
            while not done.is_set():
                for _ in range(LINES):
                    one.decide(clips[name][len(one.lines) % 20], Verdict.CORRECTED, f"text {len(one.lines)}")
                while True:
                    try:
                        head = mine.head(one.name)
                        assert head.seq >= acknowledged[name]  # what was acknowledged is never taken back
                        pushed = mine.push(one.name, name, one.lines[head.seq : head.seq + 7])
                        assert not pushed.fork
                        assert pushed.quarantined == ()
                        acknowledged[name] = pushed.head.seq
                        if pushed.head.seq == len(one.lines):
                            break
                    except StoreUnreachable:
                        time.sleep(0.02)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=push, args=item) for item in devices.items()]
    for thread in threads:
        thread.start()
    for _ in range(KILLS):
        before = dict(acknowledged)
        while not failed and any(acknowledged[name] == before[name] for name in REVIEWERS):
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.1))
        server.kill()
        server.start()
    done.set()
    for thread in threads:
        thread.join()
    assert failed == []
    for name, one in devices.items():
        assert team.open(name).head(one.name).seq == len(one.lines) >= acknowledged[name]
        there = team.sql("SELECT seq, chain FROM earmark.line WHERE device = %s ORDER BY seq", one.name)
        assert [seq for seq, _ in there] == list(range(1, len(one.lines) + 1))
    texts = [one.text for one in team.supervisor.results(every_revision=True)]
    assert len(texts) == sum(len(one.lines) for one in devices.values())
