"""The organizer's client for asyncio: the same spool and the same promises, without blocking the event loop.

Reads     events of `esep.events`, from any number of tasks of one event loop
Writes    as `OrganizerClient`
Promises  a task goes on after its event is durable; tasks that send at the same time share commits (box: producers)

    async with AsyncOrganizerClient("940140000385", "127.0.0.1:9092", Path("esep.spool")) as client:
        entry_id = await client.send(wager, "desk-7")

A task that is cancelled while it sends may have sent or not: if its event's turn had come, the event is kept.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self, Unpack

from esep.producers.client import WAITING_MAX, ClientOptions, ClientStatus, OrganizerClient

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from esep.events import Event, Movement


class AsyncOrganizerClient:
    """`OrganizerClient` for asyncio: its options, its methods, its errors."""

    def __init__(
        self, organizer_bin: str, bootstrap_servers: str, spool_path: Path, **options: Unpack[ClientOptions]
    ) -> None:
        self._client = OrganizerClient(organizer_bin, bootstrap_servers, spool_path, **options)
        self._room = asyncio.Semaphore(WAITING_MAX)

    async def send(self, event: Event, stream_id: str) -> str:
        """Keep one event under the stream's next sequence; return its entry id once it is durable."""
        return (await self.send_many([event], stream_id))[0]

    async def send_many(self, events: Sequence[Event], stream_id: str) -> list[str]:
        """Keep events of one stream, all or none, in one commit; return their entry ids."""
        async with self._room:
            return await asyncio.wrap_future(self._client.submit(events, stream_id))

    async def flush(self, timeout_s: float = 60.0) -> None:
        """Return once the broker has acknowledged everything kept so far; BrokerUnavailable after timeout_s."""
        await asyncio.to_thread(self._client.flush, timeout_s)

    async def status(self) -> ClientStatus:
        """Return how the client stands now."""
        return await asyncio.to_thread(self._client.status)

    async def send_late_again(self) -> int:
        """Send again the events whose receipts are late; return how many."""
        return await asyncio.to_thread(self._client.send_late_again)

    def check(self, events: Sequence[Movement]) -> list[str | None]:
        """Return per event the code with which intake would refuse it for what it is in itself, or None. Offline."""
        return self._client.check(events)

    async def close(self, timeout_s: float = 10.0) -> None:
        """Wait up to timeout_s until all is sent, then end; what is not goes out after the next start."""
        await asyncio.to_thread(self._client.close, timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; after an error without waiting."""
        await self.close(10.0 if kind is None else 0.0)
