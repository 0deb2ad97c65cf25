"""How far each consumer group is behind, per partition.

Reads     the brokers: committed offsets of the line's groups, ends of partitions
Returns   `Lag` per group, topic and partition
Promises  reads only; joins no group
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from esep.admin import no_broker
from esep.security import PLAIN
from esep.topics import ALERTS_STAGE, INTAKE, LOADER, TOTALS

GROUPS = (INTAKE, TOTALS, ALERTS_STAGE, LOADER)
_ANSWER_S = 10.0


class Lag(NamedTuple):
    """How far a group has committed in a partition; `lag` counts offsets, a last transaction marker included."""

    group: str
    topic: str
    partition: int
    committed: int
    end: int
    lag: int


def group_lags(bootstrap_servers: str, security: Mapping[str, str] = PLAIN) -> list[Lag]:
    """Return the lag of each partition that a group of the line has committed, by group, topic and partition."""
    try:
        return sorted(lag for group in GROUPS for lag in _lags_of(bootstrap_servers, group, security))
    except KafkaException as error:
        raise no_broker(bootstrap_servers, error) from error


def _lags_of(bootstrap_servers: str, group: str, security: Mapping[str, str]) -> list[Lag]:
    """Ask as a member-to-be: the admin client's question to a group can abort the process (librdkafka #4605)."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, **security, "group.id": group, "log_level": 0})
    try:
        topics = consumer.list_topics(timeout=_ANSWER_S).topics.values()
        places = [TopicPartition(topic.topic, partition) for topic in topics for partition in topic.partitions]
        committed = [place for place in consumer.committed(places, timeout=_ANSWER_S) if place.offset >= 0]
        return [_lag(consumer, group, place) for place in committed]
    finally:
        consumer.close()


def _lag(consumer: Consumer, group: str, place: TopicPartition) -> Lag:
    end = consumer.get_watermark_offsets(place, timeout=_ANSWER_S)[1]
    return Lag(group, place.topic, place.partition, place.offset, end, max(0, end - place.offset))
