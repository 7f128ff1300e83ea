"""What `earmark speaker --web` sends over HTTP: its one page, and words for whoever may not have it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING

from websockets.datastructures import Headers
from websockets.http11 import Response

if TYPE_CHECKING:
    from earmark.tui.sound.speaker.gate import Admitted, Refused

_ALWAYS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Connection": "close",
}


def page_for(admitted: Admitted) -> Response:
    """The page, one file with its script and its style in it, and the cookie that its browser is to bring."""
    page = (files("earmark.tui.sound.speaker") / "page.html").read_text(encoding="utf-8")
    more = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": _policy(page, admitted.host),
        "Set-Cookie": admitted.cookie,
    }
    return _response(HTTPStatus.OK, page, more)


def words_for(refused: Refused) -> Response:
    """Why there is nothing, for whoever asked."""
    more = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    return _response(refused.status, f"{refused}\n", more)


def _policy(page: str, host: str) -> str:
    """What the page may do: run what it came with, and talk to where it came from."""
    own = {
        kind: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for kind, text in re.findall(r"<(script|style)>(.*?)</\1>", page, re.DOTALL)
    }
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'sha256-{own['script']}'",
            f"style-src 'sha256-{own['style']}'",
            f"connect-src 'self' ws://{host}",  # to Safari before 15.4 a WebSocket is not part of 'self'
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _response(status: HTTPStatus, body: str, more: Mapping[str, str]) -> Response:
    data = body.encode()
    headers = Headers({**_ALWAYS, **more, "Content-Length": str(len(data))})
    return Response(status.value, status.phrase, headers, data)
