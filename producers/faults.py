"""What librdkafka reports, as errors that say what to do.

Reads     errors of confluent-kafka
Returns   errors of `esep.errors`
Promises  no message and no key stands in a text (box: producers)
"""

from __future__ import annotations

from confluent_kafka import KafkaError

from esep.errors import BrokerUnavailable, EsepError, SettingInvalid, UsageError

_NO_TOPIC = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
_NOT_ALLOWED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
}
_TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE}


def fault_of(error: KafkaError, topic: str, bootstrap_servers: str) -> EsepError:
    """Return the error to raise for what happened to a topic."""
    code = error.code()
    if code in _NO_TOPIC:
        return no_topic(topic)
    if code in _NOT_ALLOWED:
        return SettingInvalid(
            f"no access to topic {topic}",
            detail=error.str(),
            hint="only the organizer itself may use its topics: check the BIN and the credentials",
        )
    if code in _TOO_LARGE:
        return UsageError(
            f"an event is too large for topic {topic}",
            detail=error.str(),
            hint="leave out selections, or split the bet",
        )
    return BrokerUnavailable(
        f"Kafka at {bootstrap_servers} did not take or give the messages of topic {topic}",
        detail=error.str(),
        hint="see that the broker runs and is reachable, then send again: what arrived counts as a duplicate",
    )


def is_final(error: KafkaError) -> bool:
    """Return whether a reader cannot get over an error by itself; librdkafka tries on after all others."""
    return bool(error.fatal()) or error.code() in _NOT_ALLOWED


def no_topic(topic: str) -> SettingInvalid:
    """Return the error for a topic that is not there."""
    return SettingInvalid(
        f"there is no topic {topic}",
        detail="an organizer's topics are made when it is registered",
        hint="check --organizer and --bootstrap-servers; on a line of your own: `esep up`, or `esep setup`",
    )
