"""The server, or the gates, killed again and again while reviewers decide and sync: nothing lost, nothing doubled."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time

from counted import SEED, Counted, Machine, sampled
from earmark.queue.store.interface import StoreError
from faults.store.conftest import Ways


class AtWork:
    """Machines that decide and sync without a pause, each in a thread, until the block ends."""

    def __init__(self, *machines: Machine) -> None:
        self._machines = machines
        self._over = threading.Event()
        self._failed: list[BaseException] = []
        self._threads = [threading.Thread(target=self._work, args=(machine,)) for machine in machines]
        self.synced = dict.fromkeys((machine.folder for machine in machines), 0)
        """Syncs that went well, by the machine."""

    def _work(self, machine: Machine) -> None:
        try:
            while not self._over.is_set():
                machine.decide(7)
                try:
                    machine.sync()
                    self.synced[machine.folder] += 1
                except StoreError:
                    self._over.wait(0.02)
        except BaseException as error:
            self._failed.append(error)

    def wait_for_progress(self) -> None:
        """Until each has synced once more."""
        before = dict(self.synced)
        end = time.monotonic() + 120
        while any(self.synced[one] == before[one] for one in before):
            assert not self._failed, self._failed
            assert time.monotonic() < end, "nothing arrives any more"
            time.sleep(0.005)

    def __enter__(self) -> AtWork:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        assert not self._failed, self._failed


def test_the_server_dies_in_mid_work(ways: Ways, counted: Counted) -> None:
    """With all its processes, as in a power cut, and starts again."""
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    kills = sampled(3, 50)
    machines = [ways.machine("ada"), ways.machine("ben"), ways.machine("cleo", gate=True)]
    with AtWork(*machines) as work:
        for _ in range(kills):
            work.wait_for_progress()
            time.sleep(chance.uniform(0, 0.3))
            ways.team.server.kill()
            time.sleep(chance.uniform(0, 0.1))
            ways.team.server.start()
    for machine in machines:
        machine.settle()
    counted("kills of the PostgreSQL server", kills, *ways.balance())


def test_gates_die_in_mid_work(ways: Ways, counted: Counted) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    wanted, killed = sampled(6, 50), 0
    machines = [ways.machine("ada", gate=True), ways.machine("ben", gate=True)]
    with AtWork(*machines) as work:
        while killed < wanted:
            work.wait_for_progress()
            time.sleep(chance.uniform(0, 0.8))
            for pid in ways.sshd.gates():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
    for machine in machines:
        machine.settle()
    counted("kills of gates", killed, *ways.balance())
