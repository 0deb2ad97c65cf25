"""Tables with refused messages and receipts in them, put there by the loader's own way of inserting."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from esep.calendar import load_holidays, start_of_day
from esep.codec import encode_body
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.settings import Settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.frames import Records, rows_of
from esep.sinks.clickhouse.migrate import migrate
from esep.sinks.clickhouse.notices.query import notices_of
from esep.sinks.clickhouse.store import Store
from esep.sinks.clickhouse.tables import table_of
from esep.topics import REJECTED, events_topic, receipts_topic
from esep.versions import encode_record
from tests.sinks.line import BINS, IINS

if TYPE_CHECKING:
    import pytest

    from esep.embedded.clickhouse import ClickHouseServer
    from esep.sinks.clickhouse.notices.facts import Notice

ALATAU, ESIL = BINS
DAY = date(2026, 11, 20)  # A Friday.
HOLIDAYS = load_holidays()


class Books:
    """Tables of a test's own, and what was put into them."""

    def __init__(self, clickhouse: ClickHouseServer) -> None:
        self.settings = Settings(clickhouse_url=clickhouse.url, clickhouse_database=f"notices_{uuid.uuid4().hex[:8]}")
        migrate(self.settings)
        self.rows: Counter[str] = Counter()  # Of each output.
        self.lanes: Counter[tuple[str, str, int]] = Counter()  # Of each lane.

    def show_to_commands(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ESEP_CLICKHOUSE_URL", self.settings.clickhouse_url)
        monkeypatch.setenv("ESEP_CLICKHOUSE_DATABASE", self.settings.clickhouse_database)

    def load(self, topic: str, record: str, rows: list[dict[str, Any]]) -> None:
        values = [encode_record(row, record) for row in rows]
        first = self.rows[topic] - len(rows)
        offsets = list(range(first, first + len(rows)))
        found = rows_of(Records(TopicPartition(topic, 0), offsets, list(values)), None)
        store = Store(self.settings)
        for month in found.months():
            store.insert(table_of(topic), f"{topic}-{first}-{month}", found.block(month))
        store.close()

    def head(self, output: str, bin_: str, received_at: datetime, partition: int = 0) -> dict[str, Any]:
        self.rows[output] += 1
        self.lanes[output, bin_, partition] += 1
        return {
            "row": self.lanes[output, bin_, partition],
            "received_at": received_at,
            "cause_topic": events_topic(bin_),
            "cause_partition": partition,
            "cause_offset": self.rows[output] - 1,
            "organizer_bin": bin_,
        }

    def reject(self, bin_: str, code: str, *received_at: datetime) -> None:
        rows = []
        for at in received_at:
            body = f'{{"iin": "{IINS[0]}"}}'.encode()
            nothing = dict.fromkeys(("field", "sequence", "event_type", "schema_id"))
            reject = {"reject_code": code, "stream_id": IINS[0], "message_key": IINS[0].encode(), "body": body}
            rows.append({**self.head(REJECTED, bin_, at), **nothing, **reject, "body_sha256": sha256(body).hexdigest()})
        self.load(REJECTED, "rejected", rows)

    def receipt(
        self,
        bin_: str,
        received_at: datetime,
        missing: dict[str, list[tuple[int, int]]] | None = None,
        *,
        late_s: float = 0.4,
        partition: int = 0,
    ) -> None:
        topic = receipts_topic(bin_)
        head = self.head(topic, bin_, received_at, partition)
        streams = [_account(stream_id, ranges) for stream_id, ranges in (missing or {}).items()]
        content = {
            "organizer_bin": bin_,
            "topic": events_topic(bin_),
            "partition": partition,
            "from_offset": head["cause_offset"],
            "through_offset": head["cause_offset"],
            "streams": streams,
            "accepted_count": 3,
            "duplicate_count": 1,
            "held_count": 0,
            "rejects": [],
            "settled": [],
        }
        body = encode_body(content, schema("receipt_content"))
        row = {
            **head,
            "through_offset": head["cause_offset"],
            "content": body,
            "content_sha256": sha256(body).hexdigest(),
            "issued_at": received_at + timedelta(seconds=late_s),
            "key_id": "authority-1",
            "certificate": b"\x30\x00",
            "signature": bytes(64),
        }
        self.load(topic, "receipt", [row])

    def notices(self, day: date = DAY, organizer_bin: str = "") -> dict[str, Notice]:
        with connect(self.settings) as client:
            return {one.organizer_bin: one for one in notices_of(client, day, HOLIDAYS, organizer_bin)}


def _account(stream_id: str, missing: list[tuple[int, int]]) -> dict[str, Any]:
    return {
        "stream_id": stream_id,
        "consumed": [{"first": 1, "last": 1}],
        "missing": [{"first": first, "last": last} for first, last in missing],
        "accepted_count": 1,
        "rejected_count": 0,
        "duplicate_count": 0,
        "held_count": 0,
        "root_through": 1,
        "root": None,
    }


def at(hour: float, day: date = DAY) -> datetime:
    """Return an instant of a day in Almaty."""
    return start_of_day(day) + timedelta(hours=hour)
