"""Topics are made as declared, once; a count that differs is refused."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from esep.admin import create_topics
from esep.errors import BrokerUnavailable, SettingInvalid
from esep.topics import Topic


def _topic(partitions: int, name: str) -> Topic:
    return Topic(name, partitions, "scope", "totals", ("totals",), {"cleanup.policy": "compact"})


@pytest.mark.kafka
def test_missing_topic_is_made_as_declared_and_only_once(broker: Any) -> None:
    name = f"made.{uuid.uuid4().hex}"
    assert create_topics(broker.bootstrap_servers, [_topic(3, name)], 1) == [name]
    assert create_topics(broker.bootstrap_servers, [_topic(3, name)], 1) == []
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    assert len(admin.list_topics(timeout=10).topics[name].partitions) == 3
    resource = ConfigResource(ResourceType.TOPIC, name)
    config = admin.describe_configs([resource])[resource].result(timeout=10)
    assert config["cleanup.policy"].value == "compact"


@pytest.mark.kafka
def test_other_partition_count_is_refused(broker: Any) -> None:
    name = f"counted.{uuid.uuid4().hex}"
    create_topics(broker.bootstrap_servers, [_topic(2, name)], 1)
    with pytest.raises(SettingInvalid, match="has 2 partitions, 4 are set"):
        create_topics(broker.bootstrap_servers, [_topic(4, name)], 1)


def test_absent_broker_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("esep.admin._ANSWER_S", 0.3)
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:9"):
        create_topics("127.0.0.1:9", [_topic(1, "nowhere")], 1)
