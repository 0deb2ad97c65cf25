"""`esep alerts dispose` records a decision once, about the revision that was seen."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from functools import partial

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from esep.admin import create_topics
from esep.codec import decode_one
from esep.embedded.kafka import KafkaBroker
from esep.errors import UsageError
from esep.schemas import schema
from esep.topics import DISPOSITIONS, all_topics
from tests.support.alert_books import MILLION, PERSON, AlertBooks
from tests.support.command import command

esep = partial(command, "alerts", "dispose")
REASON = ("--reason", "As the books have it.")


@pytest.fixture
def broker_of_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with KafkaBroker(tmp_path_factory.mktemp("dispose")) as own:
        topics = all_topics([], events_partitions=1, ledger_partitions=1)
        create_topics(own.bootstrap_servers, [topic for topic in topics if topic.name == DISPOSITIONS], 1)
        monkeypatch.setenv("ESEP_BOOTSTRAP_SERVERS", own.bootstrap_servers)
        yield own.bootstrap_servers


def first_record(servers: str) -> dict[str, object]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "compliance", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(DISPOSITIONS, 0, OFFSET_BEGINNING)])
    message = consumer.poll(30)
    consumer.close()
    assert message is not None
    return decode_one(message.value(), schema("disposition"))


@pytest.mark.kafka
@pytest.mark.clickhouse
def test_decision_is_recorded_once_by_who_is_logged_in_about_the_last_revision(
    books: AlertBooks, broker_of_own: str
) -> None:
    paid = books.pay(MILLION)
    alert_id = books.alert([paid])
    books.alert([paid._replace(amount_tiyn=2 * MILLION)], 2, bucket=paid.entry_id)
    reported = (alert_id, "--verdict", "reported", *REASON, "--reference", "2026/117")
    first = esep(*reported)
    assert first.exit_code == 0, first.exception
    assert f"recorded: REPORTED of alert {alert_id}, revision 2" in first.stdout
    assert "stands already" in esep(*reported).stdout
    other = json.loads(esep(alert_id, "--verdict", "FALSE", *REASON, "--revision", "1", "--json").stdout)
    assert (other["recorded"], other["revision"], other["officer"]) == (True, 1, getpass.getuser())
    record = first_record(broker_of_own)
    told = (record["verdict"], record["revision"], record["row"], record["cause_offset"], record["reference"])
    assert told == ("REPORTED", 2, 1, 1, "2026/117")


@pytest.mark.clickhouse
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("0" * 32, "--verdict", "FALSE", *REASON), "there is no alert"),
        (("0" * 32, "--verdict", "REPORTED", *REASON), "found by its number"),
        (("0" * 32, "--verdict", "FALSE", "--reason", f"Is {PERSON}."), "number of a person"),
        ((PERSON, "--verdict", "FALSE", *REASON), "32 hex digits"),
    ],
)
def test_what_cannot_be_recorded_is_refused_before_anything_is_written(
    books: AlertBooks, arguments: tuple[str, ...], text: str
) -> None:
    answer = esep(*arguments)
    assert isinstance(answer.exception, UsageError)
    assert text in str(answer.exception)
    assert PERSON not in str(answer.exception)
