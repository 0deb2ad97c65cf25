"""The client for asyncio: tasks share commits, and the event loop goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from esep.errors import BrokerUnavailable, UsageError
from esep.producers.async_client import AsyncOrganizerClient
from tests.producers.fake_intake import read_events
from tests.producers.spooling import NOWHERE, ORGANIZER, bet, kept

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.brokers import Broker


def test_many_tasks_get_numbers_of_their_own_and_the_loop_goes_on(tmp_path: Path) -> None:
    async def run() -> tuple[list[str], int]:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0)

        async with AsyncOrganizerClient(ORGANIZER, NOWHERE, tmp_path / "esep.spool") as client:
            heart = asyncio.create_task(beat())
            entry_ids = await asyncio.gather(*(client.send(bet(f"t-{number}"), "desk-7") for number in range(500)))
            heart.cancel()
            assert client.check([bet("t-1")]) == [None]
            with pytest.raises(BrokerUnavailable):
                await client.flush(timeout_s=0.05)
            with pytest.raises(UsageError, match="cannot be a stream id"):
                await client.send(bet("t-1"), "desk 7")
            assert (await client.status()).spooled == 500
            assert await client.send_late_again() == 0
            await client.close(timeout_s=0)
        return entry_ids, beats

    entry_ids, beats = asyncio.run(run())
    assert entry_ids == [f"{ORGANIZER}/desk-7/{number}" for number in range(1, 501)], (
        "numbered in the order of the calls"
    )
    assert beats > 1
    assert len(kept(tmp_path / "esep.spool")) == 500


def test_task_that_is_cancelled_leaves_numbers_dense(tmp_path: Path) -> None:
    async def run() -> None:
        async with AsyncOrganizerClient(ORGANIZER, NOWHERE, tmp_path / "esep.spool") as client:
            tasks = [asyncio.create_task(client.send(bet(f"t-{number}"), "desk-7")) for number in range(200)]
            await tasks[0]
            for task in tasks[1::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.send(bet("t-last"), "desk-7")
            await client.close(timeout_s=0)

    asyncio.run(run())
    numbers = [row.sequence for row in kept(tmp_path / "esep.spool")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 101


@pytest.mark.kafka
def test_events_of_tasks_arrive(broker: Broker, organizer: str, tmp_path: Path) -> None:

    async def run() -> None:
        async with AsyncOrganizerClient(
            organizer, broker.bootstrap_servers, tmp_path / "esep.spool", late_s=60.0
        ) as client:
            await asyncio.gather(*(client.send_many([bet("t-1")] * 3, f"desk-{place}") for place in range(20)))
            await client.flush()

    asyncio.run(run())
    assert len(read_events(broker.bootstrap_servers, organizer, 60)) == 60
