"""The port of the page: what is written to a browser leaves at once."""

from __future__ import annotations

import asyncio
import socket

from earmark.tui.sound.speaker.web import listen


def test_what_is_written_does_not_wait_for_an_acknowledgement() -> None:
    async def delayed() -> bool:
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        async def attend(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            told.set_result(not writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = listen(None)
        async with await asyncio.start_server(attend, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            try:
                return await told
            finally:
                writer.close()
                await writer.wait_closed()

    assert not asyncio.run(delayed())
