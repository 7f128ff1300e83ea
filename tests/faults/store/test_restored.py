"""A store or a journal put back from an older copy, and a home that was copied to a second machine: nothing that was
said to be saved is lost, nothing is doubled, and what the store cannot take is told.
"""

from __future__ import annotations

import random
import shutil
import threading
from pathlib import Path

from contract.store.tools import make_incoming
from counted import SEED, Counted, Machine, sampled
from earmark.queue.journal.verify import verify
from faults.store.conftest import Ways


def sound(ways: Ways) -> None:
    for machine in ways.machines:
        assert verify(machine.folder / "journal").faults == ()


def test_a_store_restored_from_an_older_dump(ways: Ways, counted: Counted) -> None:
    """Any older one, at any moment. Clips that were loaded after the dump are gone with it: what was decided on them is
    set aside, and told.
    """
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    team, restores = ways.team, sampled(3, 50)
    machines = [ways.machine("ada"), ways.machine("ben"), ways.machine("cleo", gate=True)]
    dumps = [team.server.dump(team.database)]

    def work() -> None:
        for machine in machines:
            machine.decide(chance.randint(0, 30))
            if chance.random() < 0.7:
                machine.settle()

    for number in range(restores):
        for _ in range(chance.randint(1, 3)):
            work()
            if chance.random() < 0.5:
                dumps.append(team.server.dump(team.database))
        # Clips that no dump has: the restored store does not know them any more.
        assert list(team.add([make_incoming(1000 + number)])) == ["added"]
        ((late,),) = team.sql("SELECT id FROM earmark.clip ORDER BY arrival DESC LIMIT 1")
        for machine in machines:
            machine.clips.append(late)
        work()
        team.server.restore(team.database, dumps[chance.randrange(len(dumps))])
        for machine in machines:
            # They go on deciding what they have at hand, the clip that the store has lost included.
            machine.decide(len(machine.clips))
            machine.settle()
            machine.clips.remove(late)
        decisions, quarantined = ways.balance()
        assert quarantined
    sound(ways)
    counted("stores restored from an older dump", restores, decisions, quarantined)


def test_a_journal_restored_from_an_older_copy(ways: Ways, counted: Counted) -> None:
    """Any older one. What had arrived stays in the store, and what is decided from then on arrives as well."""
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    restores = sampled(4, 100)
    machines = [ways.machine("ada"), ways.machine("ben", gate=True)]
    copies: dict[str, list[Path]] = {machine.reviewer: [] for machine in machines}
    for number in range(restores):
        machine = machines[number % 2]
        for _ in range(chance.randint(1, 3)):
            machine.decide(chance.randint(0, 12))
            if chance.random() < 0.5:
                machine.settle()
            copy = ways.folder / "copies" / f"{machine.reviewer} {len(list(ways.folder.glob('copies/*')))}"
            shutil.copytree(machine.folder / "journal", copy)
            copies[machine.reviewer].append(copy)
        machine.decide(chance.randint(1, 12))
        machine.settle()
        machine.journal.close()
        shutil.rmtree(machine.folder / "journal")
        shutil.copytree(chance.choice(copies[machine.reviewer]), machine.folder / "journal")
        machine.open()
        machine.decide(chance.randint(0, 12))
        machine.settle()
        balance = ways.balance()
    sound(ways)
    counted("journals restored from an older copy", restores, *balance)


def test_a_home_copied_to_a_second_machine(ways: Ways, counted: Counted) -> None:
    """Both machines decide and sync, in turns and at the same moment; copies of copies do too."""
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    copies = sampled(3, 50)
    # One of them over the gate: whichever comes second finds the other's lines under its number.
    machines = [ways.machine("ada 0", reviewer="ada")]
    over_a_gate, over_tcp = ways.over_a_gate("ada"), ways.over_tcp("ada")
    for number in range(1, copies + 1):
        origin = chance.choice(machines[-4:])
        origin.decide(chance.randint(1, 12))
        if chance.random() < 0.5:
            origin.settle()
        origin.journal.close()
        name = f"ada {number}"
        shutil.copytree(origin.folder / "journal", ways.folder / name / "journal")
        origin.open()
        machines.append(ways.machine(name, reviewer="ada", open_store=over_a_gate if number % 5 == 1 else over_tcp))
        pair = [origin, machines[-1]]
        for _ in range(3):
            for machine in pair:
                machine.decide(chance.randint(0, 12))
            together(pair) if chance.random() < 0.5 else chance.choice(pair).settle()
        for machine in pair:
            machine.settle()
        balance = ways.balance()
    sound(ways)
    counted("homes copied to a second machine", copies, *balance)


def together(machines: list[Machine]) -> None:
    """All sync at the same moment."""
    begin = threading.Barrier(len(machines))

    def sync(machine: Machine) -> None:
        begin.wait(60)
        machine.settle()

    threads = [threading.Thread(target=sync, args=(machine,)) for machine in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
