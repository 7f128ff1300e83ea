"""Which batch is meant, and what is done with one whose time is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from earmark.queue.decision import Decision, Verdict
from earmark.queue.journal import Journal
from earmark.queue.offline.batch_file import Header, Plan, Slot, make_batch
from earmark.queue.offline.clock import Evidence, read_clocks
from earmark.queue.stamp import new_id, told_time
from earmark.tui.commands.common import batch_of, journal_folder
from earmark.tui.offline import name_of
from earmark.tui.settings import Settings
from laptop import LOCK, WRAPPING

STORE = "0" * 32


def put(home: Path, url: str = "ssh://host", reviewer: str = "ada", lasts: float = 1000.0) -> Path:
    now = read_clocks()
    known = Evidence(now.wall, now.since_boot, now.boot, now.machine)
    header = Header(
        store=STORE,
        url=url,
        reviewer=reviewer,
        public_key=b"p" * 32,
        expires=now.wall + lasts,
        contact=known,
        lock=LOCK,
    )
    folder = home / "batches" / f"{reviewer}-{len(url)}"
    make_batch(folder, header, WRAPPING, Plan((Slot("c1", "l1"),)), now)
    return folder


def settings(home: Path, **given: Any) -> Settings:
    return Settings(home=str(home), **({"store": "ssh://host"} | given))


def test_it_is_known_by_the_store_and_the_reviewer(tmp_path: Path) -> None:
    assert batch_of(settings(tmp_path)) is None
    put(tmp_path)
    found = batch_of(settings(tmp_path))
    assert found is not None and found.header.reviewer == "ada"
    assert batch_of(settings(tmp_path, reviewer="ada")) is not None
    assert batch_of(settings(tmp_path, reviewer="ben")) is None
    assert batch_of(settings(tmp_path, store="ssh://other")) is None


def test_where_the_store_does_not_say_who_one_is_the_login_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "sqlite:///s")
    for name, there in (("ada", True), ("ben", False)):
        monkeypatch.setattr("getpass.getuser", lambda name=name: name)
        assert (batch_of(settings(tmp_path, store="sqlite:///s")) is not None) is there


def test_two_reviewers_at_one_host_must_say_who_they_are(tmp_path: Path) -> None:
    put(tmp_path)
    put(tmp_path, reviewer="ben")
    with pytest.raises(click.ClickException, match="ada and ben"):
        batch_of(settings(tmp_path))
    found = batch_of(settings(tmp_path, reviewer="ben"))
    assert found is not None and found.header.reviewer == "ben"


def test_whatever_has_run_out_is_shredded_with_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = put(tmp_path, "ssh://other", lasts=-1.0)
    put(tmp_path)
    assert batch_of(settings(tmp_path)) is not None
    assert not folder.exists()
    said = capsys.readouterr().err
    assert "ada had checked out from ssh://other" in said and "destroyed" in said


def test_a_time_that_the_journal_has_seen_counts(tmp_path: Path) -> None:
    folder = put(tmp_path)
    own = journal_folder(settings(tmp_path, reviewer="ada"), STORE)
    for days_ago, there in ((1.0, True), (-1.0, False)):
        with Journal.open(own, "ada", app="t") as journal:
            at = told_time(days_ago=days_ago)
            journal.append(Decision(id=new_id(), at=at, reviewer="ada", clip="c1", verdict=Verdict.SKIPPED))
        assert (batch_of(settings(tmp_path)) is not None) is there
    assert not folder.exists()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://ada:hunter2@db.example.org:5432/earmark", "postgresql://ada@db.example.org:5432/earmark"),
        ("ssh://ada@host:2222/store", "ssh://ada@host:2222/store"),
        ("sqlite:////srv/a:b@c/store", "sqlite:////srv/a:b@c/store"),
    ],
)
def test_no_password_is_kept(url: str, name: str) -> None:
    assert name_of(url) == name
