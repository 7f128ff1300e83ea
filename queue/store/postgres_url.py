"""A `postgresql://` URL into the parameters of a connection, none of which may be weaker than verified TLS.

On this machine (a Unix socket or the loopback) anything goes. To another one the server must prove by a certificate
that it is the one named, and it never gets the password, only the proof that we know it (SCRAM, bound to the TLS
channel); with a client certificate no password is in play at all.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from earmark.queue.store.interface import StoreError
from earmark.queue.text import clean_name

_REMOTE = {
    "sslmode": ("verify-full",),
    "channel_binding": ("require",),
    "require_auth": ("scram-sha-256",),
    "ssl_min_protocol_version": ("TLSv1.3",),
    "gssencmode": ("disable",),
}
"""What a connection to another machine must have; the first value is filled in when the URL is silent."""

_WITH_CERTIFICATE = ("channel_binding", "require_auth")
"""What a connection with a client certificate need not have: there the password is not asked for."""

_ALWAYS: dict[str, Any] = {
    "application_name": "earmark",
    "client_encoding": "UTF8",
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""What we ask for unless the URL says otherwise: a dead network is noticed within half a minute."""


def parameters(url: str) -> dict[str, Any]:
    """The connection parameters of `url`. Raises `StoreError` when it is none, or weaker than it may be."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:  # its message quotes the URL, password and all
        raise StoreError("this is no PostgreSQL URL; write postgresql://USER@HOST/DATABASE") from None
    if "service" in given or _in_environment("service"):
        raise StoreError("a PostgreSQL service file cannot be used: write host and database into the store's URL")
    effective = {**{name: value for name in ("host", "hostaddr") if (value := _in_environment(name))}, **given}
    if not all(map(_is_local, _hosts(effective))):
        given = _strengthened(given)
    return {**_ALWAYS, **{name: value for name, value in given.items() if value is not None}}


def shown(url: str) -> str:
    """The URL as it may be shown: without its password, user and parameters."""
    try:
        parts = urlsplit(url)
        path = unquote(parts.path)
        if not parts.hostname:
            # A gate's words are read on another machine, where "this machine" would be the reviewer's own.
            return clean_name(f"database {path.strip('/')}")
        return clean_name(f"{parts.hostname}{f':{parts.port}' if parts.port else ''}{path}")
    except ValueError:
        return "the PostgreSQL store"


def _strengthened(given: Mapping[str, Any]) -> dict[str, Any]:
    certificate = bool(given.get("sslcert"))
    result = dict(given)
    for name, allowed in _REMOTE.items():
        if certificate and name in _WITH_CERTIFICATE:
            continue
        value = given.get(name)
        if value is not None and value not in allowed:
            raise StoreError(
                f"the store's URL says {name}={clean_name(str(value))}: to another machine nothing weaker than "
                f"{name}={allowed[0]} will do. Leave {name} out"
            )
        result[name] = allowed[0]
    if certificate:
        result["sslcertmode"] = "require"
    return result


def _hosts(effective: Mapping[str, Any]) -> list[str]:
    # The address is where it connects, whatever the host is called.
    named = effective.get("hostaddr") or effective.get("host") or ""
    return str(named).split(",")


def _is_local(host: str) -> bool:
    if host == "" or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _in_environment(name: str) -> str | None:
    """What libpq takes from the environment (such as PGHOST) where the URL is silent."""
    from psycopg import pq

    for option in pq.Conninfo.get_defaults():
        if option.keyword.decode() == name:
            return None if option.val is None else option.val.decode() or None
    return None
