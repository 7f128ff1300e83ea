"""Which PostgreSQL URLs will do, and that none weaker than verified TLS leaves the machine."""

from __future__ import annotations

import pytest

from earmark.queue.store.interface import StoreError
from earmark.queue.store.postgres_url import parameters, shown

STRONG = {
    "sslmode": "verify-full",
    "channel_binding": "require",
    "require_auth": "scram-sha-256",
    "ssl_min_protocol_version": "TLSv1.3",
    "gssencmode": "disable",
}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///earmark",
        "postgresql://anna@localhost/earmark",
        "postgresql://anna@127.0.0.1:5433/earmark?sslmode=disable",
        "postgresql://anna@[::1]/earmark",
        "postgresql://anna@/earmark?host=/run/postgresql",
        "postgresql://anna@name/earmark?hostaddr=127.0.0.1",
    ],
)
def test_on_this_machine_anything_goes(url):
    given = parameters(url)
    assert "channel_binding" not in given
    assert given["connect_timeout"] == 10


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna@db.example.org/earmark",
        "postgresql://anna:secret@10.1.2.3/earmark?sslmode=verify-full",
        "postgresql://anna@localhost/earmark?hostaddr=10.1.2.3",
        "postgresql://anna@localhost,db.example.org/earmark",
        "postgresql://anna@[2001:db8::1]/earmark?sslrootcert=system",
    ],
)
def test_to_another_machine_what_is_not_said_is_filled_in(url):
    assert parameters(url).items() >= STRONG.items()


@pytest.mark.parametrize(
    "weak",
    [
        "sslmode=disable", "sslmode=prefer", "sslmode=require", "sslmode=verify-ca", "channel_binding=prefer",
        "channel_binding=disable", "require_auth=password", "require_auth=md5,scram-sha-256", "require_auth=none",
        "ssl_min_protocol_version=TLSv1.2", "gssencmode=require",
    ],
)  # fmt: skip
@pytest.mark.parametrize("host", ["db.example.org", "localhost,10.0.0.1"])
def test_to_another_machine_nothing_weaker_will_do(weak, host):
    name = weak.partition("=")[0]
    with pytest.raises(StoreError, match=f"says {weak}.*nothing weaker than.*Leave {name} out"):
        parameters(f"postgresql://anna:secret@{host}/earmark?{weak}")


def test_a_certificate_of_ones_own_stands_for_the_password():
    given = parameters("postgresql://anna@db.example.org/earmark?sslcert=a.crt&sslkey=a.key")
    assert given["sslmode"] == "verify-full"
    assert given["sslcertmode"] == "require"
    assert "require_auth" not in given
    with pytest.raises(StoreError, match="sslmode"):
        parameters("postgresql://anna@db.example.org/earmark?sslcert=a.crt&sslmode=require")


@pytest.mark.parametrize("name", ["PGHOST", "PGHOSTADDR"])
def test_the_environment_does_not_lead_elsewhere(monkeypatch, name):
    monkeypatch.setenv(name, "10.1.2.3")
    monkeypatch.setenv("PGSSLMODE", "disable")
    assert parameters("postgresql:///earmark")["sslmode"] == "verify-full"


def test_a_service_file_could_say_anything():
    with pytest.raises(StoreError, match="service file"):
        parameters("postgresql:///earmark?service=team")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://anna:hunter2@db.example.org:5433/ear?sslmode=verify-full", "db.example.org:5433/ear"),
        ("postgresql:///earmark?password=hunter2", "database earmark"),
        ("postgresql://x:hunter2@[/", "the PostgreSQL store"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url, words):
    assert shown(url) == words


@pytest.mark.parametrize("url", ["postgresql://anna:hunter2@[x/", "postgresql:///x?hunter2=1"])
def test_what_is_no_url_is_told_without_quoting_it(url):
    with pytest.raises(StoreError, match="postgresql://USER@HOST/DATABASE") as caught:
        parameters(url)
    assert "hunter2" not in str(caught.value)
