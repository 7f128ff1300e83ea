"""One page of `earmark speaker --web` that has the sound: frames go to it, its lines go to the program."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from earmark.tui.sound.speaker.frames import GREETING, TOOK_OVER, Frame, FrameReader, Garbled, LineReader
from earmark.tui.sound.speaker.relay import ALIVE, KNOCK
from earmark.tui.sound.speaker.rendezvous import join

TAKEN: Final = 4001
"""The code with which a page's connection ends when another one takes over."""

CLOSING: Final = 2.0
"""Seconds for a page to take its leave."""

_BLOCK = 65536


class Page:
    """A page that has the sound, and its connection to the program."""

    def __init__(self, connection: ServerConnection, say: Callable[[str], None]) -> None:
        self._connection = connection
        self._say = say
        self._lines = LineReader()
        self._program: asyncio.StreamWriter | None = None
        self._told = ""
        self.hello = ""
        """What it says of itself."""
        self.displaced = asyncio.Event()
        """Another one has the sound now."""

    async def greeted(self) -> None:
        """Wait until it has said hello; gives up without it at the first thing that is something else."""
        async for line in self._heard():
            if line.startswith("HELLO "):
                self.hello = line
            return

    async def run(self) -> None:
        """Pass on until it is gone or displaced. Raises `NoRendezvous` where nobody can meet the program any more."""
        ways = [asyncio.create_task(way) for way in (self._listen(), self._play(), self.displaced.wait())]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._part()
        for way in done:
            with contextlib.suppress(ConnectionClosed):
                way.result()
        if self.displaced.is_set():
            await self.give_up()

    async def give_up(self) -> None:
        """Tell it that another one has the sound, and hang up."""
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(CLOSING):  # it may be one that does not read any more
                await self._connection.send(Frame("Q another page or speaker of yours has taken over").binary())
        await self._connection.close(TAKEN)

    async def _heard(self) -> AsyncIterator[str]:
        async for message in self._connection:
            for line in self._lines.feed((message.encode() if isinstance(message, str) else message) + b"\n"):
                yield line

    async def _listen(self) -> None:
        """Lines from the page."""
        async for line in self._heard():
            if line.startswith("HELLO "):
                continue  # said once; a second one would be somebody else's
            if self._program is not None:
                with contextlib.suppress(OSError):  # a program that is gone is seen where one reads from it
                    self._program.write(f"{line}\n".encode())
                    await self._program.drain()

    async def _play(self) -> None:
        """Frames to the page, sitting after sitting, until another speaker takes over."""
        while not self.displaced.is_set():
            await self._forward(await self._meet())

    async def _meet(self) -> asyncio.StreamReader:
        """Wait for a sitting, and join it."""
        due = 0.0
        while (program := join()) is None:
            self._tell("Waiting for a sitting: start `earmark review` on this host.")
            if time.monotonic() >= due:
                due = time.monotonic() + ALIVE
                await self._connection.send(Frame("K 0").binary())
            await asyncio.sleep(KNOCK)
        reader, self._program = await asyncio.open_unix_connection(sock=program)
        self._program.write(f"{GREETING}\n{self.hello}\n".encode())
        self._tell("Joined the sitting; its sound goes out in the page.")
        return reader

    async def _forward(self, reader: asyncio.StreamReader) -> None:
        """Pass on until the sitting ends or another speaker takes over."""
        frames = FrameReader()
        try:
            while block := await reader.read(_BLOCK):
                for frame in frames.feed(block):
                    if frame.line.startswith("Q "):
                        self.displaced.set()
                        return
                    if frame.line == TOOK_OVER:
                        self._tell("It takes over from another speaker of yours, which has ended.")
                        continue
                    await self._connection.send(frame.binary())
        except (Garbled, OSError):
            pass  # as good as gone
        finally:
            self._part()
        await self._connection.send(Frame("R").binary())
        self._tell("The sitting is over.")

    def _part(self) -> None:
        """Leave the program."""
        if self._program is not None:
            self._program.close()
            self._program = None

    def _tell(self, words: str) -> None:
        if words != self._told:
            self._told = words
            self._say(words)
