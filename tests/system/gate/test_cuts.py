"""Connections to sshd cut anywhere: every decision arrives exactly once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from counted import SEED, Counted, sampled
from earmark.queue.decision import Decision, Verdict
from earmark.queue.journal import Journal
from earmark.queue.stamp import new_id, told_time
from earmark.queue.store.gate.address import parse
from earmark.queue.store.gate.client import GateStore
from earmark.queue.store.gate.ssh import SshWay, open_ssh
from earmark.queue.store.interface import StoreError
from earmark.queue.sync import send
from proxy import DOWN, UP, Proxy
from system.gate.conftest import Team


@pytest.fixture
def proxy(team: Team, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Ada's way to the host goes through it, as `ssh://cut`."""
    for name, value in team.server.environment.items():
        monkeypatch.setenv(name, value)
    proxy = Proxy(team.server.port)
    team.server.host("cut", "ada", port=proxy.port)
    yield proxy
    SshWay(parse("ssh://cut")).sign_out()
    proxy.close()


@pytest.fixture
def decide(team: Team, tmp_path: Path) -> Iterator[tuple[Journal, Callable[[int], None]]]:
    """Ada's journal, and decisions to write into it."""
    with team.host.database() as connection:
        clips = [clip for (clip,) in connection.execute("SELECT id FROM clip ORDER BY arrival")]
    connection.close()
    with Journal.open(tmp_path / "journal", "ada", app="test") as journal:

        def decide(count: int) -> None:
            for number in range(count):
                journal.append(
                    Decision(
                        id=new_id(),
                        at=told_time(),
                        reviewer="ada",
                        clip=clips[number % len(clips)],
                        verdict=Verdict.CORRECTED,
                        text=f"text {journal.head.seq}",
                        shown="machine",
                    )
                )

        yield journal, decide


def arrives(journal: Journal, *, most: int = 20) -> int:
    """Sync until all is there, over as many connections as it takes; says how many times something broke."""
    broken = 0
    while True:
        store: GateStore | None = None
        try:
            store = open_ssh("ssh://cut", prompt=False)
            assert send(journal, store).unsent == 0
            return broken
        except StoreError:
            broken += 1
            assert broken < most
        finally:
            if store is not None:
                store.close()


def check(team: Team, journal: Journal) -> None:
    """The store has each line of the journal exactly once."""
    with team.host.database() as connection:
        rows = connection.execute("SELECT seq, id, json_extract(payload, '$.text') FROM line ORDER BY seq").fetchall()
        aside = connection.execute("SELECT count(*) FROM quarantine").fetchone()
    connection.close()
    assert aside == (0,)
    assert [(seq, name, text) for seq, name, text in rows] == [
        (entry.seq, entry.id, entry.text) for entry in journal.entries()
    ]


def test_a_connection_cut_after_any_number_of_bytes(
    team: Team, proxy: Proxy, decide: tuple[Journal, Callable[[int], None]], counted: Counted
) -> None:
    """From the first byte of the handshake to the last of the push. The cuts lie in ssh's own packets: those at and in
    each frame of ours are in `faults/store/test_cuts.py`.
    """
    print(f"seed {SEED}")
    journal, write = decide
    write(30)
    assert arrives(journal) == 0
    SshWay(parse("ssh://cut")).sign_out()
    whole = [len(proxy.seen[way]) for way in (UP, DOWN)]
    assert sum(whole) > 10_000
    chance = random.Random(SEED)
    cuts = sampled(12, 300)
    for number in range(cuts):
        way = chance.choice((UP, DOWN))
        # Most of them late, where the decisions travel.
        place = chance.randrange(1 if number % 4 == 0 else whole[way] // 3, whole[way])
        proxy.cuts = [(place, None) if way == UP else (None, place)] * chance.choice([1, 2])
        write(30)
        arrives(journal)
        proxy.cuts = []
        SshWay(parse("ssh://cut")).sign_out()
    check(team, journal)
    assert proxy.done >= cuts // 2
    counted("cuts of the connection to sshd, in ssh's packets", proxy.done, journal.head.seq)
