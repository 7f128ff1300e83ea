"""`ssh://[user@]host[:port][/store]`: what each part may be, and what it means. Pure."""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec

from earmark.queue.store.interface import StoreError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+\\-]{0,63}\Z")
_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9]{1,15})?\])\Z")


class Address(msgspec.Struct, frozen=True):
    """Where a gate is. `host` has no brackets; `store` is the store's URL there, None for the host's own choice."""

    host: str
    user: str | None = None
    port: int | None = None
    store: str | None = None

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" if self.user else self.host


def parse(url: str) -> Address:
    """The address in a URL.

    What follows the host's slash is a folder on the host, relative to the login's home, from the root with one more
    slash (`ssh://host//srv/store`); or a whole URL such as `ssh://host/sqlite:////srv/store`. Raises `StoreError`:
    among others for a host or user that `ssh` could take for an option.
    """
    shown = without_user(url)
    whole, slash, path = url.partition("://")[2].partition("/")
    user, at, place = whole.rpartition("@")
    found = re.fullmatch(r"(.*?)(?::(\d{1,5}))?", place, re.DOTALL)
    host, port = (found[1], found[2]) if found else (place, None)
    if not _HOST.match(host):
        raise StoreError(f"'{shown}' names no host; write ssh://[user@]host[:port][/store]")
    if at and not _USER.match(user):
        raise StoreError(f"'{shown}': no user is called that; write ssh://[user@]host[:port][/store]")
    if port is not None and not 0 < int(port) < 65536:
        raise StoreError(f"'{shown}': a port is a number from 1 to 65535")
    return Address(
        host.strip("[]"), user or None, int(port) if port else None, _store(unquote(path)) if slash else None
    )


def without_user(url: str) -> str:
    """A URL, or what was meant to be one, as it may be shown: without what may hold a password."""
    scheme = _SCHEME.match(url)
    start = scheme.end() if scheme else 0
    # Up to the last such sign: a password may hold others, and a slash.
    return url[:start] + url[start:].rpartition("@")[2].partition("?")[0]


def _store(path: str) -> str | None:
    if not path.strip("/"):
        return None
    if not path.isprintable():
        raise StoreError("the store's name in the URL holds control characters")
    return path if "://" in path else f"sqlite:///{path}"
