"""Bring bytes between the event loop and the threads in which the engine works.

Reads     a request's body; what the engine writes into a pipe
Returns   the body to a thread, the result to the event loop
Promises  both are bounded: who is faster waits; a body that broke off is an error and never looks like a whole one
          (box: embedded)
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import sys
from typing import TYPE_CHECKING, Protocol

from esep.embedded.clickhouse.answers import QueryError, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SILENCE_S = (
    300.0  # A client that neither sends nor takes for so long is gone; ClickHouse waits 30 s, a debugger longer.
)
_PIECES_WAITING_MAX = 8  # Of at most twice the read buffer each.
_PIPE_BYTES = 1024 * 1024  # The most that Linux allows to any user; with its 64 kB the loop wakes 16 times as often.


class Content(Protocol):
    """A body as aiohttp has it: the next bytes, none at its end, an exception if it breaks off."""

    async def readany(self) -> bytes:
        """Return what has come."""


class Inbox:
    """A request's body on its way to a thread, which reads it while the event loop feeds it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces: queue.SimpleQueue[bytes | QueryError] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(_PIECES_WAITING_MAX)
        self._rest = b""
        self._end: bytes | QueryError | None = None
        self.is_complete = False

    async def feed(self, content: Content) -> None:
        """Pass on a body to its end, waiting while nobody takes it; however it ends, the reader hears of it."""
        try:
            while True:
                async with asyncio.timeout(SILENCE_S):
                    piece = await content.readany()
                if not piece:
                    break
                await self._room.acquire()
                self._pieces.put(piece)
        except BaseException:
            self.break_off()
            raise
        self.is_complete = True
        self._pieces.put(b"")

    def break_off(self) -> None:
        """Let the reader fail: the rest of the body will not come."""
        self._pieces.put(refusal(210, "NETWORK_ERROR", "The client went away, or was silent, before its request ended"))

    def read(self, size: int) -> bytes:
        """Return at most size bytes of the body, none at its end; blocks. Raises QueryError if it broke off."""
        if not self._rest:
            self._rest = self._next()
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def _next(self) -> bytes:
        if self._end is None:
            piece = self._pieces.get()
            if piece and isinstance(piece, bytes):
                self._loop.call_soon_threadsafe(self._room.release)
                return piece
            self._end = piece
        if isinstance(self._end, QueryError):
            raise self._end
        return self._end


class Outlet:
    """A result on its way to the event loop, through a pipe: the engine writes it as it writes a file.

    Raises QueryError if this process has too many files open.
    """

    def __init__(self) -> None:
        try:
            self._reader, self.writer = os.pipe()
        except OSError as error:
            raise refusal(76, "CANNOT_OPEN_FILE", "Too many files are open") from error
        os.set_blocking(self._reader, False)
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # Too many pipes are open: a small one does as well.
                fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the result as it comes, in pieces of at most 1 MiB; ends when the writer has been closed."""
        while True:
            try:
                piece = os.read(self._reader, _PIPE_BYTES)
            except BlockingIOError:
                await self._readable()
                continue
            if not piece:
                return
            yield piece

    def close(self) -> None:
        """Take no more: who writes on gets an error."""
        if self._reader >= 0:
            os.close(self._reader)
            self._reader = -1

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._reader, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self._reader)
