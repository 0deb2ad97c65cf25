"""One transaction of one writer: all of it or nothing, and what names the first record's offset names the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from esep.admin import create_topics
from esep.errors import PlaceTaken, SettingInvalid
from esep.lineage import TopicPartition
from esep.lone_writer import LoneWriter, Message
from esep.topics import Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from esep.embedded.kafka import KafkaBroker

pytestmark = pytest.mark.kafka
PLACE = TopicPartition("lone-writer", 0)


@pytest.fixture
def servers(broker: KafkaBroker) -> str:
    create_topics(broker.bootstrap_servers, [Topic(PLACE.topic, 1, "none", "lone", ("lone",))], 1)
    return broker.bootstrap_servers


def opened(servers: str) -> LoneWriter:
    writer = LoneWriter(servers, "lone", "a test")
    writer.open()
    return writer


def message(value: bytes) -> Message:
    return Message(PLACE, b"key", value, [])


def values(writer: LoneWriter) -> list[bytes | None]:
    return [one.value() for one in writer.read(PLACE.topic)]


def test_what_follows_names_the_offset_of_the_first(servers: str) -> None:
    writer = opened(servers)
    writer.write(message(b"first"), lambda offset: [message(b"%d" % offset)])
    last = list(writer.read(PLACE.topic))[-2:]
    assert [one.value() for one in last] == [b"first", b"%d" % last[0].offset()]


def test_writer_that_fails_midway_has_written_nothing(servers: str) -> None:
    writer = opened(servers)
    before = values(writer)

    def fail(_: int) -> Sequence[Message]:
        raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        writer.write(message(b"half"), fail)
    assert values(writer) == before
    writer.write(message(b"whole"))
    assert values(writer) == [*before, b"whole"]


def test_writer_that_was_put_out_writes_nothing(servers: str) -> None:
    slow, quick = opened(servers), opened(servers)
    before = values(quick)
    with pytest.raises(PlaceTaken, match="somebody else began to record a test"):
        slow.write(message(b"slow"))
    assert values(quick) == before


def test_topic_that_is_not_there_is_told(servers: str) -> None:
    with pytest.raises(SettingInvalid, match="no-such-topic is missing"):
        list(opened(servers).read("no-such-topic"))


def test_fatal_error_is_told_though_a_callback_hid_it(servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def flush(_: float) -> None:
        cause = KafkaException(KafkaError(KafkaError._FENCED))
        raise SystemError("<method 'append' of 'list' objects> returned a result with an exception set") from cause

    writer = opened(servers)
    monkeypatch.setattr(writer, "_producer", Hiding(writer._producer, flush))
    with pytest.raises(PlaceTaken):
        writer.write(message(b"one"))


class Hiding:
    """A producer with another way to flush."""

    def __init__(self, producer: Any, flush: Callable[[float], None]) -> None:
        self._producer, self.flush = producer, flush

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)
