"""Bytes pass between the event loop and a thread in order, bounded, and never silently cut."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.embedded.clickhouse.answers import QueryError
from esep.embedded.clickhouse.bridge import Inbox, Outlet


class Body:
    """A body in pieces, that ends with an error or in order."""

    def __init__(self, pieces: list[bytes], error: Exception | None = None) -> None:
        self.left = list(pieces)
        self._error = error

    async def readany(self) -> bytes:
        await asyncio.sleep(0)
        if not self.left and self._error:
            raise self._error
        return self.left.pop(0) if self.left else b""


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=50), max_size=40), st.integers(1, 70))
def test_body_arrives_whole_and_in_order(pieces: list[bytes], size: int) -> None:
    async def pass_on() -> bytes:
        inbox = Inbox()
        reading = asyncio.create_task(asyncio.to_thread(lambda: b"".join(iter(lambda: inbox.read(size), b""))))
        await inbox.feed(Body(pieces))
        assert inbox.is_complete
        return await reading

    assert asyncio.run(pass_on()) == b"".join(pieces)


def test_body_that_breaks_off_is_an_error_each_time_it_is_read() -> None:
    async def pass_on() -> None:
        inbox = Inbox()
        with pytest.raises(ConnectionResetError):
            await inbox.feed(Body([b"half"], ConnectionResetError()))
        assert await asyncio.to_thread(inbox.read, 10) == b"half"
        for _ in range(2):
            with pytest.raises(QueryError, match="before its request ended"):
                await asyncio.to_thread(inbox.read, 10)
        assert not inbox.is_complete

    asyncio.run(pass_on())


def test_body_waits_while_nobody_takes_it() -> None:
    async def pass_on() -> None:
        inbox, content = Inbox(), Body([b"wager"] * 100)
        feeding = asyncio.create_task(inbox.feed(content))
        for _ in range(300):
            await asyncio.sleep(0)
        assert len(content.left) > 80, "it was all taken in"
        assert await asyncio.to_thread(inbox.read, 3) == b"wag"
        feeding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await feeding

    asyncio.run(pass_on())


def test_result_arrives_whole_while_it_is_written() -> None:
    written = os.urandom(5_000_000)

    async def pass_on() -> list[bytes]:
        outlet = Outlet()

        def write() -> None:
            with os.fdopen(outlet.writer, "wb") as file:
                file.write(written)

        writing = asyncio.create_task(asyncio.to_thread(write))
        pieces = [piece async for piece in outlet.pieces()]
        await writing
        outlet.close()
        return pieces

    pieces = asyncio.run(pass_on())
    assert b"".join(pieces) == written
    assert max(map(len, pieces)) <= 1024 * 1024


def test_writer_gets_an_error_once_nobody_takes_the_result() -> None:
    async def pass_on() -> None:
        outlet = Outlet()
        outlet.close()
        with pytest.raises(BrokenPipeError):
            os.write(outlet.writer, b"x")
        os.close(outlet.writer)

    asyncio.run(pass_on())
