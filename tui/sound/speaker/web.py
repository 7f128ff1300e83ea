"""`earmark speaker --web`: a page on this machine's loopback address that plays the sound of this host's sitting.

For a workstation with a browser and a tunnel. The page is a receiver like any other: frames go to it as binary messages
of a WebSocket, its lines come back as text. Nothing is kept here, and nothing is kept there.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import re
import signal
import socket
import stat
from collections.abc import Callable, Mapping
from typing import Final

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from earmark.tui.sound.speaker.frames import MOST_LINE
from earmark.tui.sound.speaker.gate import SOUND, Gate, Refused
from earmark.tui.sound.speaker.page import CLOSING, Page
from earmark.tui.sound.speaker.paste import PAGE_PORT, reached
from earmark.tui.sound.speaker.rendezvous import folder
from earmark.tui.sound.speaker.replies import page_for, words_for

HOST: Final = "127.0.0.1"

PORTS: Final = range(PAGE_PORT, PAGE_PORT + 10)
"""Tried in turn: a tunnel can be saved in PuTTY for a port that stays the same."""

HELLO_WAIT: Final = 10.0
"""Seconds that a page has to say what it decodes."""

_BLOCK = 65536
_CLICKED = re.compile(re.escape(SOUND) + r"(click|again)/([0-9a-f]{32})")


class NoPort(Exception):
    """There is no port to listen on; the message is one line that says why and what to do."""


def listen(port: int | None) -> socket.socket:
    """A socket that listens on this machine's loopback address and nowhere else, on `port` or the first free one of
    `PORTS`. Raises `NoPort`.
    """
    ports = PORTS if port is None else (port,)
    for each in ports:
        # Only where the socket says that it is TCP does asyncio send at once what is written (TCP_NODELAY); else a play
        # that follows a stop would wait for 40 ms until the browser acknowledges the stop.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        # The port of a command that has just ended may be had at once.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, each))
            listener.listen()
        except OSError as error:
            listener.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise NoPort(f"port {each}: {error.strerror}") from None
            if error.errno == errno.EACCES:
                raise NoPort(f"port {each} is the system's: give one from 1024 on with --port") from None
            continue
        return listener
    if port is not None:
        raise NoPort(f"port {port} of this host is in use: give another one with --port, or none to have one chosen")
    raise NoPort(f"ports {ports[0]} to {ports[-1]} of this host are in use: give one with --port")


def serve_page(listener: socket.socket, say: Callable[[str], None]) -> None:
    """Give the page to whoever has its address, and the sound to the page, until a signal ends it or whoever started
    it hangs up. `say` shows a line to the person who started it. Raises `NoRendezvous` where nobody can meet the
    program.
    """
    folder()
    asyncio.run(_Web(listener, say).run())


class _Web:
    """One server. One page at a time has the sound: the one in which somebody clicked last."""

    def __init__(self, listener: socket.socket, say: Callable[[str], None]) -> None:
        self._listener = listener
        self._say = say
        self._gate = Gate()
        self._page: Page | None = None
        self._last = ""
        self._over: asyncio.Future[None] | None = None

    @property
    def _port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._end, None)
        if _is_pipe(0):
            # A remote command without a terminal gets no signal when its connection ends, and would hold the port.
            loop.add_reader(0, lambda: None if os.read(0, _BLOCK) else self._end(None))
        # What browsers send is told to nobody: addresses and cookies are in it.
        quiet = logging.Logger("page")
        quiet.addHandler(logging.NullHandler())
        async with serve(
            self._attend,
            sock=self._listener,
            process_request=self._answer,
            compression=None,  # it is compressed already
            server_header=None,
            max_size=2 * MOST_LINE,
            max_queue=64,
            ping_interval=None,  # the program asks whether the page is there
            close_timeout=CLOSING,
            logger=quiet,
        ):
            for line in way_here(self._port):
                self._say(line)
            self._tell_address()
            await self._over

    def _end(self, failure: Exception | None) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None) if failure is None else self._over.set_exception(failure)

    def _tell_address(self) -> None:
        self._say(
            f"Then open this in a browser there; it can be opened once: http://{HOST}:{self._port}{self._gate.path}"
        )

    # Requests.

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The page, or words that refuse it; None lets a page have its connection for sound."""
        try:
            if request.path.startswith(SOUND):
                self._gate.sound(request)
                return None
            admitted = self._gate.page(request)
        except Refused as refused:
            if self._gate.renewed:
                self._gate.renewed = False
                self._say(
                    "The address was opened a second time, elsewhere, and refused. If it was you, here is another."
                )
                self._tell_address()
            return words_for(refused)
        return page_for(admitted)

    # Pages.

    async def _attend(self, connection: ServerConnection) -> None:
        """One page, from its click to its end."""
        asked = _CLICKED.fullmatch(connection.request.path) if connection.request is not None else None
        if asked is None:
            return
        page = Page(connection, self._say)
        with contextlib.suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(HELLO_WAIT):
                await page.greeted()
        if not page.hello:
            return
        if asked[1] == "again" and asked[2] != self._last:
            # It was away while somebody clicked elsewhere: it must not take the sound back by itself.
            await page.give_up()
            return
        back = asked[1] == "again"
        before, self._page, self._last = self._page, page, asked[2]
        if before is not None:
            before.displaced.set()
        self._say("The page is back." if back else "Another page takes over." if before else "The page is there.")
        try:
            await page.run()
        except Exception as failure:
            self._end(failure)
        if self._page is page and self._over is not None and not self._over.done():
            self._page = None
            self._say(
                "Another speaker of yours has taken over; a click in the page brings the sound back there."
                if page.displaced.is_set()
                else "The page is gone. It comes back by itself once its line does."
            )


def way_here(port: int, environ: Mapping[str, str] = os.environ) -> list[str]:
    """How to reach `port` of this host from the workstation, in lines to show. Over SSH they name this user, and this
    host by the address that was reached.
    """
    host, options = reached(environ)
    return [
        f"At the workstation, open a tunnel: {' '.join(['ssh', *options, '-L', f'{port}:{HOST}:{port}', host])}",
        f"With PuTTY: Connection, SSH, Tunnels: source port {port}, destination {HOST}:{port}, Add; then log in.",
    ]


def _is_pipe(descriptor: int) -> bool:
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
