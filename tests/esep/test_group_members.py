"""A group's members are counted, and where nobody can say that is told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import confluent_kafka as ck
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from esep import group_members as module
from esep.errors import BrokerUnavailable
from esep.group_members import members_of
from esep.settings import Settings

if TYPE_CHECKING:
    from esep.embedded.kafka import KafkaBroker


@pytest.mark.kafka
def test_members_are_those_that_have_joined_and_not_left(broker: KafkaBroker) -> None:
    settings, group = Settings(bootstrap_servers=broker.bootstrap_servers), "counted"
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    for created in admin.create_topics([NewTopic(group, 1, 1)]).values():
        created.result()
    assert members_of(settings, group) == 0, "a group that never was"
    consumer = ck.Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": group})
    consumer.subscribe([group])
    until = time.monotonic() + 60
    while not consumer.assignment():
        assert time.monotonic() < until
        consumer.poll(0.1)
    assert members_of(settings, group) == 1
    consumer.close()
    assert members_of(settings, group) == 0


def test_without_a_broker_nobody_can_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_S_MAX", 0.2)
    with pytest.raises(BrokerUnavailable):
        members_of(Settings(bootstrap_servers="127.0.0.1:9"), "counted")
