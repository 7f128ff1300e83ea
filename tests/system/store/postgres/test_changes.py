"""Two at once: what commits late is never missed, what waits does not wait in a circle, no clip goes to two."""

from __future__ import annotations

import contextlib
import random
import threading
import time

import psycopg
import pytest

from earmark.queue.decision import Verdict
from earmark.queue.store.interface import StoreUnreachable
from earmark.queue.store.postgres import PostgresStore


@pytest.fixture
def clips(store, fill):
    fill(12)
    return [one.clip.id for one in store.lease("anna", 12)]


def waits(team):
    """How many sessions wait for a lock."""
    return team.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")[0][0]


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_withdrawal_that_commits_late_is_not_missed(team, store, clips):
    """The one that began first commits last: whoever read in between still learns of both."""
    first = psycopg.connect(team.url("supervisor"))
    first.execute("SELECT earmark.withdraw(%s)", ([clips[0]],))  # not committed yet
    second = threading.Thread(target=team.open("supervisor").withdraw, args=([clips[1]],))
    second.start()
    until(lambda: waits(team) == 1)
    reader = team.open("anna")
    epoch, seen = reader.withdrawn(0)
    assert (epoch, seen) == (0, ())
    first.commit()
    first.close()
    second.join()
    epoch, seen = reader.withdrawn(epoch)
    assert (epoch, seen) == (2, (clips[0], clips[1]))


def test_readers_that_page_through_many_withdrawals_miss_none(team, store, clips):
    seen: list[str] = []
    reader = team.open("anna")
    supervisors = [PostgresStore(team.url("supervisor"), lease_seconds=60) for _ in range(3)]

    def withdraw(one, some):
        for clip in some:
            one.withdraw([clip])

    threads = [threading.Thread(target=withdraw, args=(one, clips[place::3])) for place, one in enumerate(supervisors)]
    for thread in threads:
        thread.start()
    epoch = 0
    while any(thread.is_alive() for thread in threads):
        epoch, some = reader.withdrawn(epoch)
        seen += some
    seen += reader.withdrawn(epoch)[1]
    assert sorted(seen) == sorted(clips)
    for one in supervisors:
        one.close()


def test_results_leave_out_what_commits_after_the_export_began(team, store, clips, device, monkeypatch):
    """A push that is under way has lower numbers than what it lets pass: it comes the next time, and nothing twice."""
    monkeypatch.setattr("earmark.queue.store.results_page.PAGE", 2)
    anna, ben = device("anna"), device("ben")
    team.open("ben")
    ben.decide(clips[0], Verdict.CORRECTED, "bens first")
    ben.push(store)
    ben.decide(clips[0], Verdict.CORRECTED, "bens second", revision=2)
    with psycopg.connect(team.url("ben")) as late:
        from earmark.queue.journal.line import split

        part = split(ben.lines[1])
        late.execute(
            "SELECT earmark.push('ben', %s, %b::bytea[], %b::bytea[], %s::text[], 60)",
            (ben.name, [part.envelope], [part.payload], [part.chain]),
        )
        for clip in clips[1:6]:
            anna.decide(clip, Verdict.CORRECTED, "annas")
        anna.push(store)
        going = store.results()
        given = [next(going), next(going)]
        late.commit()
    given += list(going)
    assert sorted(one.text for one in given) == ["annas"] * 5 + ["bens first"]
    assert sorted(one.text for one in store.results()) == ["annas"] * 5 + ["bens second"]


def test_lines_restored_from_another_server_come_out(team, store, clips, device):
    anna = device("anna")
    anna.decide(clips[0], Verdict.CORRECTED, "old")
    anna.push(store)
    team.sql("UPDATE earmark.line SET xact = '99999999999'")
    anna.decide(clips[1], Verdict.CORRECTED, "new")
    anna.push(store, 1)
    assert [one.text for one in store.results()] == ["old", "new"]


def test_many_who_lease_get_each_clip_once(team, fill):
    fill(60)
    got: list[str] = []
    failed: list[BaseException] = []

    def work(name):
        one = team.open(name)
        try:
            for count in range(3, 15, 3):
                some = [leased.clip.id for leased in one.lease(name, count)]
                one.release(name, some[count - 1 :])
            got.extend(leased.clip.id for leased in one.lease(name, 12))
        except BaseException as error:
            failed.append(error)

    names = [f"r{n}" for n in range(5)]
    for name in names:
        team.open(name)
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(got) == len(set(got)) == 60


def test_pushes_leases_and_withdrawals_on_the_same_clips_never_lock_each_other_up(team, store, clips, device):
    """A deadlock would end one of them with StoreUnreachable."""
    failed: list[BaseException] = []
    chance = random.Random(7)
    devices = {name: device(name) for name in ("anna", "ben", "cleo")}
    for name in devices:
        team.open(name)
    verdicts = [Verdict.ACCEPTED, Verdict.SKIPPED, Verdict.RETRACTED, Verdict.CRITICAL, Verdict.UNINTELLIGIBLE]
    orders = {name: [chance.sample(clips, 8) for _ in range(15)] for name in devices}
    marks = {name: [[chance.choice(verdicts) for _ in range(8)] for _ in range(15)] for name in devices}

    def work(name):
        one = devices[name]
        mine = team.open(name)
        try:
            for some, said in zip(orders[name], marks[name], strict=True):
                start = len(one.lines)
                for clip, verdict in zip(some, said, strict=True):
                    one.decide(clip, verdict)
                assert mine.push(one.name, name, one.lines[start:]).head.seq == len(one.lines)
                mine.lease(name, 3, first=some[:2])
                mine.renew(name, some)
                mine.reopen(name, some[3:])
                mine.release(name, some[5:])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in devices]
    for thread in threads:
        thread.start()
    for clip in clips[:3]:
        store.withdraw([clip])
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_lost_connection_is_told_and_made_again(team, store, clips):
    one = team.open("anna")
    team.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{team.login('anna')}'")
    until(lambda: not team.sql(f"SELECT 1 FROM pg_stat_activity WHERE usename = '{team.login('anna')}'"))
    try:
        counted = one.counts("anna")
    except StoreUnreachable as error:
        assert "try again" in str(error) or "does not answer" in str(error)
        counted = one.counts("anna")
    assert counted.clips == 12


def test_what_a_login_may_is_known_anew_with_each_connection(team):
    one = team.open("anna")
    assert not one._database.known.supervisor
    team.sql(f"GRANT {team.made.roles.supervisor} TO {team.login('anna')}")
    team.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{team.login('anna')}'")
    until(lambda: not team.sql(f"SELECT 1 FROM pg_stat_activity WHERE usename = '{team.login('anna')}'"))
    with contextlib.suppress(StoreUnreachable):
        one.counts("anna")
    one.counts("anna")
    assert one._database.known.supervisor


@pytest.mark.parametrize("seed", range(4))
def test_any_journal_leaves_the_same_behind_as_in_sqlite(team, store, device, seed, tmp_path, incoming, clock):
    """Two reviewers' random journals, in random cuts, into both kinds of store: clips stand alike in the end."""
    from earmark.queue.journal.line import Reason
    from earmark.queue.store.sqlite import SqliteStore

    chance = random.Random(seed)
    other = SqliteStore(tmp_path / "other", lease_seconds=900, critical_hold=7 * 86400, clock=lambda: clock.now)
    both = {}
    for name, one in (("postgres", store), ("sqlite", other)):
        list(one.add(incoming(n) for n in range(6)))
        clips = sorted(one.lease("anna", 6), key=lambda leased: leased.clip.duration)
        both[name] = [leased.clip.id for leased in clips]
    plan = [
        (chance.choice(("anna", "ben")), chance.randrange(6), chance.choice([*Verdict, "erase", "retire", "draft"]))
        for _ in range(90)
    ]
    cuts = sorted(chance.sample(range(90), 25))
    outcome = {}
    for name, one in (("postgres", store), ("sqlite", other)):
        clips = both[name]
        devices = {"anna": device("anna"), "ben": device("ben")}
        sent = {"anna": 0, "ben": 0}
        for number, (who, place, what) in enumerate(plan):
            writer = devices[who]
            if what == "erase":
                writer.erase(clips[place], Reason.CRITICAL)
            elif what == "retire":
                writer.erase(clips[place], Reason.RETENTION)
            elif what == "draft":
                writer.draft(clips[place], "unfinished")
            else:
                writer.decide(clips[place], what, lease="lease")
            if number in cuts:
                for each, its in devices.items():
                    assert its.push(one, sent[each]).quarantined == ()
                    sent[each] = len(its.lines)
        held = {who: sorted(clips.index(clip) for clip in one.renew(who, clips)) for who in devices}
        counts = one.counts("anna"), one.counts("ben")
        results = [
            (clips.index(result.clip), result.reviewer, result.verdict, result.text)
            for every in (False, True)
            for result in one.results(frozenset(Verdict), every_revision=every)
        ]
        outcome[name] = (held, counts, results)
    other.close()
    assert outcome["postgres"] == outcome["sqlite"]
