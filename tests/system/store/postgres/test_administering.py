"""Whoever makes a store, and lets people in and out: what stands in the way, and what a failure leaves behind."""

from __future__ import annotations

import os

import psycopg
import pytest

from earmark.queue.store import postgres_schema
from earmark.queue.store.interface import StoreError, StoreUnreachable
from earmark.queue.store.master import make_master
from earmark.queue.store.postgres import PostgresStore
from earmark.queue.store.withdrawal_log import FOLDER, WithdrawalLog


@pytest.fixture
def database(server):
    database = f"administered_{os.urandom(4).hex()}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}".encode())
    return database


@pytest.fixture
def init(server, database, tmp_path):
    """Makes the store, as often as one likes."""
    key = tmp_path / "master.key"

    def init():
        return postgres_schema.init(
            server.url(database),
            audio=f"file://{tmp_path}/audio",
            master=lambda: bytes.fromhex(key.read_text()) if key.exists() else make_master(key),
        )

    return init


@pytest.fixture
def run(server, database):
    """Runs a statement as the server's superuser."""

    def run(statement):
        with psycopg.connect(server.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    return run


def test_who_would_stay_a_supervisor_is_not_taken_for_removed(server, database, init, run):
    init()
    url, eve, others = server.url(database), f"eve_{database}", f"others_{database}"
    postgres_schema.add_person(url, "eve", eve, supervisor=True)
    run(f"CREATE ROLE {others}; GRANT {database}_supervisor TO {others}; GRANT {others} TO {eve}")
    with pytest.raises(StoreError, match=f"'{eve}' would stay in '{database}_supervisor', as a member of '{others}'"):
        postgres_schema.remove_person(url, eve)
    store = PostgresStore(server.url(database, eve), lease_seconds=60)
    assert store.reviewer == "eve"
    assert store.opinions() == 1
    store.close()
    run(f"REVOKE {others} FROM {eve}")
    postgres_schema.remove_person(url, eve)
    with pytest.raises(StoreError):
        PostgresStore(server.url(database, eve), lease_seconds=60)


def test_who_was_let_in_by_another_role_is_told_by_which(server, database, init):
    """A later PostgreSQL (16) leaves a membership where it is that somebody else has given."""
    init()
    url, eve = server.url(database), f"eve_{database}"
    postgres_schema.add_person(url, "eve", eve, supervisor=True)
    group = f"{database}_supervisor"
    words = f'REVOKE "{group}" FROM "{eve}" GRANTED BY "postgres" in psql'
    with postgres_schema.administering(url) as (connection, _), pytest.raises(StoreError, match=words):
        postgres_schema._refuse_member(connection, eve, group)


def test_a_superuser_and_whoever_administers_can_be_removed(server, database, init, run):
    init()
    url, root, own, others = server.url(database), f"root_{database}", f"own_{database}", f"others_{database}"
    run(f"CREATE ROLE {root} LOGIN SUPERUSER; CREATE ROLE {own} LOGIN; CREATE ROLE {others}")
    for name in (root, own):
        postgres_schema.add_person(url, name, name, supervisor=True)
    postgres_schema.remove_person(url, root)
    run(f"GRANT {database}_supervisor, {database}_reviewer TO {own} WITH ADMIN OPTION")
    run(f"GRANT {database}_supervisor TO {others}; GRANT {database}_owner, {others} TO {own}")
    postgres_schema.remove_person(server.url(database, own), own)


@pytest.mark.parametrize("which", ["owner", "reviewer", "supervisor"])
def test_a_group_by_which_somebody_logs_in_is_refused(database, init, run, which):
    run(f"CREATE ROLE {database}_{which} LOGIN")
    with pytest.raises(StoreError, match=f"'{database}_{which}' is to be a group's name"):
        init()
    run(f"ALTER ROLE {database}_{which} NOLOGIN")
    assert init().before == 0


def test_a_store_that_never_was_leaves_no_log_in_the_next_ones_way(server, database, init, tmp_path, monkeypatch):
    def dies(connection):
        connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch, pytest.raises(StoreUnreachable):
        patch.setattr(psycopg.Connection, "commit", dies)
        init()
    assert [path for path in (tmp_path / "audio" / FOLDER).rglob("*") if path.is_file()] == []
    assert init().before == 0
    postgres_schema.add_person(server.url(database), "eve", f"eve_{database}", supervisor=True)
    store = PostgresStore(server.url(database, f"eve_{database}"), lease_seconds=60)
    store.check_withdrawals()
    store.close()


def test_a_store_whose_log_could_not_begin_gives_out_nothing_until_it_has(server, database, init, monkeypatch):
    def full(log):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(WithdrawalLog, "start", full)
        with pytest.raises(StoreError, match="No space left on device; the store is here, but nobody is given a clip"):
            init()
    postgres_schema.add_person(server.url(database), "eve", f"eve_{database}", supervisor=True)
    store = PostgresStore(server.url(database, f"eve_{database}"), lease_seconds=60)
    with pytest.raises(StoreUnreachable, match="the log of withdrawals is not beside the audio"):
        store.lease("eve", 1)
    assert init().before == postgres_schema.known_version()
    assert store.lease("eve", 1) == []
    store.close()


def test_an_administrators_lock_that_somebody_holds_is_told(server, database, init, monkeypatch):
    init()
    monkeypatch.setattr(postgres_schema, "_LOCK_SECONDS", 1)
    with psycopg.connect(server.url(database), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (postgres_schema._LOCK,))
        with pytest.raises(StoreUnreachable, match="administering this store for 1 s"):
            postgres_schema.upgrade(server.url(database))
    postgres_schema.upgrade(server.url(database))
