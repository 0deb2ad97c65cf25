"""How many events a second the durable client keeps: in groups, from many threads, and one call after the other.

Reads     made-up wagers
Returns   `Measured` per way
Promises  each event counted was on disk (write-ahead log, synchronous=FULL) before its call returned; all ways use one
          spool on one disk in one run; no broker can be reached, as in an outage
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

from bench.codec import Measured, best_rate
from bench.events import made_up_iins
from esep.events import Wager
from esep.producers.client import OrganizerClient

_NOWHERE = "127.0.0.1:1"
_BIN = "940140000385"
_GROUP, _GROUPS, _RUNS = 1_000, 20, 3
_THREADS, _CALLS = 64, 40
_SINGLE_CALLS = 200


def measure_client(folder: Path) -> list[Measured]:
    """Return groups and many threads beside single calls. folder: on the disk that is to be measured."""
    bets = [_wager(number, iin) for number, iin in enumerate(made_up_iins(_GROUP))]
    with OrganizerClient(_BIN, _NOWHERE, folder / "bench.spool") as client:
        single = best_rate(_SINGLE_CALLS, lambda: [client.send(bet, "desk-1") for bet in bets[:_SINGLE_CALLS]], _RUNS)
        groups = best_rate(_GROUP * _GROUPS, lambda: [client.send_many(bets, "desk-2") for _ in range(_GROUPS)], _RUNS)
        threads = best_rate(_THREADS * _CALLS, lambda: _at_once(client, bets), _RUNS)
        client.close(timeout_s=0)
    beside = ("one call at a time", single, f"best of {_RUNS}; durable: each commit waits for the disk")
    return [
        Measured(f"client: send_many of {_GROUP:,}", groups, *beside),
        Measured(f"client: send from {_THREADS} threads", threads, *beside),
    ]


def _at_once(client: OrganizerClient, bets: list[Wager]) -> None:
    def send(place: int) -> None:
        for bet in bets[:_CALLS]:
            client.send(bet, f"thread-{place}")

    threads = [threading.Thread(target=send, args=(place,)) for place in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _wager(number: int, iin: str) -> Wager:
    return Wager(
        site_id="ALA-1",
        iin=iin,
        wager_id=f"w{number}",
        occurred_at=datetime.now(UTC),
        amount_tiyn=5_000_00,
        payment_method="CARD",
        channel="ONLINE",
        funding="CARD",
        odds_milli=1_850,
    )
