"""A range of a partition is read again exactly: committed records only, neither more nor less."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import confluent_kafka as ck
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from esep import committed as module
from esep.committed import committed
from esep.errors import BrokerUnavailable, InvariantBroken
from esep.lineage import TopicPartition

if TYPE_CHECKING:
    from esep.embedded.kafka import KafkaBroker

pytestmark = pytest.mark.kafka


@pytest.fixture
def source(broker: KafkaBroker) -> TopicPartition:
    """A partition with 5 transactions of 3 records, the second and the fourth aborted: each takes 4 offsets."""
    topic = f"committed-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    producer = ck.Producer({"bootstrap.servers": broker.bootstrap_servers, "transactional.id": topic})
    producer.init_transactions(30)
    for number in range(5):
        producer.begin_transaction()
        for place in range(3):
            producer.produce(topic, b"%d" % (4 * number + place))
        producer.flush(30)
        (producer.abort_transaction if number % 2 else producer.commit_transaction)(30)
    return TopicPartition(topic, 0)


COMMITTED = [0, 1, 2, 8, 9, 10, 16, 17, 18]


@pytest.mark.parametrize(("first", "end"), [(0, 20), (1, 10), (3, 8), (4, 9), (8, 9), (18, 20), (19, 20), (5, 5)])
def test_range_holds_the_committed_records_between_its_offsets(
    broker: KafkaBroker, source: TopicPartition, first: int, end: int
) -> None:
    """The end may lie among markers or aborted records, behind which nothing comes."""
    parts = list(committed(broker.bootstrap_servers, source, first, end, name="somebody", chunk=2))
    offsets = [message.offset() for part in parts for message in part]
    assert offsets == [offset for offset in COMMITTED if first <= offset < end]
    assert [message.value() for part in parts for message in part] == [b"%d" % offset for offset in offsets]
    assert all(len(part) <= 2 for part in parts)


def test_range_that_was_deleted_is_an_error(broker: KafkaBroker, source: TopicPartition) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    admin.delete_records([ck.TopicPartition(*source, 9)])[ck.TopicPartition(*source, 9)].result()
    with pytest.raises(InvariantBroken, match="were deleted"):
        list(committed(broker.bootstrap_servers, source, 0, 10, name="somebody"))


def test_range_that_never_comes_ends_the_wait(
    broker: KafkaBroker, source: TopicPartition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.5)
    with pytest.raises(BrokerUnavailable, match="stands still at offset 20"):
        list(committed(broker.bootstrap_servers, source, 16, 25, name="somebody"))
