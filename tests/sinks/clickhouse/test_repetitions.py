"""A number that is repeated with other bytes is found afterwards, whatever intake still remembered."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from esep.codec import encode_one
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.reconcile import reconcile
from esep.sinks.clickhouse.repetitions import Conflict, conflicts
from esep.topics import events_topic
from tests.sinks.line import BINS, IINS, Line

if TYPE_CHECKING:
    from tests.sinks.line import Servers

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse]
BIN = BINS[0]
SOURCE = TopicPartition(events_topic(BIN), 0)
AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def wager(sequence: int, amount_tiyn: int) -> bytes:
    """Return the message of a wager on desk-0."""
    return encode_one(
        {
            "organizer_bin": BIN,
            "stream_id": "desk-0",
            "sequence": sequence,
            "site_id": "almaty-1",
            "iin": IINS[0],
            "wager_id": f"W-{sequence}",
            "occurred_at": AT,
            "amount_tiyn": amount_tiyn,
            "payment_method": "CARD",
            "instrument_kind": None,
            "instrument_hash": None,
            "instrument_key_version": None,
            "channel": "ONLINE",
            "funding": "CARD",
            "odds_milli": 1850,
            "selections": [],
        },
        schema("wager", 1),
    )


@pytest.fixture(scope="module")
def line(servers: Servers) -> Line:
    """A line of which the numbers 1 to 3 are in the ledger and 4 is refused; what else lies on the topic follows."""
    made = servers.line()
    counted = [wager(sequence, 500_000) for sequence in (1, 2, 3, 4)]
    later = [
        wager(2, 500_000),  # Offset 4: repeated as it was.
        wager(3, 700_000),  # Offset 5: other bytes than what is in the ledger.
        wager(9, 500_000),  # Offset 6: not loaded yet.
        wager(4, 500_000),  # Offset 7: repeated as it was refused.
        wager(4, 600_000),  # Offset 8: other bytes than what was refused.
        b"no message",  # Offset 9
    ]
    producer = made.producer()
    producer.begin_transaction()
    for value in [*counted, *later]:
        producer.produce(SOURCE.topic, value, b"desk-0", SOURCE.partition)
    producer.commit_transaction()
    with connect(made.settings) as client:
        for offset, value in enumerate(counted[:3]):
            client.command(
                "INSERT INTO ledger (organizer_bin, stream_id, sequence, leg, origin_topic, origin_partition,"
                " origin_offset, body_sha256, iin, occurred_at, row_behind, ledger_offset)"
                " SELECT {bin:String}, 'desk-0', {sequence:Int64}, 1, {topic:String}, 0, {offset:Int64}, "
                " unhex({sha:String}), 'x', {at:DateTime64(3)}, {offset:Int64} - {sequence:Int64}, {offset:Int64}",
                parameters=_facts(offset, value),
            )
        client.command(
            "INSERT INTO rejected (organizer_bin, stream_id, sequence, reject_code, cause_topic, cause_partition,"
            " cause_offset, body_sha256, received_at) SELECT {bin:String}, 'desk-0', {sequence:Int64}, 'IIN_INVALID',"
            " {topic:String}, 0, {offset:Int64}, unhex({sha:String}), {at:DateTime64(3)}",
            parameters=_facts(3, counted[3]),
        )
    return made


def _facts(offset: int, value: bytes) -> dict[str, object]:
    return {
        "bin": BIN,
        "sequence": offset + 1,
        "topic": SOURCE.topic,
        "offset": offset,
        "sha": sha256(value).hexdigest(),
        "at": AT,
    }


def test_other_bytes_under_a_number_that_counts_are_found_and_nothing_else(line: Line) -> None:
    with connect(line.settings) as client:
        found = conflicts(line.settings, client, SOURCE, (0, 10))
        assert found == [
            Conflict(SOURCE, 5, f"{BIN}/desk-0/3"),
            Conflict(SOURCE, 8, f"{BIN}/desk-0/4"),
        ]
        assert conflicts(line.settings, client, SOURCE, (6, 8)) == []


def test_reconcile_reports_them_without_a_person(line: Line) -> None:
    report = reconcile(line.settings, BINS)
    assert report.conflicts == tuple(
        f"{SOURCE} offset {offset} repeats {BIN}/desk-0/{sequence}" for offset, sequence in ((5, 3), (8, 4))
    )
    assert not report.balanced
    assert f"{report.conflicts[0]} with other bytes than those that count" in report.differences
    assert IINS[0] not in str(report) + str(report.to_json())
