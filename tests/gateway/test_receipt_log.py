"""Receipts are given as they lie on the topic: from an offset on, committed ones, in bounded answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import confluent_kafka as ck
import pytest

from esep.gateway import receipt_log
from esep.gateway.receipt_log import ReceiptLog
from tests.producers.bets import new_bin
from tests.producers.test_receipt_reader import Writer

if TYPE_CHECKING:
    from tests.support.brokers import Broker

pytestmark = pytest.mark.kafka
WAIT_S = 30.0


@pytest.fixture
def writer(broker: Broker, organizer: str) -> Writer:
    return Writer(broker.bootstrap_servers, organizer)


@pytest.fixture
def log(broker: Broker, writer: Writer) -> Iterator[ReceiptLog]:
    made = ReceiptLog(writer._bin, broker.bootstrap_servers)
    yield made
    made.close()


def test_reading_on_gives_every_committed_receipt_once_and_aborted_ones_never(log: ReceiptLog, writer: Writer) -> None:
    assert log.read(0, 0, WAIT_S) == ([], 0)
    writer.write(1, 2)
    writer.write(3, 4, commit=False)
    first = log.read(0, 0, WAIT_S)
    assert len(first.receipts) == 2
    assert log.read(0, first.next_offset, WAIT_S) == ([], first.next_offset)
    writer.write(5)
    second = log.read(0, first.next_offset, WAIT_S)
    assert len(second.receipts) == 1
    assert log.read(0, 0, WAIT_S) == (first.receipts + second.receipts, second.next_offset)
    assert log.read(0, second.receipts[0][0], WAIT_S).receipts == second.receipts


def test_offset_beyond_the_end_gives_nothing_and_is_kept(log: ReceiptLog, writer: Writer) -> None:
    writer.write(1)
    assert log.read(0, 10**12, WAIT_S) == ([], 10**12)


def test_long_answers_are_cut_and_go_on(log: ReceiptLog, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.write(*range(45))
    monkeypatch.setattr(receipt_log, "RECEIPTS_MAX", 20)
    read, next_offset = [], 0
    for _ in range(5):
        part = log.read(0, next_offset, WAIT_S)
        assert len(part.receipts) < 20 + receipt_log._TAKEN
        read += part.receipts
        next_offset = part.next_offset
    assert [offset for offset, _ in read] == list(range(45))


def test_partition_that_is_not_there_is_an_index_error(log: ReceiptLog) -> None:
    with pytest.raises(IndexError):
        log.read(7, 0, WAIT_S)


def test_topic_that_is_not_there_is_kafka_s_own_error(broker: Broker) -> None:
    log = ReceiptLog(new_bin(), broker.bootstrap_servers)
    with pytest.raises(ck.KafkaException) as raised:
        log.read(0, 0, WAIT_S)
    assert raised.value.args[0].code() in {ck.KafkaError.UNKNOWN_TOPIC_OR_PART, ck.KafkaError._UNKNOWN_TOPIC}
    log.close()
