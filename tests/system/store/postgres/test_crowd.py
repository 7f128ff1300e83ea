"""Many who lease at once begin at different places of the queue: still no clip goes to two, and none is left behind."""

from __future__ import annotations

import threading

import psycopg
import pytest

from contract.store.tools import make_incoming

PEOPLE, CLIPS, HIGH = 8, 400, 100


def held_places(team, count):
    """A connection that keeps so many of the crowd's places, as leases that take long do."""
    other = psycopg.connect(team.server.url(team.database), autocommit=True)
    for place in range(count):
        other.execute("SELECT pg_advisory_lock('earmark.work'::regclass::oid::integer, %s)", (place,))
    return other


@pytest.fixture
def queue(team, store):
    """Clips of two priorities; those that came last are the urgent ones."""
    list(store.add(make_incoming(n) for n in range(CLIPS)))
    team.sql("UPDATE earmark.work SET priority = 5 WHERE arrival > %s", CLIPS - HIGH)
    return {clip for (clip,) in team.sql("SELECT clip FROM earmark.work")}


def test_a_crowd_empties_the_queue_and_shares_no_clip(team, store, queue):
    stores = {f"r{n}": team.open(f"r{n}") for n in range(PEOPLE)}
    got, failed = [], []
    begin = threading.Barrier(PEOPLE)

    def work(name):
        try:
            begin.wait(60)
            count = 0
            while True:
                leased = [one.clip.id for one in stores[name].lease(name, count + 7)][count:]
                if not leased:
                    return
                count += len(leased)
                got.extend(leased)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(got) == len(set(got))
    # What somebody had locked was passed over by the others: it may be open still, and comes now.
    rest = [one.clip.id for one in store.lease("anna", CLIPS)]
    assert set(got) | set(rest) == queue


@pytest.mark.parametrize("lang", [None, "de"])
def test_in_a_crowd_the_urgent_go_first_and_what_was_passed_over_follows(team, store, queue, lang):
    crowd = held_places(team, 31)
    first = [one.clip.id for one in store.lease("anna", HIGH, lang=lang)]
    urgent = {clip for (clip,) in team.sql("SELECT clip FROM earmark.work WHERE priority = 5")}
    assert set(first) == urgent
    assert {one.clip.id for one in store.lease("ben", CLIPS, lang=lang)} == queue - urgent
    crowd.close()
    assert store.lease("cleo", 1) == []
