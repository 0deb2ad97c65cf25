"""How far each consumer group is behind, per partition.

Reads     the brokers: committed offsets of the line's groups, ends of partitions
Returns   `Lag` per group, topic and partition; whether a group is through with topics
Promises  reads only; joins no group
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from esep.admin import no_broker
from esep.errors import SettingInvalid
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


def is_through(
    bootstrap_servers: str, group: str, topics: Collection[str], security: Mapping[str, str] = PLAIN
) -> bool:
    """Return whether a group has committed all records of these topics; a last transaction marker may be left."""
    return all(lag.lag <= 1 for lag in lags_of(bootstrap_servers, group, topics, security))


def lags_of(
    bootstrap_servers: str, group: str, topics: Collection[str], security: Mapping[str, str] = PLAIN
) -> list[Lag]:
    """Return the lag of a group in each partition of these topics, committed or not.

    Raises SettingInvalid if one of them is missing.
    """
    try:
        return sorted(_lags_of(bootstrap_servers, group, security, topics))
    except KafkaException as error:
        raise no_broker(bootstrap_servers, error) from error


def _lags_of(
    bootstrap_servers: str, group: str, security: Mapping[str, str], topics: Collection[str] | None = None
) -> list[Lag]:
    """Return the lags of all partitions of these topics; without topics, of the partitions that it has committed.

    Asks as a member-to-be: the admin client's question to a group can abort the process (librdkafka #4605).
    """
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, **security, "group.id": group, "log_level": 0})
    try:
        known = consumer.list_topics(timeout=_ANSWER_S).topics
        read = known if topics is None else topics
        if missing := sorted(set(read) - known.keys()):
            raise SettingInvalid(f"topic {missing[0]} is missing", hint="run `esep setup`")
        places = [TopicPartition(topic, partition) for topic in read for partition in known[topic].partitions]
        committed = consumer.committed(places, timeout=_ANSWER_S)
        return [_lag(consumer, group, place) for place in committed if topics is not None or place.offset >= 0]
    finally:
        consumer.close()


def _lag(consumer: Consumer, group: str, place: TopicPartition) -> Lag:
    end, reached = consumer.get_watermark_offsets(place, timeout=_ANSWER_S)[1], max(0, place.offset)
    return Lag(group, place.topic, place.partition, reached, end, max(0, end - reached))
