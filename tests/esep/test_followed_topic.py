"""A topic that is followed: what is asked of a broker, and when. What is read is in the tests of those who follow."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import confluent_kafka as ck
import pytest

from esep import followed_topic
from esep.clock import PUBLISHED_DELAY_MS
from esep.followed_topic import CLOCKS_APART_MS_MAX, FollowedTopic


def test_clocks_differ_by_less_than_the_delay() -> None:
    assert CLOCKS_APART_MS_MAX < PUBLISHED_DELAY_MS


def test_leader_that_a_client_takes_for_one_still_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by `make chaos`: the leader was killed and came back as a follower. librdkafka remembers leaders for a
    quarter of an hour, so that each question went to it; intake stood still for two minutes, and then ended."""
    clients: list[Client] = []

    class Client:
        def __init__(self, _: Any) -> None:
            clients.append(self)
            self.asked = 0

        def list_offsets(self, asked: Any, **_: Any) -> Any:
            self.asked += 1
            if self is clients[0]:
                raise ck.KafkaException(ck.KafkaError(ck.KafkaError.NOT_LEADER_FOR_PARTITION, "not the leader"))
            return dict.fromkeys(asked, SimpleNamespace(result=lambda: SimpleNamespace(offset=0)))

    monkeypatch.setattr(followed_topic, "AdminClient", Client)
    reader = FollowedTopic("reference", lambda _: None, "127.0.0.1:1", "intake")
    monkeypatch.setattr(reader, "_begin", lambda: setattr(reader, "_reached", 0))
    reader.catch_up(seconds_max=10)
    assert [client.asked > 0 for client in clients] == [True, True]
    assert clients[0].asked > 1, "it may know the new leader in a moment"
    reader.close()
