"""The receipts that the authority keeps, as the messages that they were.

Reads     table receipts
Returns   message values, and what is missing by them
Promises  reads only; the bytes that lay on the topic; one block of rows at a time in memory (clauses O9-4.7, O9-5.3;
          box: sinks/clickhouse)
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from esep.codec import decode_body, encode_one
from esep.gaps import Gaps
from esep.schemas import schema
from esep.sinks.clickhouse.tables import RECEIPTS_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from clickhouse_connect.driver.client import Client

_RECEIPT, _CONTENT = schema("receipt"), schema("receipt_content")
_INSTANTS = {"received_at", "issued_at"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BYTES = {"content": "bytes", "content_sha256": "bytes", "certificate": "bytes", "signature": "bytes"}
_OF_ORGANIZER = "({organizer:String} = '' OR organizer_bin = {organizer:String})"
_IN_ORDER = "ORDER BY organizer_bin, cause_topic, cause_partition, through_offset, row"


def stored_receipts(client: Client, organizer_bin: str) -> Iterator[bytes]:
    """Yield the message values of an organizer's receipts, partition by partition, each in its order."""
    for row in _rows(client, _RECEIPT.fields, organizer_bin, days=0):
        record = dict(zip(_RECEIPT.fields, row, strict=True))
        yield encode_one({**record, "content_sha256": record["content_sha256"].hex()}, _RECEIPT)


def stored_gaps(client: Client, organizer_bin: str, days: int) -> Gaps:
    """Return what is missing by the receipts of so many days back from now. organizer_bin: empty for all."""
    gaps = Gaps()
    names = ("organizer_bin", "cause_partition", "received_at", "content")
    for bin_, partition, received_ms, content in _rows(client, names, organizer_bin, days):
        received_at = _EPOCH + timedelta(milliseconds=received_ms)
        for account in decode_body(content, _CONTENT)["streams"]:
            missing = [(one["first"], one["last"]) for one in account["missing"]]
            gaps.take(bin_, partition, account["stream_id"], missing, received_at)
    return gaps


def _rows(client: Client, names: Sequence[str], organizer_bin: str, days: int) -> Iterator[Sequence[Any]]:
    """Yield columns of the receipts in order, instants in milliseconds. days: of so many days back, 0 for all."""
    columns = [f"toUnixTimestamp64Milli({name})" if name in _INSTANTS else name for name in names]
    answer = client.query_row_block_stream(
        f"""
        SELECT {", ".join(columns)} FROM {RECEIPTS_TABLE.name}
        WHERE {_OF_ORGANIZER} AND ({{days:UInt32}} = 0 OR received_at >= now() - INTERVAL {{days:UInt32}} DAY)
        {_IN_ORDER}
        """,  # noqa: S608 - names from tables.py and the schema
        parameters={"organizer": organizer_bin, "days": days},
        column_formats={name: kind for name, kind in _BYTES.items() if name in names},
    )
    with answer:
        for block in answer:
            yield from block
