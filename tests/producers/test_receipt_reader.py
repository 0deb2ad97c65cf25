"""Receipts are read from the moment of the start, committed ones only."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import confluent_kafka as ck
import pytest
from confluent_kafka.admin import AdminClient, OffsetSpec

from esep.errors import BrokerUnavailable, InvariantBroken, SettingInvalid
from esep.producers.receipt_reader import ReceiptReader
from esep.topics import receipts_topic
from tests.producers.bets import new_bin
from tests.producers.fake_intake import WAIT_S, content_of, receipt_of
from tests.support.receipt_signing import ROOT_CERTIFICATE

if TYPE_CHECKING:
    from tests.support.brokers import Broker


class Writer:
    """Writes receipts in transactions."""

    def __init__(self, bootstrap_servers: str, organizer_bin: str) -> None:
        self._topic = receipts_topic(organizer_bin)
        self._bin = organizer_bin
        config = {"bootstrap.servers": bootstrap_servers, "transactional.id": f"writer-{uuid.uuid4()}"}
        self._producer = ck.Producer(config)
        self._producer.init_transactions(WAIT_S)
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers})

    def write(self, *through_offsets: int, commit: bool = True) -> None:
        self._producer.begin_transaction()
        for through in through_offsets:
            self._producer.produce(self._topic, receipt_of(content_of(self._bin, 0, through, through)), "0")
        self._producer.flush(WAIT_S)
        if commit:
            self._producer.commit_transaction(WAIT_S)
        else:
            self._producer.abort_transaction(WAIT_S)
        deadline = time.monotonic() + WAIT_S
        while self._end(ck.IsolationLevel.READ_COMMITTED) < self._end(ck.IsolationLevel.READ_UNCOMMITTED):
            assert (
                time.monotonic() < deadline
            )  # The last stable offset follows the end of a transaction a little later.
            time.sleep(0.01)

    def _end(self, isolation: ck.IsolationLevel) -> int:
        place = ck.TopicPartition(self._topic, 0)
        (end,) = self._admin.list_offsets({place: OffsetSpec.latest()}, isolation_level=isolation).values()
        offset: int = end.result(WAIT_S).offset
        return offset


@pytest.mark.kafka
def test_receipts_since_the_start_are_read_once_and_aborted_ones_never(broker: Broker, organizer: str) -> None:
    writer = Writer(broker.bootstrap_servers, organizer)
    writer.write(1, 2)
    with ReceiptReader(organizer, broker.bootstrap_servers, root=ROOT_CERTIFICATE) as reader:
        reader.start()
        writer.write(3)
        writer.write(4, commit=False)
        writer.write(5, 6)
        read: list[int] = []
        for _ in range(50):
            read += [content.through_offset for content in reader.read(0.2)]
            if len(read) >= 3:
                break
        assert read == [3, 5, 6]
        assert reader.read(0.2) == []


@pytest.mark.kafka
def test_receipt_of_another_key_is_refused(broker: Broker, organizer: str) -> None:
    producer = ck.Producer({"bootstrap.servers": broker.bootstrap_servers})
    with ReceiptReader(organizer, broker.bootstrap_servers, root=ROOT_CERTIFICATE) as reader:
        reader.start()
        producer.produce(receipts_topic(organizer), receipt_of(content_of(organizer, 0, 0, 0), signature=bytes(64)))
        assert producer.flush(WAIT_S) == 0
        with pytest.raises(InvariantBroken):
            reader.read(WAIT_S)


@pytest.mark.kafka
def test_topic_that_does_not_exist_is_said(broker: Broker) -> None:
    with ReceiptReader(new_bin(), broker.bootstrap_servers) as reader, pytest.raises(SettingInvalid, match="no topic"):
        reader.start()


def test_broker_that_does_not_answer_is_said_in_time() -> None:
    with ReceiptReader("940140000385", "127.0.0.1:1") as reader, pytest.raises(BrokerUnavailable):
        reader.start(timeout_s=0.2)
