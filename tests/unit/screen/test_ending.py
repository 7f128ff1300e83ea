"""The end of a sitting: what was typed is on disk first, whatever the store does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from earmark.queue.clip import Clip, Hypothesis
from earmark.queue.decision import Decision, Draft
from earmark.queue.journal import Journal, NotSaved
from earmark.queue.session import Session
from earmark.queue.store.interface import Leased, StoreUnreachable
from earmark.tui.sitting import Sitting

TYPED = "what I typed"


class Away:
    """A store that cannot be reached."""

    def head(self, device: str) -> None:
        raise StoreUnreachable("no route")

    def close(self) -> None: ...


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path, "ann", app="test")
    yield opened
    opened.close()


def typed(journal: Journal) -> Sitting:
    """A sitting in which something was typed and not saved."""
    session = Session("ann")
    session.extend([Leased("lease", Clip("a", 3.0, 16000, Hypothesis("machine text")), 1e12)])
    session.advance(0.0)
    session.keep(TYPED, 0)
    batch = MagicMock()
    batch.is_withdrawn.return_value = False
    return Sitting(session, journal, batch, Away())  # type: ignore[arg-type]


async def nothing() -> None: ...


def test_what_was_typed_is_on_disk_before_anything_waits_for_the_store(journal: Journal) -> None:
    async def hung() -> None:
        answer = asyncio.Event()
        waiting = asyncio.Event()

        async def finish() -> None:
            waiting.set()
            await answer.wait()

        ending = asyncio.ensure_future(typed(journal).end(finish))
        await waiting.wait()
        assert journal.drafts() == {"a": TYPED}
        answer.set()
        await ending

    asyncio.run(hung())


def test_a_draft_that_the_disk_refuses_at_first_is_tried_again(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, asked = journal.append, []

    def full_at_first(entry: Decision | Draft) -> None:
        asked.append(entry.clip)
        if len(asked) == 1:
            raise NotSaved("the disk is full")
        append(entry)

    monkeypatch.setattr(journal, "append", full_at_first)
    asyncio.run(typed(journal).end(nothing))
    assert asked == ["a", "a"]
    with closing(Journal.open(tmp_path, "ann", app="test")) as again:
        assert again.drafts() == {"a": TYPED}
