"""What tests of the spool share: bets, contents of receipts, and a look into the file by other means than its own.

Reads     a spool's file, by SQLite alone
Returns   events, `Kept` rows, `ReceiptContent`s
Promises  shares no query with the code under test
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from esep.events import Payout, Wager
from esep.producers.receipts import ReceiptContent
from tests.producers.fake_intake import content_of, ranges

if TYPE_CHECKING:
    from pathlib import Path

ORGANIZER = "940140000385"
NOWHERE = "127.0.0.1:1"  # Nobody listens on port 1.
AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


class Kept(NamedTuple):
    """An event as it stands in the file."""

    stream_id: str
    sequence: int
    value: bytes
    state: int
    reject_code: str | None


def bet(ticket: str, at: datetime = AT) -> Wager:
    """Return a bet that passes every check."""
    return Wager(
        site_id="ALA-1",
        iin="900101300007",
        wager_id=ticket,
        occurred_at=at,
        amount_tiyn=5_000_00,
        payment_method="CASH",
        channel="RETAIL",
        funding="CASH",
        odds_milli=1_850,
    )


def paid(ticket: str, at: datetime = AT) -> Payout:
    """Return what was paid for a bet, two hours later."""
    return Payout(
        site_id="ALA-1",
        iin="900101300007",
        wager_id=ticket,
        occurred_at=at + timedelta(hours=2),
        amount_tiyn=9_250_00,
        payment_method="CASH",
        kind="WINNING",
        won_tiyn=4_250_00,
        wager_occurred_at=at,
        wager_amount_tiyn=5_000_00,
    )


def kept(path: Path) -> list[Kept]:
    """Return the events of a spool in the order in which they were kept."""
    file = sqlite3.connect(path)
    try:
        rows = file.execute(
            "SELECT stream_id, sequence, value, state, reject_code "
            "FROM events JOIN streams ON streams.id = stream ORDER BY events.id"
        ).fetchall()
    finally:
        file.close()
    return [Kept(*row) for row in rows]


def told(
    through: int, first: int = 0, consumed: dict[str, list[int]] | None = None, partition: int = 0, **said: Any
) -> ReceiptContent:
    """Return the content of a receipt; consumed: the sequences by stream."""
    sums = {"accepted_count": 0, "rejected_count": 0, "duplicate_count": 0, "missing": []}
    streams = [
        {"stream_id": stream, "consumed": ranges(numbers), **sums} for stream, numbers in (consumed or {}).items()
    ]
    return ReceiptContent.model_validate(content_of(ORGANIZER, partition, first, through, streams=streams, **said))


def refused(offset: int, stream_id: str | None, sequence: int | None, code: str = "IIN_INVALID") -> dict[str, Any]:
    """Return the notice of a refused message."""
    return {"offset": offset, "stream_id": stream_id, "sequence": sequence, "reject_code": code, "field": None}
