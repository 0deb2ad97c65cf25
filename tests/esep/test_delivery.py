"""Finished messages arrive as they are, where Java would put them, or the caller is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, KafkaException

from esep.delivery import MESSAGE_BYTES_MAX, Delivery, Placed
from esep.partitioner import partition_of
from tests.producers.bets import new_bin
from tests.producers.fake_intake import PARTITIONS, read_events

if TYPE_CHECKING:
    from tests.support.brokers import Broker


@pytest.mark.kafka
def test_bytes_arrive_as_they_are_and_each_place_is_the_broker_s(broker: Broker, organizer: str) -> None:
    messages = [(b"desk-%d" % (number % 7), b"\x00%d" % number) for number in range(500)]
    placed = Delivery(organizer, broker.bootstrap_servers).deliver(messages)
    lying = read_events(broker.bootstrap_servers, organizer, len(messages))
    by_place = {Placed(one.partition(), one.offset()): (one.key(), one.value()) for one in lying}
    assert [by_place[place] for place in placed] == messages
    assert [place.partition for place in placed] == [partition_of(key, PARTITIONS) for key, _ in messages]


@pytest.mark.kafka
def test_several_threads_are_each_told_of_their_own_messages(broker: Broker, organizer: str) -> None:
    delivery = Delivery(organizer, broker.bootstrap_servers)
    parts = [[(b"desk-%d" % part, b"%d %d" % (part, number)) for number in range(300)] for part in range(8)]
    with ThreadPoolExecutor(len(parts)) as threads:
        told = list(threads.map(delivery.deliver, parts))
    lying = read_events(broker.bootstrap_servers, organizer, 2400)
    by_place = {Placed(one.partition(), one.offset()): (one.key(), one.value()) for one in lying}
    assert [[by_place[place] for place in placed] for placed in told] == parts


@pytest.mark.kafka
def test_longest_message_that_is_promised_to_fit_fits(broker: Broker, organizer: str) -> None:
    key = b"a" * 120
    message = (key, b"x" * (MESSAGE_BYTES_MAX - len(key)))
    assert Delivery(organizer, broker.bootstrap_servers).deliver([message, (b"desk-7", b"y")])


@pytest.mark.kafka
def test_message_that_no_broker_takes_is_an_error_and_the_rest_may_lie(broker: Broker, organizer: str) -> None:
    delivery = Delivery(organizer, broker.bootstrap_servers)
    with pytest.raises(KafkaException) as raised:
        delivery.deliver([(b"desk-7", b"fits"), (b"desk-7", b"x" * 2 * MESSAGE_BYTES_MAX)])
    assert raised.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert delivery.deliver([(b"desk-7", b"fits")])[0].offset == 1, "the producer goes on"


@pytest.mark.kafka
def test_topic_that_is_not_there_is_an_error_and_is_not_made(broker: Broker) -> None:
    with pytest.raises(KafkaException) as raised:
        Delivery(new_bin(), broker.bootstrap_servers, timeout_s=3.0).deliver([(b"desk-7", b"x")])
    unknown = {KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._MSG_TIMED_OUT}
    assert raised.value.args[0].code() in unknown


def test_broker_that_is_not_there_is_an_error_in_time() -> None:
    with pytest.raises(KafkaException) as raised:
        Delivery("940140000385", "127.0.0.1:1", timeout_s=0.3).deliver([(b"desk-7", b"x")] * 3)
    assert raised.value.args[0].code() == KafkaError._MSG_TIMED_OUT


def test_nothing_to_deliver_is_delivered_without_a_broker() -> None:
    assert Delivery("940140000385", "127.0.0.1:1").deliver([]) == []
