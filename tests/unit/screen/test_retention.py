"""Old texts leave the journal while somebody works: nobody waits for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.store.tools import make_incoming
from earmark.queue.batch import Batch
from earmark.queue.decision import Decision, Verdict
from earmark.queue.journal import Journal, NotSaved, erasing
from earmark.queue.journal.verify import verify
from earmark.queue.session import Heard, Session
from earmark.queue.stamp import new_id, told_time
from earmark.queue.store.interface import Leased, Store
from earmark.queue.store.open import open_store
from earmark.tui import sitting as sittings
from earmark.tui.sitting import Sitting

OLD = 12


async def nothing() -> None: ...


def decision(clip: str, days_ago: float) -> Decision:
    return Decision(
        id=new_id(),
        at=told_time(days_ago=days_ago),
        reviewer="r",
        clip=clip,
        verdict=Verdict.CORRECTED,
        text=f"words of {clip}",
        shown="m",
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(f"sqlite:///{tmp_path / 'store'}")
    list(store.add(make_incoming(n) for n in range(OLD + 1)))
    return store


@pytest.fixture
def leased(store: Store) -> list[Leased]:
    return store.lease("r", OLD + 1)


@pytest.fixture
def journal(leased: list[Leased], tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal", "r", app="t") as journal:
        for one in leased[:OLD]:
            journal.append(decision(one.clip.id, days_ago=40))
        yield journal


@pytest.fixture
def sitting(journal: Journal, store: Store, leased: list[Leased], monkeypatch: pytest.MonkeyPatch) -> Sitting:
    """With a clip on the screen, and old texts of which one job erases two."""
    monkeypatch.setattr(erasing, "FEW", 2)
    session = Session("r")
    session.extend(leased[OLD:])
    session.advance(0.0)
    return Sitting(session, journal, Batch(store, "r", lambda data: data), store, keep_days=30.0)


def kept(journal: Journal) -> list[str]:
    return [entry.clip for entry in journal.entries() if entry.text is not None]


def test_a_decision_goes_between_two_jobs(sitting: Sitting, journal: Journal, leased: list[Leased]) -> None:
    now = leased[OLD].clip.id

    async def work() -> None:
        first = asyncio.Event()
        loop = asyncio.get_running_loop()
        real = journal.retire_some

        def job(due: list[str], known: int) -> int:
            loop.call_soon_threadsafe(first.set)
            return real(due, known)

        journal.retire_some = job  # type: ignore[method-assign]
        pushing = asyncio.ensure_future(sitting.push())
        await asyncio.wait_for(first.wait(), 20)
        made = sitting.session.decide(Verdict.CORRECTED, Heard(1.0, 1), sitting.stamp(), text="new words")
        await sitting.save(made)
        await pushing
        await sitting.end(nothing)

    folder = journal.folder
    before = journal.head.seq
    asyncio.run(work())
    report = verify(folder)
    assert (report.faults, report.erased) == ((), OLD)
    with Journal.open(folder, "r", app="t") as after:
        lines = list(after.entries())[before:]
        assert kept(after) == [now]
    place = [entry.clip for entry in lines].index(now)
    assert 0 < place <= 4, "behind the job that ran, and at most one more"


def test_a_round_takes_its_share_and_the_next_one_goes_on(
    sitting: Sitting, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sittings, "RETIRE", 0.0)

    async def work() -> None:
        await sitting.push()
        assert len(kept(journal)) == OLD
        monkeypatch.setattr(sittings, "RETIRE", 60.0)
        await sitting.push()
        assert kept(journal) == []
        head = journal.head
        await sitting.push()
        assert journal.head == head
        await sitting.end(nothing)

    asyncio.run(work())


def test_a_disk_that_refuses_is_told_once(sitting: Sitting, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(due: list[str], known: int) -> int:
        raise NotSaved("nothing was erased: the disk is full")

    async def work() -> None:
        monkeypatch.setattr(journal, "retire_some", refuse)
        with pytest.raises(NotSaved):
            await sitting.push()
        await sitting.push()
        await sitting.end(nothing)

    asyncio.run(work())
