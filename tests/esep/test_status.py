"""The lag of a group is what is committed against what is there."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from esep import status
from esep.admin import create_topics
from esep.errors import SettingInvalid
from esep.topics import Topic


@pytest.mark.kafka
def test_lag_is_what_has_been_written_and_not_committed(broker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    topic, group = f"lagging.{uuid.uuid4().hex}", f"group-{uuid.uuid4().hex}"
    create_topics(broker.bootstrap_servers, [Topic(topic, 1, "none", "test", ())], 1)
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    for number in range(10):
        producer.produce(topic, value=str(number))
    assert producer.flush(10) == 0
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 4)], asynchronous=False)
    assert not status.is_through(broker.bootstrap_servers, group, [topic])
    monkeypatch.setattr(status, "GROUPS", (group,))
    assert status.group_lags(broker.bootstrap_servers) == [status.Lag(group, topic, 0, 4, 10, 6)]
    for committed, is_through in ((8, False), (9, True), (10, True)):  # One may be left: a transaction's marker.
        consumer.commit(offsets=[TopicPartition(topic, 0, committed)], asynchronous=False)
        assert status.is_through(broker.bootstrap_servers, group, [topic]) is is_through
    consumer.close()
    assert not status.is_through(broker.bootstrap_servers, f"{group}-that-has-read-nothing", [topic])
    with pytest.raises(SettingInvalid, match="topic nowhere is missing"):
        status.is_through(broker.bootstrap_servers, group, [topic, "nowhere"])
