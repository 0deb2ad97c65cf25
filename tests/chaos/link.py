"""A wire to one server that can be cut, slowed, or made to lose every answer: a TCP proxy on loopback.

Reads     what clients and the server send
Writes    the same, as long as nothing is wrong with the wire
Promises  a connection that has lost a byte is never used again: it is broken off, so that both ends come to know; no
          task and no socket outlives `close`
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import Self

from esep.closing import Closing
from tests.chaos.schedule import CUT, DELAY, HALF_OPEN

HOST = "127.0.0.1"
WHOLE = "WHOLE"
DELAY_S = 0.4  # Of each piece, in each direction.
_PIECE_BYTES = 64 * 1024
_START_S = 10.0


class Link(Closing):
    """The wire. `port`: where clients find it. As a context manager it is there until the end."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self._target_port = target_port
        self._state = WHOLE
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._is_up, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])

    def set(self, state: str) -> None:
        """Make the wire WHOLE, or give it one of the faults that schedules have for wires."""
        self._loop.call_soon_threadsafe(self._set, state)

    def close(self) -> None:
        """Break off all connections and take no more."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_S)
        self._loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_up.wait(_START_S), "the proxy did not start"
        return self

    def _set(self, state: str) -> None:
        if state == CUT or self._state == HALF_OPEN:  # After lost answers nothing that follows would make sense.
            self._break_off()
        self._state = state

    def _break_off(self) -> None:
        for writer in self._writers:
            _reset(writer)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        await self._stop.wait()
        server.close()
        self._break_off()
        await server.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(others, timeout=1) if others else None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._state == CUT:
            _reset(writer)
            return
        try:
            answers, requests = await asyncio.open_connection(HOST, self._target_port)
        except OSError:
            _reset(writer)
            return
        pair = {writer, requests}
        self._writers |= pair
        try:
            await asyncio.gather(
                self._pump(reader, requests, is_answer=False), self._pump(answers, writer, is_answer=True)
            )
        finally:
            self._writers -= pair
            for one in pair:
                one.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE_BYTES):
                if self._state == DELAY:
                    await asyncio.sleep(DELAY_S)
                if not (is_answer and self._state == HALF_OPEN):
                    writer.write(piece)
                    await writer.drain()
            if writer.can_write_eof() and not writer.is_closing():
                writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection off so that the other end sees an error and not an end: linger 0 sends RST (socket(7))."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
