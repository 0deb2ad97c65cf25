"""A wire to one server that can be cut, slowed, or made to lose every answer: a TCP proxy on loopback.

Reads     what clients and the server send
Writes    the same, as long as nothing is wrong with the wire, or with this client's end of it
Promises  a connection that has lost a byte is never used again: it is broken off, so that both ends come to know; no
          task and no socket outlives `close`
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Self

from esep.closing import Closing
from tests.chaos.schedule import CUT, DELAY, HALF_OPEN

HOST = "127.0.0.1"
WHOLE = "WHOLE"
DELAY_S = 0.4  # Of each piece, in each direction.
_PIECE_BYTES = 64 * 1024
_START_S = 10.0


class Link(Closing):
    """The wire. `port`: where clients find it. As a context manager it is there until the end.

    caller_of: who has called from a port of this machine, where that is asked for; it may take its time.
    """

    def __init__(self, target_port: int, caller_of: Callable[[int], str] | None = None) -> None:
        self.port = 0
        self._target_port = target_port
        self._caller_of = caller_of
        self._states: dict[str, str] = {}  # By caller, those that are not WHOLE; "" is every caller.
        self._writers: dict[asyncio.StreamWriter, str] = {}
        self._loop = asyncio.new_event_loop()
        self._is_up, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])

    def set(self, state: str, caller: str = "") -> None:
        """Make the wire WHOLE, or give it a fault that schedules have for wires; for one caller, or for all."""
        self._loop.call_soon_threadsafe(self._set, state, caller)

    def close(self) -> None:
        """Break off all connections and take no more."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_S)
        self._loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_up.wait(_START_S), "the proxy did not start"
        return self

    def _set(self, state: str, caller: str) -> None:
        if state == CUT or self._states.get(caller) == HALF_OPEN:  # After lost answers nothing more would make sense.
            self._break_off(caller)
        self._states[caller] = state

    def _state(self, caller: str) -> str:
        return next((state for who in ("", caller) if (state := self._states.get(who, WHOLE)) != WHOLE), WHOLE)

    def _break_off(self, caller: str = "") -> None:
        for writer in [one for one, who in self._writers.items() if caller in {"", who}]:
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
        port = writer.get_extra_info("peername")[1]
        caller = await asyncio.to_thread(self._caller_of, port) if self._caller_of else ""
        if self._state(caller) == CUT:
            _reset(writer)
            return
        try:
            answers, requests = await asyncio.open_connection(HOST, self._target_port)
        except OSError:
            _reset(writer)
            return
        pair = {writer: caller, requests: caller}
        self._writers |= pair
        try:
            await asyncio.gather(
                self._pump(reader, requests, caller, is_answer=False),
                self._pump(answers, writer, caller, is_answer=True),
            )
        finally:
            for one in pair:
                del self._writers[one]
                one.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caller: str, *, is_answer: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE_BYTES):
                state = self._state(caller)
                if state == DELAY:
                    await asyncio.sleep(DELAY_S)
                if not (is_answer and state == HALF_OPEN):
                    writer.write(piece)
                    await writer.drain()
            if writer.can_write_eof() and not writer.is_closing():
                writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection off so that the other end sees an error and not an end: linger 0 sends RST (socket(7))."""
    if not writer.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
