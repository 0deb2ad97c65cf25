"""The state of totals made anew from what the ledger comes to, and its changelog written where that was lost.

Reads     sums per person, organizer and year; on writing, the offsets that the group has committed and the changelog
Returns   `Cells`; the records of a changelog, the position record last
Writes    on request the changelog of partitions that have none, in transactions of the place that is named
Promises  a changelog with a position record is never written to; one that was written in part is no state yet, and may
          be written again (clause O9-4.6; DESIGN §5 "Hand-over"; box: totals)
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import confluent_kafka as ck

from esep.errors import BrokerUnavailable
from esep.lineage import POSITION_KEY, TopicPartition
from esep.outsider import outsider
from esep.stream_apps.totals.cells import changelog_records
from esep.topics import ACCEPTED, TOTALS, TOTALS_CHANGELOG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from esep.lineage import Position
    from esep.stream_apps.totals.cells import Cells

TRANSACTION_RECORDS = 50_000  # Some 7 MB: committed long before a transaction times out.
CALL_S_MAX = 30.0
Records = list[tuple[bytes, bytes]]


def changelog_of(cells: Cells, position: Position) -> Iterator[Records]:
    """Yield the changelog of a state, a transaction's records at a time; the very last is the position record."""
    records = list(zip(*changelog_records(*cells.table()), strict=True))
    records.append((POSITION_KEY, position.encode()))
    for start in range(0, len(records), TRANSACTION_RECORDS):
        yield records[start : start + TRANSACTION_RECORDS]


def committed_offset(bootstrap_servers: str, partition: int, security: Mapping[str, str]) -> int | None:
    """Return the next offset of `accepted` that totals will read, None if it has committed none.

    Raises BrokerUnavailable while a transaction with it is open.
    """
    consumer = ck.Consumer(outsider(bootstrap_servers, TOTALS, security))
    try:
        (place,) = consumer.committed([ck.TopicPartition(ACCEPTED, partition)], timeout=CALL_S_MAX)
    except ck.KafkaException as failure:
        raise BrokerUnavailable(
            "what totals has committed is not known", detail=failure.args[0].str(), hint="try again in a minute"
        ) from failure
    finally:
        consumer.close()
    return place.offset if place.offset >= 0 else None


def has_position(bootstrap_servers: str, partition: int, security: Mapping[str, str]) -> bool:
    """Return whether the changelog of a partition has a position record, and so is a state."""
    settings = outsider(bootstrap_servers, TOTALS, security) | {"enable.partition.eof": True}
    consumer = ck.Consumer(settings | {"auto.offset.reset": "earliest"})
    give_up_at = time.monotonic() + CALL_S_MAX
    try:
        consumer.assign([ck.TopicPartition(TOTALS_CHANGELOG, partition, ck.OFFSET_BEGINNING)])
        while time.monotonic() < give_up_at:
            for message in consumer.consume(10_000, 0.1):
                give_up_at = time.monotonic() + CALL_S_MAX
                if (error := message.error()) is None and message.key() != POSITION_KEY:
                    continue
                return error is None or _not_at_end(error)
    except ck.KafkaException as failure:
        raise BrokerUnavailable("the changelog of totals cannot be read", detail=failure.args[0].str()) from failure
    finally:
        consumer.close()
    raise BrokerUnavailable("the changelog of totals was not read in time")


def _not_at_end(error: ck.KafkaError) -> bool:
    """Return False for the end of a partition; raise any other error."""
    if error.code() != ck.KafkaError._PARTITION_EOF:
        raise ck.KafkaException(error)
    return False


def write_changelog(
    bootstrap_servers: str, partition: int, changelog: Iterator[Records], place: str, security: Mapping[str, str]
) -> int:
    """Write a partition's changelog, as this place; return how many records. Raises BrokerUnavailable."""
    target, written = TopicPartition(TOTALS_CHANGELOG, partition), 0
    producer = ck.Producer({"bootstrap.servers": bootstrap_servers, **security, "transactional.id": place})
    try:
        producer.init_transactions(CALL_S_MAX)
        for records in changelog:
            producer.begin_transaction()
            for key, value in records:
                producer.produce(target.topic, value, key, target.partition)
            producer.commit_transaction(CALL_S_MAX)
            written += len(records)
    except ck.KafkaException as failure:
        raise BrokerUnavailable(
            f"the changelog of partition {partition} was not written", detail=failure.args[0].str(), hint="do it again"
        ) from failure
    return written
