"""From settings to an open sitting, and what is said after it: without a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from earmark.queue.audio import encode_flac, identity
from earmark.queue.clip import Hypothesis
from earmark.queue.decision import Decision, Verdict
from earmark.queue.journal import Journal
from earmark.queue.stamp import new_id, told_time
from earmark.queue.store.interface import Incoming, Quarantined, StoreUnreachable
from earmark.queue.store.open import open_store
from earmark.queue.store.sqlite import SqliteStore
from earmark.queue.sync import Sent
from earmark.tui import opening
from earmark.tui.commands.common import journal_folder
from earmark.tui.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a home with one clip in its store."""
    found = Settings(home=str(tmp_path), reviewer="r", sound="none")
    samples = np.zeros(1600, np.int16)
    store = open_store(found.store_url)
    clip = Incoming(
        identity=identity(samples, 16000),
        audio=encode_flac(samples, 16000),
        duration=0.1,
        rate=16000,
        hypothesis=Hypothesis("machine"),
        lang="en",
        peaks=b"",
        source="1.wav",
    )
    list(store.add([clip]))
    store.close()
    return found


def journal(settings: Settings) -> Journal:
    store = open_store(settings.store_url)
    store.close()
    return Journal.open(journal_folder(settings, store.id), "r", app="t")


def fill(settings: Settings, count: int) -> Path:
    """A journal with decisions on clips that the store does not know; its folder."""
    with journal(settings) as opened:
        for i in range(count):
            opened.append(
                Decision(id=new_id(), at=told_time(), reviewer="r", clip=f"c{i}", verdict=Verdict.SKIPPED, shown="m")
            )
        return opened.folder


def test_what_the_store_set_aside_is_told_beside_what_the_opening_mended(settings: Settings) -> None:
    folder = fill(settings, 2)
    with (folder / "000001.jsonl").open("ab") as segment:
        segment.write(b'{"v":1,"kind":"decision","device":"cut of')
    app = opening.open_sitting(settings, greeting="")
    try:
        told = app.reviewing._greeting
        assert told.startswith("The store set 2 of your lines aside; `earmark journal show --quarantine` says why. ")
        assert "the last line was cut off" in told
    finally:
        app.reviewing.sitting.journal.close()
        app.reviewing.sitting.store.close()


def test_what_the_store_set_aside_is_told_where_no_screen_opens(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def dropped(*given: Any, **more: Any) -> None:
        raise StoreUnreachable("the line dropped")

    fill(settings, 2)
    monkeypatch.setattr(SqliteStore, "lease", dropped)
    with pytest.raises(StoreUnreachable):
        opening.open_sitting(settings, greeting="")
    assert "The store set 2 of your lines aside" in capsys.readouterr().err


def test_the_store_is_asked_once_for_its_cursor_and_what_has_arrived_is_not_unsent(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(settings, 5)
    asked: list[str] = []
    head = SqliteStore.head
    monkeypatch.setattr(SqliteStore, "head", lambda self, device: asked.append(device) or head(self, device))
    app = opening.open_sitting(settings, greeting="")
    sitting = app.reviewing.sitting
    try:
        sitting.trouble("the line dropped")
        assert (sitting.sync.unsent, len(asked)) == (0, 1)
        sitting.journal.append(
            Decision(id=new_id(), at=told_time(), reviewer="r", clip="c9", verdict=Verdict.SKIPPED, shown="m")
        )
        assert sitting._send().unsent == 0
        assert len(asked) == 1
    finally:
        sitting.journal.close()
        sitting.store.close()


@pytest.mark.parametrize(
    ("untold", "said"),
    [
        (Sent(quarantined=(Quarantined(1, "no such clip"),)), "The store set 1 of your lines aside"),
        (Sent(renewed=True), opening.GOES_ON),
    ],
)
def test_what_nobody_was_told_on_the_screen_is_said_after_it(
    untold: Sent,
    said: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sitting = SimpleNamespace(untold=untold, offline="", saved=3, sync=SimpleNamespace(unsent=0))
    app = SimpleNamespace(
        run=lambda mouse: None, farewell="", return_code=0, reviewing=SimpleNamespace(sitting=sitting)
    )
    given: dict[str, Callable[..., Any]] = {
        "open_sitting": lambda settings, **_: app,
        "unfiltered": contextlib.nullcontext,
    }
    for name, what in given.items():
        monkeypatch.setattr(opening, name, what)
    monkeypatch.setattr(opening.gc, "disable", lambda: None)
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    opening.sit_down(settings)
    told = capsys.readouterr().err
    assert said in told
    assert told.endswith("3 saved, 0 not sent yet.\n")
