"""The contract's part about older copies, for a store in PostgreSQL: a real dump, restored. And the log's own."""

from __future__ import annotations

import pytest

from contract.store.restore import *  # noqa: F403
from earmark.queue.store.interface import StoreError, StoreUnreachable
from earmark.queue.store.postgres_withdrawals import Withdrawals


@pytest.fixture
def older(store, team):
    """The database's dump; what puts it back leaves everybody's connections as they are."""

    def keep():
        dumped = team.server.dump(team.database)

        def back():
            team.server.restore(team.database, dumped)
            return store

        return back

    return keep


@pytest.fixture
def log_folder(team):
    return team.audio / "withdrawals"


@pytest.fixture
def log(log_folder):
    return lambda: b"".join(path.read_bytes() for path in sorted(log_folder.rglob("*")) if path.is_file())


def test_a_withdrawal_that_was_not_written_down_is_made_up_for(team, store, clips, log, monkeypatch):
    """A program that died between the two: the clip is gone, others are given out, and a supervisor writes it down."""
    with monkeypatch.context() as patch:
        patch.setattr(Withdrawals, "write_down", lambda _: None)
        store.withdraw([clips[0]])
        store.withdraw_subject("person 1")
    assert ids(store.lease("anna", 9)) == [clips[1], *clips[4:]]  # noqa: F405
    team.open("anna").purge()
    assert clips[0].encode() not in log()
    store.purge()
    for clip in (clips[0], *clips[2:4]):
        assert log().count(clip.encode()) == 1


def test_what_a_database_withdrew_after_its_return_comes_behind_what_it_had_forgotten(store, clips, older, monkeypatch):
    """As when the log could not be reached at that moment."""
    back = older()
    store.withdraw([clips[0]])
    store.withdraw([clips[1]])
    store = back()
    with monkeypatch.context() as patch:
        patch.setattr(Withdrawals, "write_down", lambda _: None)
        patch.setattr(Withdrawals, "check", lambda _: None)
        store.withdraw([clips[5]])
        store.withdraw([clips[4]])
        store.withdraw([clips[3]])
    with pytest.raises(StoreError, match="earmark store replay"):
        store._team.supervisor._withdrawals.check()
    assert store.replay() == (2, 2)
    assert set(store.withdrawn()[1]) == {*clips[:2], *clips[3:]}
    store = back()
    assert store.replay() == (5, 5)
    assert ids(store.lease("anna", 9)) == [clips[2]]  # noqa: F405


def test_a_log_that_cannot_be_seen_stops_all_leases_but_no_withdrawal(team, store, clips, log_folder, tmp_path):
    store.withdraw([clips[0]])
    log_folder.rename(tmp_path / "away")
    with pytest.raises(StoreUnreachable, match="cannot be read"):
        store.lease("anna", 9)
    with pytest.raises(StoreError, match="it is withdrawn, but not yet written down"):
        store.withdraw([clips[1]])
    assert clips[1] in store.withdrawn()[1]
    # An empty folder in its place, as where nothing is mounted, is no log.
    team.open("ben")
    with pytest.raises(StoreUnreachable, match="is the folder mounted"):
        team.lease("ben", 1)
    with pytest.raises(StoreError, match="--log-lost"):
        store.replay()
    for path in (log_folder, tmp_path / "away"):
        assert path.exists()
    log_folder.rename(tmp_path / "empty")
    (tmp_path / "away").rename(log_folder)
    store.purge()
    assert ids(store.lease("anna", 9)) == clips[2:]  # noqa: F405


def test_a_log_that_is_lost_is_written_anew(team, store, clips, older, log_folder, tmp_path):
    store.withdraw([clips[0]])
    store.withdraw([clips[1]])
    log_folder.rename(tmp_path / "away")
    team.supervisor.rewrite_log()
    assert ids(store.lease("anna", 9)) == clips[2:]  # noqa: F405
    for number in (1, 2):
        name = f"00/{number:012}"
        assert (log_folder / name).read_bytes() == (tmp_path / "away" / name).read_bytes()


def test_another_stores_log_is_refused(team, store, clips, log_folder):
    (log_folder / "00" / "000000000000").write_text('{"store":"other"}')
    team.open("ben")
    with pytest.raises(StoreError, match="another store's"):
        store.lease("ben", 1)


def test_a_withdrawal_at_the_very_moment_of_the_question_is_no_older_copy(team, store, clips, monkeypatch):
    """Whenever it comes: before each of the questions that the check asks of the database and of the log."""
    from earmark.queue.store.withdrawal_log import WithdrawalLog

    anna = team.open("anna")
    anna.lease("anna", 1)
    has, waiting = WithdrawalLog.has, list(clips[1:6])
    for before in range(5):
        asked = 0

        def in_between(log, number, before=before):
            nonlocal asked
            if asked == before:
                asked += 1  # the supervisor's own look at the log is not counted
                store.withdraw([waiting.pop()])
            asked += 1
            return has(log, number)

        with monkeypatch.context() as patch:
            patch.setattr(WithdrawalLog, "has", in_between)
            anna.check_withdrawals()
            anna.check_withdrawals()
