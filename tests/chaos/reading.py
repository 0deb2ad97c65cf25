"""Read whole topics, as a stranger would: committed records only, from the first to the last.

Reads     the brokers
Returns   messages by partition and offset
Promises  joins no group; every wait is bounded
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import confluent_kafka as ck

_NEWS_S = 60.0
_TAKEN = 5_000


def messages_of(bootstrap_servers: str, topic: str) -> Iterator[ck.Message]:
    """Yield all committed messages of a topic, each partition's in order of offset."""
    consumer = ck.Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"chaos-{uuid.uuid4()}",  # librdkafka wants one; it stays empty.
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "log_level": 0,
        }
    )
    try:
        unread = set(consumer.list_topics(topic, timeout=_NEWS_S).topics[topic].partitions)
        consumer.assign([ck.TopicPartition(topic, partition, ck.OFFSET_BEGINNING) for partition in sorted(unread)])
        news_s = time.monotonic()
        while unread:
            assert time.monotonic() - news_s < _NEWS_S, f"{topic} stands still; unread partitions: {unread}"
            for message in consumer.consume(_TAKEN, 0.2):
                error = message.error()
                if error is None:
                    news_s = time.monotonic()
                    yield message
                elif error.code() == ck.KafkaError._PARTITION_EOF:
                    unread.discard(message.partition())
    finally:
        consumer.close()


def ends_of(bootstrap_servers: str, topic: str) -> dict[int, int]:
    """Return the offset of the last committed message of each partition that has one."""
    return {message.partition(): message.offset() for message in messages_of(bootstrap_servers, topic)}


def committed(bootstrap_servers: str, group: str, topic: str, partitions: list[int]) -> dict[int, int]:
    """Return the offsets from which a group goes on, by partition; below 0 where it has none."""
    consumer = ck.Consumer({"bootstrap.servers": bootstrap_servers, "group.id": group, "log_level": 0})
    try:
        places = [ck.TopicPartition(topic, partition) for partition in partitions]
        return {place.partition: place.offset for place in consumer.committed(places, timeout=_NEWS_S)}
    finally:
        consumer.close()
