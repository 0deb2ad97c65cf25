"""A decision is recorded once, by one writer at a time, whatever happens in between."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import confluent_kafka as ck
import pytest

from esep.admin import create_topics
from esep.codec import decode_one
from esep.disposition_topic import DispositionWriter
from esep.dispositions import Decision, Seen, decision
from esep.embedded.kafka import KafkaBroker
from esep.errors import BrokerUnavailable, InvariantBroken, PlaceTaken, SettingInvalid
from esep.schemas import schema
from esep.topics import COMPLIANCE, DISPOSITIONS, all_topics
from tests.support.secured import OTHER, Secured

pytestmark = pytest.mark.kafka
AT = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)
SEEN = Seen("0" * 32, 1, AT, 0, 4)
WAIT_S = 30.0


def decided(reason: str, verdict: str = "CONFIRMED") -> Decision:
    return decision(verdict, reference="", reason=reason, officer="a.serikova")


def recorded(servers: str, security: dict[str, str] | None = None) -> list[tuple[dict[str, Any], ck.Message]]:
    """Return every committed record, in order, with its message."""
    consumer = ck.Consumer(
        {
            "bootstrap.servers": servers,
            **(security or {}),
            "group.id": COMPLIANCE,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    consumer.assign([ck.TopicPartition(DISPOSITIONS, 0, ck.OFFSET_BEGINNING)])
    found = []
    while (message := consumer.poll(WAIT_S)) is not None and message.error() is None:
        found.append((decode_one(message.value(), schema("disposition")), message))
    consumer.close()
    assert message is not None, "the end was not reached in time"
    return found


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with KafkaBroker(tmp_path_factory.mktemp("dispositions")) as broker:
        yield broker.bootstrap_servers


@pytest.fixture
def servers(own: str) -> str:
    """Give the broker with what earlier tests recorded: rows go on."""
    topics = all_topics([], events_partitions=1, ledger_partitions=1)
    create_topics(own, [topic for topic in topics if topic.name == DISPOSITIONS], 1)
    return own


def opened(servers: str) -> DispositionWriter:
    writer = DispositionWriter(servers)
    writer.open()
    return writer


def test_topic_that_is_not_there_is_told(tmp_path: Path) -> None:
    with KafkaBroker(tmp_path) as bare:
        writer = opened(bare.bootstrap_servers)
        with pytest.raises(SettingInvalid, match="is missing"):
            writer.record(SEEN, decided("x"), AT)


def test_same_decision_is_recorded_once_and_another_one_follows_it(servers: str) -> None:
    before, seen = len(recorded(servers)), SEEN._replace(alert_id=uuid.uuid4().hex)
    outcomes = [
        opened(servers).record(seen, decided(reason), AT) for reason in ("first", "first", "second", "second", "first")
    ]
    assert outcomes == [True, False, True, False, True]
    added = recorded(servers)[before:]
    assert [record["reason"] for record, _ in added] == ["first", "second", "first"]
    assert {message.key() for _, message in added} == {seen.alert_id.encode()}
    rows = [record["row"] for record, _ in recorded(servers)]
    assert rows == list(range(1, len(rows) + 1))


def test_writer_that_was_put_out_records_nothing(servers: str) -> None:
    """It had read the rows before the other one wrote: its number would be there twice."""
    slow, seen = opened(servers), SEEN._replace(alert_id=uuid.uuid4().hex)
    quick = opened(servers)
    assert quick.record(seen, decided("quick"), AT)
    before = len(recorded(servers))
    with pytest.raises(PlaceTaken, match="somebody else"):
        slow.record(seen, decided("slow"), AT)
    assert len(recorded(servers)) == before
    assert opened(servers).record(seen, decided("slow"), AT), "told again, it is recorded"


def test_transaction_that_a_dead_writer_left_open_holds_nobody_up(servers: str) -> None:
    seen = SEEN._replace(alert_id=uuid.uuid4().hex)
    dead = ck.Producer({"bootstrap.servers": servers, "transactional.id": COMPLIANCE})
    dead.init_transactions(WAIT_S)
    dead.begin_transaction()
    dead.produce(DISPOSITIONS, b"half", partition=0)
    assert dead.flush(WAIT_S) == 0
    assert opened(servers).record(seen, decided("after it"), AT)
    assert recorded(servers)[-1][0]["reason"] == "after it"


def test_compliance_may_be_the_writer_and_nobody_else(secured: Secured) -> None:
    """O9-4.2: one transactional id, which no organizer and no other part may take."""
    DispositionWriter(secured.servers, secured.acting_as(COMPLIANCE)).open()
    for stranger in (OTHER, "alerts-0"):
        with pytest.raises(BrokerUnavailable, match="could not be used"):
            DispositionWriter(secured.servers, secured.acting_as(stranger)).open()


def test_what_is_no_disposition_stops_the_writer(tmp_path: Path) -> None:
    with KafkaBroker(tmp_path) as spoilt:
        topics = all_topics([], events_partitions=1, ledger_partitions=1)
        create_topics(spoilt.bootstrap_servers, [topic for topic in topics if topic.name == DISPOSITIONS], 1)
        somebody = ck.Producer({"bootstrap.servers": spoilt.bootstrap_servers})
        somebody.produce(DISPOSITIONS, b"tried", partition=0)
        assert somebody.flush(WAIT_S) == 0
        with pytest.raises(InvariantBroken, match="offset 0 holds no disposition"):
            opened(spoilt.bootstrap_servers).record(SEEN, decided("x"), AT)


def test_absent_broker_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("esep.lone_writer.CALL_S_MAX", 0.3)
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:9"):
        DispositionWriter("127.0.0.1:9").open()
