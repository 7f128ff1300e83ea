"""Who gets the page of `earmark speaker --web`: whoever has the one-time address, and afterwards the same browser.

The page is reached through a tunnel, so every request comes from this very machine, where others may have accounts
too. And the tunnel's other end is a port of the workstation, which any site that is open in a browser there can
address. So a request has to name a loopback host (or a site could have its own name resolve to one, DNS rebinding), may
come from no other origin, and has to bring the address's token the first time and the cookie that it gave afterwards.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from websockets.datastructures import Headers
    from websockets.http11 import Request

SOUND: Final = "/sound/"
"""Where a page asks for sound."""

_HOST = re.compile(r"(?:127\.0\.0\.1|localhost)(?::([0-9]{1,5}))?")
_TOKEN_BYTES = 32
_BROWSERS = 8  # that may reload the page: the latest to come with a token


class Refused(Exception):
    """This request gets nothing; the message says why, for the person at the browser."""

    def __init__(self, words: str, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> None:
        super().__init__(words)
        self.status = status


class Admitted:
    """A request that may have the page. `host` is what it calls us, `cookie` what its browser is to bring from now
    on.
    """

    def __init__(self, host: str, cookie: str) -> None:
        self.host = host
        self.cookie = cookie


class Gate:
    """Tokens and cookies of one `earmark speaker --web`. They live as long as it does, in memory only."""

    def __init__(self) -> None:
        self._token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._spent = ""
        self._keys: deque[str] = deque(maxlen=_BROWSERS)
        self.renewed = False
        """Whether a spent address was asked for, and there is a new one for whoever should have had it."""

    @property
    def path(self) -> str:
        """The path that gets the page, once."""
        return f"/{self._token}"

    def page(self, request: Request) -> Admitted:
        """Let a browser have the page: with its cookie, or with the token, which is spent by that. Raises `Refused`."""
        host = _host(request.headers)
        port = _port(host)
        if getattr(request, "method", "GET") != "GET":  # older releases of websockets take nothing else
            raise Refused("Only GET is answered here.", HTTPStatus.METHOD_NOT_ALLOWED)
        known = self._key(request.headers, port)
        if request.path != "/" and _same(request.path, self.path):
            self._spent, self._token = self._token, secrets.token_urlsafe(_TOKEN_BYTES)
            known = secrets.token_urlsafe(_TOKEN_BYTES)
            self._keys.append(known)
        elif request.path != "/" and not (self._spent and _same(request.path, f"/{self._spent}")):
            raise Refused("There is nothing here. Open the address that `earmark speaker --web` printed, whole.")
        elif not known:
            self.renewed = request.path != "/"
            raise Refused(
                "This page is for the browser in which its address was opened first, and until `earmark speaker --web`"
                " ends. Open the newest address that it printed."
            )
        # Cookies are told apart by host, not by port: each port has a name of its own.
        return Admitted(host, f"{_cookie(port)}={known}; Path=/; HttpOnly; SameSite=Strict")

    def sound(self, request: Request) -> None:
        """Let a page have the sound. Raises `Refused`."""
        host = _host(request.headers)
        if request.headers.get_all("Origin") != [f"http://{host}"]:
            raise Refused("Only the page that came from here may have the sound.")
        if not self._key(request.headers, _port(host)):
            raise Refused("This page is no longer good: open the newest address that `earmark speaker --web` printed.")

    def _key(self, headers: Headers, port: str) -> str:
        """The key that a browser brings in its cookie; empty where it brings none of ours."""
        pairs = (pair.strip().partition("=") for line in headers.get_all("Cookie") for pair in line.split(";"))
        brought = [value for name, _, value in pairs if name == _cookie(port)]
        return next((key for key in self._keys for value in brought if _same(value, key)), "")


def _host(headers: Headers) -> str:
    """The host that a request is for. Raises `Refused` unless it is this machine by one of its own names."""
    hosts = headers.get_all("Host")
    # Any port: the workstation's end of the tunnel may have another than ours.
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        raise Refused("This page is reached at 127.0.0.1 or localhost only.")
    return hosts[0]


def _port(host: str) -> str:
    found = _HOST.fullmatch(host)
    return (found and found[1]) or "80"


def _cookie(port: str) -> str:
    return f"earmark-{port}"


def _same(given: str, secret: str) -> bool:
    """Compare without telling by the time that it takes how much was right."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())
