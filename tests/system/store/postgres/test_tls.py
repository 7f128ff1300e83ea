"""What is asked of a connection to another machine, against a real server: TLS 1.3, a verified name, SCRAM."""

from __future__ import annotations

import re
import time

import psycopg
import pytest

from certificates import certificate
from earmark.queue.store.postgres_url import parameters
from needs import need_postgres
from postgres_server import PostgresServer

HOST = "db.example.org"


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """A server that speaks TLS, with a login that has a password; yields it and the file to know it by."""
    need_postgres()
    server = PostgresServer()
    certificate(server.folder, HOST)
    server.settings |= {
        "ssl": "on",
        "ssl_cert_file": str(server.folder / "server.crt"),
        "ssl_key_file": str(server.folder / "server.key"),
    }
    server.start()
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE anna LOGIN PASSWORD 'long and secret'")
    known = tmp_path_factory.mktemp("tls") / "known.crt"
    known.write_bytes((server.folder / "server.crt").read_bytes())
    yield server, known
    server.stop()


def connect(server, known, host=HOST, **more):
    """As the program would connect to another machine, except that it is this one."""
    given = parameters(f"postgresql://anna@{host}/postgres?sslrootcert={known}")
    given |= {"password": "long and secret", "hostaddr": "127.0.0.1", "port": server.port} | more
    return psycopg.connect(**given)


def test_a_verified_server_is_talked_to_over_tls_1_3(far):
    with connect(*far) as connection:
        row = connection.execute("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    assert row == ("TLSv1.3",)


def test_a_server_of_another_name_is_not(far):
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        connect(*far, host="other.example.org")


def test_a_server_that_nobody_vouches_for_is_not(far, tmp_path):
    server, _ = far
    certificate(tmp_path, HOST)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        connect(server, tmp_path / "server.crt")


def test_a_server_that_asks_for_the_password_itself_does_not_get_it(far):
    server, known = far
    rules = server.data / "pg_hba.conf"
    before = rules.read_text()
    try:
        rules.write_text(re.sub("scram-sha-256", "password", before))
        reload_rules(server)
        with pytest.raises(psycopg.OperationalError, match=r"password|authentication"):
            connect(server, known)
        rules.write_text(re.sub("scram-sha-256", "trust", before))
        reload_rules(server)
        with pytest.raises(psycopg.OperationalError, match=r"authentication|channel binding"):
            connect(server, known)
    finally:
        rules.write_text(before)
        reload_rules(server)
    connect(server, known).close()


def reload_rules(server: PostgresServer) -> None:
    """Have the server read its rules again, and wait until it has."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        before = connection.execute("SELECT pg_conf_load_time()").fetchone()
        connection.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 60
        while connection.execute("SELECT pg_conf_load_time()").fetchone() == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
