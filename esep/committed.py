"""Read a range of committed records of one partition, apart from any consumer group.

Reads     one topic partition, committed records only
Returns   the broker's messages of exactly the range, in chunks
Promises  joins no group, commits nothing, holds one chunk and a bounded queue in memory; ends with the range or after a
          time without progress (boxes: all)
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import confluent_kafka as ck
from confluent_kafka import KafkaError, KafkaException

from esep.errors import BrokerUnavailable, InvariantBroken
from esep.outsider import outsider
from esep.security import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from esep.lineage import TopicPartition

CHUNK = 50_000  # Records at a time: 30 MB of the ledger.
PATIENCE_S = 30.0  # Without progress; a broker that took over may have to find the last stable offset first.
_WAIT_S = 0.2


def committed(
    bootstrap_servers: str,
    source: TopicPartition,
    first: int,
    end: int,
    *,
    name: str,
    security: Mapping[str, str] = PLAIN,
    chunk: int = CHUNK,
    properties: Mapping[str, object] | None = None,
) -> Iterator[list[ck.Message]]:
    """Yield the committed records from offset first up to end, exclusive, in chunks of at most so many.

    name: of a group whose name the caller may use. properties: further ones of the consumer.
    Raises InvariantBroken if the range is not there any more, BrokerUnavailable if reading makes no progress.
    """
    config = outsider(bootstrap_servers, name, security) | dict(properties or {})
    consumer = ck.Consumer(config | {"auto.offset.reset": "error", "log_level": 3})
    try:
        consumer.assign([ck.TopicPartition(*source, first)])
        yield from _chunks(consumer, source, first, end, chunk)
    finally:
        consumer.close()


def _chunks(
    consumer: ck.Consumer, source: TopicPartition, first: int, end: int, chunk: int
) -> Iterator[list[ck.Message]]:
    position, give_up_at = first, time.monotonic() + PATIENCE_S
    while position < end:
        messages = [message for message in consumer.consume(chunk, _WAIT_S) if not _is_error(message, source)]
        wanted = [message for message in messages if message.offset() < end]
        if wanted:
            yield wanted
        reached = max(position, consumer.position([ck.TopicPartition(*source)])[0].offset)  # Behind markers, too.
        if reached > position:
            give_up_at = time.monotonic() + PATIENCE_S
        elif time.monotonic() > give_up_at:
            raise BrokerUnavailable(f"{source}: reading stands still at offset {position}", detail=f"{end} is the end")
        position = reached


def _is_error(message: ck.Message, source: TopicPartition) -> bool:
    """Return False for a record, True for an error that passes; raise any other."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        raise InvariantBroken(f"{source}: records of a range were deleted", detail=error.str())
    if not error.retriable() and error.code() not in {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}:
        raise BrokerUnavailable(f"{source} cannot be read", detail=error.str()) from KafkaException(error)
    return True
