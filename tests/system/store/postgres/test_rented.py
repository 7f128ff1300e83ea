"""A database that one does not rule the server of: its owner may make roles, and is no superuser."""

from __future__ import annotations

import os

import psycopg
import pytest

from earmark.queue.store import postgres_schema
from earmark.queue.store.interface import StoreError
from earmark.queue.store.master import make_master
from earmark.queue.store.postgres import PostgresStore


@pytest.fixture
def rented(server):
    """The database, and the names of its owner and of somebody who does not own it; both may make roles."""
    database = f"rented_{os.urandom(4).hex()}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        for name in ("owner", "other"):
            connection.execute(f"CREATE ROLE {name}_{database} LOGIN CREATEROLE".encode())
        connection.execute(f"CREATE DATABASE {database} OWNER owner_{database}".encode())
        connection.execute(f"GRANT CREATE ON DATABASE {database} TO other_{database}".encode())
    return database


def test_its_owner_can_make_a_store_and_let_people_in(server, rented, tmp_path, incoming):
    owner = server.url(rented, f"owner_{rented}")
    key = tmp_path / "master.key"
    postgres_schema.init(owner, audio=f"file://{tmp_path}/audio", master=lambda: make_master(key))
    assert postgres_schema.add_person(owner, "eve", f"eve_{rented}", supervisor=True)
    assert not postgres_schema.add_person(owner, "eve", f"eve_{rented}", supervisor=True)
    store = PostgresStore(server.url(rented, f"eve_{rented}"), lease_seconds=60, master_key=str(key))
    assert list(store.add([incoming(0)])) == ["added"]
    (leased,) = store.lease("eve", 1)
    assert store.audio("eve", leased.clip.id) == incoming(0).audio
    store.close()
    with pytest.raises(StoreError, match="somebody else's already"):
        postgres_schema.add_person(owner, "eve", f"mallory_{rented}", supervisor=False)
    with pytest.raises(StoreError, match="is a group's name"):
        postgres_schema.add_person(owner, "x", f"{rented}_supervisor", supervisor=False)
    assert postgres_schema.upgrade(owner).before == postgres_schema.known_version()


def test_who_does_not_own_it_cannot_shut_it_and_is_told(server, rented, tmp_path):
    with pytest.raises(StoreError, match="run 'earmark store init' as its owner"):
        postgres_schema.init(
            server.url(rented, f"other_{rented}"),
            audio=f"file://{tmp_path}/a",
            master=lambda: make_master(tmp_path / "k"),
        )
    with psycopg.connect(server.url(rented)) as connection:
        row = connection.execute("SELECT to_regnamespace('earmark') IS NULL").fetchone()
    assert row == (True,)
