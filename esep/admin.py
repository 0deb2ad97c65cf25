"""Make the topics that are declared, and see that those that exist are as declared.

Reads     the declaration (`esep.topics`), the brokers
Writes    topics that are missing; nothing that exists is ever changed or removed
Promises  safe to repeat; a partition count that differs is an error, for keys would move (DESIGN §3)
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from esep.errors import BrokerUnavailable, SettingInvalid
from esep.security import PLAIN
from esep.topics import Topic

NO_LEADER_YET = frozenset(  # A leader is not known everywhere when its topic is new or a broker has just gone.
    {
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._NOENT,  # As librdkafka says it of all leaders that it asked a broker for.
    }
)
_ASK_AGAIN_S = 0.05
_ANSWER_S = 30.0  # A broker that creates hundreds of topics answers within seconds.


def create_topics(
    bootstrap_servers: str,
    topics: Iterable[Topic],
    replication_factor: int,
    security: Mapping[str, str] = PLAIN,
) -> list[str]:
    """Create the topics that are missing; return their names in order.

    Raises SettingInvalid if an existing topic has another number of partitions, BrokerUnavailable if nobody answers.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, **security, "log_level": 0})
    wanted = {topic.name: topic for topic in topics}
    existing = _partition_counts(admin, bootstrap_servers)
    for name, topic in wanted.items():
        if existing.get(name, topic.partitions) != topic.partitions:
            raise SettingInvalid(
                f"topic {name} has {existing[name]} partitions, {topic.partitions} are set",
                detail="keys would move to other partitions, and with them what belongs together",
                hint="set ESEP_EVENTS_PARTITIONS and ESEP_LEDGER_PARTITIONS to what the topics have",
            )
    missing = [topic for name, topic in wanted.items() if name not in existing]
    if missing:
        _create(admin, missing, replication_factor)
        _await(admin, bootstrap_servers, {topic.name for topic in missing})
    return [topic.name for topic in missing]


def no_broker(bootstrap_servers: str, error: KafkaException) -> BrokerUnavailable:
    """Return the error for brokers that do not answer."""
    return BrokerUnavailable(
        f"no Kafka broker answers at {bootstrap_servers}",
        detail=str(error.args[0]),
        hint="start the line with `esep up`, or set ESEP_BOOTSTRAP_SERVERS",
    )


def _partition_counts(admin: AdminClient, bootstrap_servers: str) -> dict[str, int]:
    try:
        metadata = admin.list_topics(timeout=_ANSWER_S)
    except KafkaException as error:
        raise no_broker(bootstrap_servers, error) from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def _await(admin: AdminClient, bootstrap_servers: str, names: set[str]) -> None:
    """Return once a broker that is asked knows the topics: it learns of them after they are made."""
    give_up_at = time.monotonic() + _ANSWER_S
    while lacking := names - _partition_counts(admin, bootstrap_servers).keys():
        if time.monotonic() > give_up_at:
            raise BrokerUnavailable(f"topic {min(lacking)} was made, but a broker does not know it")
        time.sleep(_ASK_AGAIN_S)


def _create(admin: AdminClient, topics: list[Topic], replication_factor: int) -> None:
    new = [NewTopic(topic.name, topic.partitions, replication_factor, config=topic.config) for topic in topics]
    for name, future in admin.create_topics(new, operation_timeout=_ANSWER_S).items():
        try:
            future.result(timeout=_ANSWER_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # Somebody else was quicker.
                raise BrokerUnavailable(f"topic {name} could not be created", detail=str(error.args[0])) from error
