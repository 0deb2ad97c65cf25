"""What librdkafka reports becomes an error whose class says whether to try again."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from esep.errors import BrokerUnavailable, EsepError, SettingInvalid, UsageError
from esep.producers.faults import fault_of, is_final


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError._UNKNOWN_TOPIC, SettingInvalid),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, SettingInvalid),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, SettingInvalid),
        (KafkaError.MSG_SIZE_TOO_LARGE, UsageError),
        (KafkaError._MSG_TIMED_OUT, BrokerUnavailable),
        (KafkaError._ALL_BROKERS_DOWN, BrokerUnavailable),
        (KafkaError.NOT_ENOUGH_REPLICAS, BrokerUnavailable),
    ],
)
def test_error_of_kafka_says_topic_and_what_to_do(code: int, kind: type[EsepError]) -> None:
    fault = fault_of(KafkaError(code), "organizer.940140000385.events", "127.0.0.1:9092")
    assert type(fault) is kind
    assert "organizer.940140000385.events" in fault.what
    assert fault.hint


def test_reader_gets_over_all_but_refused_access() -> None:
    assert is_final(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    assert is_final(KafkaError(KafkaError._FATAL, fatal=True))
    assert not is_final(KafkaError(KafkaError._TRANSPORT))
    assert not is_final(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
