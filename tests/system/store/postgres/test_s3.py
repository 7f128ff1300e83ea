"""A team's sound in object storage: a real S3 server, beside the real database."""

from __future__ import annotations

import contextlib
import os
import random
import threading
from collections.abc import Callable, Iterator

import pytest

from contract.store.tools import make_incoming
from earmark.queue.decision import Verdict
from earmark.queue.store.interface import Incoming, Refused, StoreError, StoreUnreachable
from earmark.queue.store.postgres import PostgresStore
from needs import need_s3
from s3_server import S3Server

from .conftest import Team

KILLS = 20 if os.environ.get("EARMARK_LONG") else 3
CLIPS = 40


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    need_s3()
    server = S3Server()
    try:
        server.start()
        server.bucket("audio")
        yield server
    finally:
        server.stop()


@pytest.fixture
def team(s3, server, tmp_path, monkeypatch) -> Iterator[Team]:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    team = Team(server, tmp_path, audio=f"s3://audio/{tmp_path.name}")
    yield team
    team.close()


@pytest.fixture
def bucket(team, tmp_path):
    """The storage as whoever has its credentials sees it."""
    import obstore
    from obstore.store import from_url

    class Bucket:
        store = from_url(f"s3://audio/{tmp_path.name}")

        def objects(self) -> dict[str, bytes]:
            """The sealed audio; the log of withdrawals lies beside it."""
            listed = [one["path"] for page in obstore.list(self.store) for one in page]
            audio = [path for path in listed if not path.startswith("withdrawals/")]
            return {path: obstore.get(self.store, path).bytes().to_bytes() for path in audio}

        def path(self, clip: str) -> str:
            ((name,),) = team.sql("SELECT object FROM earmark.clip WHERE id = %s", clip)
            return f"{name[:2]}/{name}"

        def put(self, path: str, data: bytes) -> None:
            obstore.put(self.store, path, data)

        def delete(self, path: str) -> None:
            obstore.delete(self.store, path)

    return Bucket()


def again(team: Team) -> PostgresStore:
    """Another program of the supervisor's."""
    return PostgresStore(team.url("supervisor"), lease_seconds=900, master_key=str(team.master_key))


def everything_plays(store, loaded: list[Incoming]) -> bool:
    """Whether each clip sounds as it was loaded, to whoever leases it."""
    leased = store.lease("anna", len(loaded) + 1)
    by_length = {one.duration: one.audio for one in loaded}
    assert len(leased) == len(by_length) == len(loaded)
    return all(store.audio("anna", one.clip.id) == by_length[one.clip.duration] for one in leased)


def test_what_is_loaded_plays_and_lies_sealed(store, fill, bucket):
    fill(3)
    assert everything_plays(store, [make_incoming(n) for n in range(3)])
    lying = bucket.objects()
    assert len(lying) == 3
    assert not any(b"fLaC" in sealed for sealed in lying.values())


def test_what_is_withdrawn_is_gone_from_the_storage(store, fill, bucket):
    fill(3)
    one, two, three = (leased.clip.id for leased in store.lease("anna", 3))
    paths = {clip: bucket.path(clip) for clip in (one, two, three)}
    assert store.withdraw([one]) == 1
    assert set(bucket.objects()) == {paths[two], paths[three]}
    with pytest.raises(Refused, match="withdrawn"):
        store.audio("anna", one)
    assert store.withdraw_subject("person 1") == 1
    assert set(bucket.objects()) == {paths[three]}


def test_what_was_critical_long_enough_is_gone_from_the_storage(store, fill, bucket, device, clock):
    fill(1)
    (clip,) = (leased.clip.id for leased in store.lease("anna", 1))
    anna = device("anna")
    anna.decide(clip, Verdict.CRITICAL)
    anna.push(store)
    assert store.purge() == 0
    assert len(bucket.objects()) == 1
    clock.now += 8 * 86400
    assert store.purge() == 1
    assert bucket.objects() == {}


def test_a_withdrawal_does_not_wait_for_a_storage_that_is_down(s3, store, fill, bucket, team):
    fill(2)
    one, two = (leased.clip.id for leased in store.lease("anna", 2))
    s3.kill_gateway()
    try:
        # It is in force at once; only the note outside the database waits, and that is told.
        with pytest.raises(StoreError, match="it is withdrawn, but not yet written down outside the database"):
            store.withdraw([one])
        with pytest.raises(StoreUnreachable, match="no clip is given out"):
            store.audio("anna", two)
    finally:
        s3.start_gateway()
    assert team.sql("SELECT count(*) FROM earmark.clip_key") == [(1,)]
    assert len(bucket.objects()) == 2  # one of them nobody can open
    store.purge()
    assert set(bucket.objects()) == {bucket.path(two)}
    assert store.audio("anna", two)


def test_an_object_that_is_missing_or_damaged_is_told(store, fill, bucket):
    fill(2)
    one, two = (leased.clip.id for leased in store.lease("anna", 2))
    lying = bucket.objects()
    bucket.delete(bucket.path(one))
    bucket.put(bucket.path(two), lying[bucket.path(one)])
    with pytest.raises(StoreError, match=f"sound of clip {one} is missing"):
        store.audio("anna", one)
    with pytest.raises(StoreError, match=f"sound of clip {two} is damaged"):
        store.audio("anna", two)
    assert store.withdraw([one, two]) == 2
    assert bucket.objects() == {}


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_told_and_change_nothing(team, store, fill, bucket, monkeypatch, name):
    fill(1)
    (clip,) = (leased.clip.id for leased in store.lease("anna", 1))
    before = bucket.objects()
    monkeypatch.setenv(name, "another")
    stranger = again(team)
    with pytest.raises(StoreError, match="cannot be kept: the object storage refuses these credentials"):
        list(stranger.add([make_incoming(7)]))
    reviewer = PostgresStore(team.url("anna"), lease_seconds=900, master_key=str(team.master_key))
    with pytest.raises(StoreUnreachable, match="cannot be read: the object storage refuses these credentials"):
        reviewer.audio("anna", clip)
    stranger.close()
    reviewer.close()
    assert store.counts("anna").clips == 1
    assert bucket.objects() == before


def test_a_bucket_that_is_not_there_is_told(server, team, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(StoreError, match="no such bucket; nothing was done"):
        Team(server, tmp_path / "other", audio="s3://nowhere/audio")


def test_a_load_that_the_storage_died_under_goes_on_where_it_was(s3, team, store, bucket, backdoor, monkeypatch):
    """It is killed in the middle of puts, between them and between batches; what is in plays, and nothing is twice."""
    chance = random.Random(int(os.environ.get("EARMARK_SEED", "1")))
    backdoor.batches_of(monkeypatch, 8)
    loaded = [make_incoming(n) for n in range(CLIPS * KILLS)]
    added = 0
    for kill in range(KILLS):
        reached = threading.Event()
        dies_at, delay = CLIPS * kill + chance.randrange(CLIPS), chance.uniform(0, 0.3)

        def given(until: int = CLIPS * (kill + 1), at: int = dies_at, reached: threading.Event = reached):
            for number, one in enumerate(loaded[:until]):
                if number == at:
                    reached.set()
                yield one

        def killing(reached: threading.Event = reached, delay: float = delay) -> None:
            reached.wait(60)
            threading.Event().wait(delay)
            s3.kill_gateway()

        killer = threading.Thread(target=killing)
        killer.start()
        program = again(team)
        told: list[str] = []
        with contextlib.suppress(StoreError):  # or the load was done before
            told.extend(program.add(given()))
        killer.join()
        s3.start_gateway()
        program.close()
        assert set(told) <= {"known", "added"}
        added += told.count("added")
    resumed = list(store.add(loaded))
    assert set(resumed) <= {"known", "added"}
    assert added + resumed.count("added") <= len(loaded)
    assert store.counts("anna").clips == len(loaded)
    # What was put for a batch that did not go in may be left, and nobody has its key.
    rows = {bucket.path(clip) for (clip,) in team.sql("SELECT id FROM earmark.clip")}
    assert rows <= set(bucket.objects())
    assert everything_plays(store, loaded)


def test_programs_that_load_the_same_at_once_never_write_over_each_other(team, store, bucket, backdoor, monkeypatch):
    backdoor.batches_of(monkeypatch, 8)
    loaded = [make_incoming(n) for n in range(CLIPS)]
    outcomes: list[str] = []
    failed: list[BaseException] = []
    begin = threading.Barrier(3)

    def load(order: Callable[[list[Incoming]], list[Incoming]]) -> None:
        try:
            program = again(team)
            begin.wait(60)
            outcomes.extend(program.add(order(loaded)))
            program.close()
        except BaseException as error:
            failed.append(error)

    orders: list[Callable[[list[Incoming]], list[Incoming]]] = [
        list,
        lambda all_: all_[8:] + all_[:8],
        lambda all_: all_[16:] + all_[:16],
    ]
    threads = [threading.Thread(target=load, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(outcomes) == ["added"] * CLIPS + ["known"] * CLIPS * 2
    assert set(bucket.objects()) == {bucket.path(clip) for (clip,) in team.sql("SELECT id FROM earmark.clip")}
    assert everything_plays(store, loaded)
