"""A sitting with a real journal and store, and without a screen: what it does in which order, and what it says."""

from __future__ import annotations

import asyncio
import errno
import shutil
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contract.store.tools import make_incoming
from earmark.queue import files
from earmark.queue.batch import Batch
from earmark.queue.decision import Decision, Verdict
from earmark.queue.journal import Journal, NotSaved
from earmark.queue.session import Heard, Session
from earmark.queue.stamp import new_id, told_time
from earmark.queue.store.interface import Head, Leased, Store
from earmark.queue.store.open import open_store
from earmark.queue.sync import Sent, send
from earmark.tui.opening import words_of
from earmark.tui.sitting import Sitting

HEARD = Heard(share=1.0, plays=1)


async def nothing_more() -> None: ...


def correction(clip: str, text: str = "a secret") -> Decision:
    return Decision(
        id=new_id(), at=told_time(), reviewer="r", clip=clip, verdict=Verdict.CORRECTED, text=text, shown="m"
    )


class Screen:
    """Keeps what the background tells. `gone` is what it does when clips were withdrawn."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.withdrawn: list[bool] = []
        self.sent: list[Sent] = []
        self.alarms: list[str] = []
        self.gone: Callable[[], object] = lambda: None

    def sync_changed(self) -> None: ...

    def leases_lost(self, on_screen: bool) -> None: ...

    def clips_came(self, count: int) -> None: ...

    def clips_withdrawn(self, on_screen: bool) -> None:
        self.withdrawn.append(on_screen)
        self.gone()
        self.told.set()

    def has_sent(self, sent: Sent) -> None:
        self.sent.append(sent)

    def disk_trouble(self, words: str) -> None:
        self.alarms.append(words)


class Desk:
    """Sits down as often as asked to, each time with the same store and the same journal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        store = self.store()
        list(store.add(make_incoming(i) for i in range(6)))
        store.close()

    def store(self) -> Store:
        return open_store(f"sqlite:///{self.folder / 's'}")

    def journal(self) -> Journal:
        return Journal.open(self.folder / "j", "r", app="t")

    def withdraw(self, *clips: str) -> None:
        store = self.store()
        store.withdraw(clips)
        store.close()

    def sit(self, what: Callable[[Sitting], Coroutine[Any, Any, None]], **more: Any) -> Sitting:
        """Sit down with the store's clips, do `what`, and leave."""

        async def go() -> Sitting:
            store = self.store()
            batch: Batch[Any] = Batch(store, "r", bytes)
            session = Session("r")
            session.extend(batch.fill())
            session.advance(0.0)
            sitting = Sitting(session, self.journal(), batch, store, **more)
            try:
                await what(sitting)
            finally:
                await sitting.end(nothing_more)
            return sitting

        return asyncio.run(go())

    def texts(self) -> list[str]:
        with self.journal() as journal:
            return [entry.text for entry in journal.entries() if entry.text is not None]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    return Desk(tmp_path)


def here(sitting: Sitting) -> str:
    place = sitting.session.current
    assert place is not None
    return place.clip.id


async def decide(sitting: Sitting, verdict: Verdict = Verdict.CORRECTED, text: str | None = "a secret") -> str:
    clip = here(sitting)
    await sitting.save(sitting.session.decide(verdict, HEARD, sitting.stamp(), text=text))
    return clip


# -- leases ----------------------------------------------------------------------------------------------------------


def noting_leases(sitting: Sitting) -> list[int]:
    """For how many clips the store is asked from now on, each time."""
    asked: list[int] = []
    lease = sitting.store.lease

    def noting(reviewer: str, count: int, **more: Any) -> list[Leased]:
        asked.append(count)
        return lease(reviewer, count, **more)

    sitting.store.lease = noting  # type: ignore[method-assign]
    return asked


def test_what_has_just_arrived_is_not_leased_for_again(desk: Desk) -> None:
    """It would be given back, but it counts towards the day's cap, and its text has been here."""

    async def sit(sitting: Sitting) -> None:
        asked = noting_leases(sitting)
        for _ in range(4):
            await decide(sitting)
            sitting.session.advance(0.0)
        await sitting.push()
        await sitting.top_up()
        assert asked == [20]

    desk.sit(sit)


def test_lines_that_decide_nothing_here_are_not_leased_for(desk: Desk) -> None:
    async def sit(sitting: Sitting) -> None:
        asked = noting_leases(sitting)
        for n in range(30):
            sitting.journal.append(correction(f"another sitting's {n}"))
        await sitting.top_up()
        assert asked == [20]

    desk.sit(sit)


# -- withdrawals -----------------------------------------------------------------------------------------------------


def test_a_withdrawn_clip_leaves_the_screen_before_the_disk_is_waited_for(desk: Desk) -> None:
    async def sit(sitting: Sitting) -> None:
        hung, screen = threading.Event(), Screen()
        decided = await decide(sitting)
        shown = here(sitting)
        erase = sitting.journal.erase
        erased, loop = asyncio.Event(), asyncio.get_running_loop()

        def hanging(clip: str, reason: str) -> int:
            assert hung.wait(30)
            count = erase(clip, reason)
            loop.call_soon_threadsafe(erased.set)
            return count

        sitting.journal.erase = hanging  # type: ignore[method-assign]
        desk.withdraw(decided, shown)
        # What the screen does on being told: the next clip must not be mistaken for the one that went.
        screen.gone = partial(sitting.session.advance, 0.0)
        sitting.start(screen)
        try:
            await asyncio.wait_for(screen.told.wait(), 20)
            assert (screen.withdrawn, erased.is_set()) == ([True], False)
            assert here(sitting) not in (decided, shown)
        finally:
            hung.set()
        await asyncio.wait_for(erased.wait(), 20)

    desk.sit(sit)
    assert desk.texts() == []


def refuse(fd: int) -> None:
    raise OSError(errno.EIO, "refused")


def test_an_erasure_that_the_disk_refused_is_done_once_the_disk_takes_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sit(sitting: Sitting) -> None:
        screen = Screen()
        sitting._watcher = screen
        clip = await decide(sitting)
        desk.withdraw(clip)
        with monkeypatch.context() as broken:
            broken.setattr(files, "sync", refuse)
            await sitting.fetch_withdrawals()
            await sitting.erase_withdrawn()
        assert len(screen.alarms) == 1
        assert "a secret" in [entry.text for entry in sitting.journal.entries()]
        # Nobody decides anything; the next round tries again.
        await sitting.fetch_withdrawals()
        await sitting.erase_withdrawn()
        assert len(screen.alarms) == 1
        assert "a secret" not in [entry.text for entry in sitting.journal.entries()]

    desk.sit(sit)


def test_a_journal_that_the_disk_has_stopped_is_opened_again_before_anything_is_sent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it could not note what the store sets aside, nor go on as another device."""

    async def sit(sitting: Sitting) -> None:
        desk.withdraw(await decide(sitting))
        with monkeypatch.context() as broken:
            broken.setattr(files, "sync", refuse)
            await sitting.fetch_withdrawals()
            await sitting.erase_withdrawn()
        assert sitting.journal.stopped
        await sitting.push()
        assert not sitting.journal.stopped

    desk.sit(sit)


def test_an_erasure_that_never_was_done_is_done_in_the_next_sitting(desk: Desk) -> None:
    async def fail(sitting: Sitting) -> None:
        clip = await decide(sitting)
        desk.withdraw(clip)

        def refuse(clip: str, reason: str) -> int:
            raise NotSaved("nothing was erased: the disk is full")

        sitting.journal.erase = refuse  # type: ignore[method-assign]
        await sitting.fetch_withdrawals()
        await sitting.erase_withdrawn()

    async def again(sitting: Sitting) -> None:
        await sitting.fetch_withdrawals()
        await sitting.erase_withdrawn()

    desk.sit(fail)
    assert desk.texts() == ["a secret"]
    desk.sit(again)
    assert desk.texts() == []


def test_an_erasure_that_the_disk_refused_is_tried_once_more_on_leaving(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(sitting: Sitting) -> None:
        desk.withdraw(await decide(sitting))
        with monkeypatch.context() as broken:
            broken.setattr(files, "sync", refuse)
            await sitting.fetch_withdrawals()
            await sitting.erase_withdrawn()
        assert sitting.journal.stopped

    desk.sit(refused)
    assert desk.texts() == []


def test_a_clip_withdrawn_while_nobody_sat_is_erased_and_the_next_sitting_looks_at_it_no_more(desk: Desk) -> None:
    asked: list[str] = []

    async def first(sitting: Sitting) -> None:
        asked.append(await decide(sitting))

    async def later(sitting: Sitting) -> None:
        erase = sitting.journal.erase

        def watched(clip: str, reason: str) -> int:
            asked.append(clip)
            return erase(clip, reason)

        sitting.journal.erase = watched  # type: ignore[method-assign]
        for _ in range(3):
            await sitting.fetch_withdrawals()
            await sitting.erase_withdrawn()

    desk.sit(first)
    decided = asked.pop()
    desk.withdraw(decided)
    desk.sit(later)
    assert (desk.texts(), asked) == ([], [decided])
    desk.sit(later)
    assert asked == [decided]


def test_a_decision_on_its_way_to_the_disk_while_its_clip_is_withdrawn_is_erased_too(desk: Desk) -> None:
    async def sit(sitting: Sitting) -> None:
        hung, clip = threading.Event(), here(sitting)
        append = sitting.journal.append

        def hanging(entry: Any) -> Any:
            assert hung.wait(30)
            return append(entry)

        sitting.journal.append = hanging  # type: ignore[method-assign]
        saving = asyncio.ensure_future(decide(sitting))
        await asyncio.sleep(0)
        desk.withdraw(clip)
        try:
            assert await sitting.fetch_withdrawals() == (1, True)
            await sitting.erase_withdrawn()
        finally:
            hung.set()
        await saving
        assert "a secret" in [entry.text for entry in sitting.journal.entries()]
        await sitting.erase_withdrawn()

    desk.sit(sit)
    assert desk.texts() == []


def test_a_round_without_withdrawals_does_not_go_over_the_journal(desk: Desk) -> None:
    async def sit(sitting: Sitting) -> None:
        await decide(sitting)
        sitting.journal.clips = None  # type: ignore[method-assign,assignment]
        for _ in range(2):
            await sitting.fetch_withdrawals()
            await sitting.erase_withdrawn()

    desk.sit(sit)


# -- sound -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("saved", [True, False])
def test_a_clip_marked_critical_while_sound_is_fetched_is_not_made_ready_again(desk: Desk, saved: bool) -> None:
    async def sit(sitting: Sitting) -> None:
        fetched, told, loop = threading.Event(), asyncio.Event(), asyncio.get_running_loop()
        fetch, got = sitting.batch.fetch_ahead, asyncio.Event()
        ready: list[Any] = []

        def slow(*given: Any) -> None:
            fetch(*given)
            loop.call_soon_threadsafe(got.set)
            assert fetched.wait(30)

        def then(sounds: list[Any]) -> None:
            ready.extend(sounds)
            told.set()

        sitting.batch.fetch_ahead = slow  # type: ignore[method-assign]
        _, critical, following = (place.clip.id for place in sitting.session.places[:3])
        sitting.fetch_ahead(then)
        await asyncio.wait_for(got.wait(), 20)
        await decide(sitting, Verdict.SKIPPED, None)
        assert here(sitting) == critical  # where not `saved`, the mark is still on its way to the disk
        if saved:
            await decide(sitting, Verdict.CRITICAL, None)
        fetched.set()
        await asyncio.wait_for(told.wait(), 20)
        assert sitting.batch.sound_at_hand(critical) is not None
        assert sitting.batch.sound_at_hand(critical) not in ready
        assert saved or sitting.batch.sound_at_hand(following) in ready

    desk.sit(sit)


# -- what was sent ---------------------------------------------------------------------------------------------------


def test_what_is_set_aside_at_the_very_end_can_still_be_told(desk: Desk) -> None:
    async def sit(sitting: Sitting) -> None:
        await decide(sitting)
        assert words_of(await sitting.push()) == ""
        sitting.journal.append(correction("a clip that the store does not know"))

    sitting = desk.sit(sit)
    assert "set 1 of your lines aside" in words_of(sitting.untold)
    assert words_of(desk.sit(nothing).untold) == ""


def test_what_is_set_aside_while_one_leaves_can_still_be_told(desk: Desk) -> None:
    async def sit(sitting: Sitting) -> None:
        sitting.journal.append(correction("a clip that the store does not know"))
        hung, begun = threading.Event(), threading.Event()
        push = sitting.store.push

        def hanging(*given: Any) -> Any:
            begun.set()
            assert hung.wait(30)
            return push(*given)

        sitting.store.push = hanging  # type: ignore[method-assign]
        pushing = asyncio.ensure_future(sitting.push())
        await asyncio.to_thread(begun.wait, 30)
        pushing.cancel()  # as leaving does
        await asyncio.gather(pushing, return_exceptions=True)
        hung.set()

    assert "set 1 of your lines aside" in words_of(desk.sit(sit).untold)


def test_what_has_been_told_is_not_told_at_the_end_again(desk: Desk) -> None:
    async def sit(sitting: Sitting) -> None:
        sitting.journal.append(correction("a clip that the store does not know"))
        assert "set 1 of your lines aside" in words_of(await sitting.push())

    assert words_of(desk.sit(sit).untold) == ""


async def nothing(sitting: Sitting) -> None:
    pass


def sent_before(desk: Desk, count: int) -> Head:
    """Decisions of earlier sittings, and the store's cursor behind them."""
    store = desk.store()
    with desk.journal() as journal:
        for i in range(count):
            journal.append(correction(f"earlier {i}"))
        head = send(journal, store).head
    store.close()
    return head


def test_lines_that_have_arrived_before_the_sitting_are_not_unsent_when_the_line_drops(desk: Desk) -> None:
    async def sit(sitting: Sitting) -> None:
        sitting.trouble("the line dropped")
        assert sitting.sync.unsent == 0
        await decide(sitting)
        assert sitting.sync.unsent == 1

    desk.sit(sit, head=sent_before(desk, 30))


def test_a_store_put_back_from_a_copy_after_the_opening_gets_its_lines_again(desk: Desk) -> None:
    sent_before(desk, 2)
    shutil.copytree(desk.folder / "s", desk.folder / "older")
    head = sent_before(desk, 2)
    shutil.rmtree(desk.folder / "s")
    (desk.folder / "older").rename(desk.folder / "s")

    async def sit(sitting: Sitting) -> None:
        await decide(sitting)
        sent = await sitting.push()
        assert (sent.unsent, sent.head, sent.renewed) == (0, sitting.journal.head, False)
        assert sitting.store.head(sitting.journal.device) == sitting.journal.head

    desk.sit(sit, head=head)


@pytest.mark.parametrize("decided", [True, False])
def test_a_copy_of_the_journal_that_sent_after_the_opening_has_this_one_go_on_anew(desk: Desk, decided: bool) -> None:
    head = sent_before(desk, 2)
    shutil.copytree(desk.folder / "j", desk.folder / "mine")
    sent_before(desk, 1)
    shutil.rmtree(desk.folder / "j")
    (desk.folder / "mine").rename(desk.folder / "j")

    async def sit(sitting: Sitting) -> None:
        if decided:
            await decide(sitting)
        sent = await sitting.push()
        assert (sent.unsent, sent.head, sent.renewed) == (0, sitting.journal.head, True)
        sitting.trouble(None)
        assert sitting.sync.unsent == 0

    desk.sit(sit, head=head)
