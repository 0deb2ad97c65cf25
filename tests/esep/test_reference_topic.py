"""What is published is read as it was, load by load, as a whole or not at all, by every reader alike."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from types import SimpleNamespace
from typing import Any

import confluent_kafka as ck
import numpy as np
import polars as pl
import pytest
from confluent_kafka.admin import AdminClient

from esep import followed_topic, reference_topic
from esep.admin import NO_LEADER_YET, create_topics
from esep.codec import decode_one
from esep.errors import BrokerUnavailable, InvariantBroken, SettingInvalid
from esep.followed_topic import CATCH_UP_S_MAX, CLOCKS_APART_MS_MAX
from esep.reference import BARRED_ORGANIZER, REFERENCE_DELAY_MS, Difference, Fact, Load, Reference, ReferenceFile
from esep.reference_topic import (
    LOAD,
    PERSONS,
    TRANSACTION_MS_MAX,
    ReferenceReader,
    ReferenceWriter,
    load_records,
)
from esep.restrictions import entries_of
from esep.schemas import schema
from esep.topics import REFERENCE, all_topics

IINS = ("900101300007", "900101300811", "061211600012", "830717350867")
BARRED = {"id": "bet-x", "name": "Bet X", "why": "ILLEGAL", "valid_from": "2026-01-01T00:00:00+05:00"}


def facts(name: str) -> list[Fact]:
    return ReferenceFile.model_validate({"barred_organizers": [BARRED | {"name": name}]}).facts()


def persons(name: str, *iins: str) -> pl.DataFrame:
    columns = {"list": pl.String, "iin": pl.String, "valid_from": pl.Date, "valid_to": pl.Date}
    return entries_of(pl.DataFrame([(name, iin, date(2026, 1, 1), None) for iin in iins], schema=columns, orient="row"))


def test_records_of_a_load_are_its_facts_blocks_of_persons_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_topic, "BLOCK_PERSONS", 3)
    reference = Reference()
    reference.publish(Load(5, 0), [(4, facts("Bet X")[0])])
    (fact,) = facts("Bet Y")
    records = list(load_records(reference, Difference([], [fact]), persons("DEBTOR", *IINS)))
    read = [decode_one(value, schema("reference_fact")) for _, value in records]
    assert [one["kind"] for one in read] == [BARRED_ORGANIZER, PERSONS, PERSONS, LOAD]
    assert {one["load"] for one in read} == {2}
    assert (read[0]["key"], read[0]["begins_at"], read[0]["ends_at"]) == fact[1:4]
    assert [one["supersedes"] for one in read] == [4, None, None, None]
    assert [one["iin"] for block in read[1:3] for one in block["persons"]] == sorted(IINS)
    assert [key for key, _ in records] == [b"BARRED_ORGANIZER/bet-x", b"PERSONS/", b"PERSONS/", b"LOAD/"]


def test_a_reader_waits_longer_than_a_load_may_take() -> None:
    assert CATCH_UP_S_MAX * 1000 > TRANSACTION_MS_MAX


@pytest.fixture
def servers(broker: Any) -> Iterator[str]:
    """The broker with an empty topic, which has one name only, and is gone afterwards."""
    topics = [topic for topic in all_topics([], events_partitions=1, ledger_partitions=1) if topic.name == REFERENCE]
    create_topics(broker.bootstrap_servers, topics, 1)
    yield broker.bootstrap_servers
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    admin.delete_topics([REFERENCE], operation_timeout=30)[REFERENCE].result(30)
    deadline = time.monotonic() + 30
    while REFERENCE in admin.list_topics(timeout=10).topics:
        assert time.monotonic() < deadline


def read(servers: str) -> Reference:
    reader = ReferenceReader(servers)
    try:
        reader.catch_up()
    finally:
        reader.close()
    return reader.reference


def flags_of(reference: Reference) -> list[int]:
    count = len(IINS)
    late = np.full(count, 2 * 10**12)
    return reference.restrictions.flags(pl.Series(IINS), late, np.full(count, len(reference.loads))).tolist()


@pytest.mark.kafka
def test_what_is_published_is_read_by_whoever_comes_later_and_whoever_follows(servers: str) -> None:
    follower = ReferenceReader(servers)
    follower.catch_up()
    assert follower.reference.loads == []
    before_ms = time.time_ns() // 1_000_000
    for name, listed in (("Bet X", IINS[:1]), ("Bet Y", IINS[1:])):
        writer = ReferenceWriter(servers)
        writer.open()
        reference = read(servers)
        writer.publish(reference, reference.difference(facts(name)), persons("OFFICIAL", *listed))
    late = read(servers)
    follower.catch_up()
    assert follower.reference.loads == late.loads
    assert follower.reference.history == late.history
    ((older, newer),) = late.of_kind(BARRED_ORGANIZER)
    assert (older.fact, newer.fact) == (*facts("Bet X"), *facts("Bet Y"))
    assert (older.offset, newer.load) == (0, 1)
    assert late.loads[0].version == 2, "after the fact and a block of persons"
    assert before_ms - 1000 <= late.loads[0].published_ms <= late.loads[1].published_ms
    assert flags_of(late) == [16] * len(IINS)
    assert not late.difference(facts("Bet Y"))
    follower.close()


@pytest.mark.kafka
def test_load_that_died_counts_for_nobody_and_another_writer_ends_it(servers: str) -> None:
    """Until then readers wait, for they could not tell what counts."""
    dead = ReferenceWriter(servers)
    dead.open()
    dead._producer.begin_transaction()
    for key, value in list(load_records(Reference(), Difference(facts("Bet X"), []), persons("DEBTOR")))[:1]:
        dead._producer.produce(REFERENCE, value, key, 0)
    dead._producer.flush(10)
    reader = ReferenceReader(servers)
    with pytest.raises(BrokerUnavailable, match="end"):
        reader.catch_up(seconds_max=0.3)
    ReferenceWriter(servers).open()
    reader.catch_up()
    assert reader.reference == Reference(restrictions=reader.reference.restrictions)
    reader.close()
    with pytest.raises(BrokerUnavailable, match="could not be used"):
        dead.publish(Reference(), Difference([], []), persons("DEBTOR"))


@pytest.mark.kafka
def test_end_is_asked_for_only_where_an_earlier_answer_may_not_do(
    servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, asked = ReferenceReader(servers), []
    ask = reader._end
    monkeypatch.setattr(reader, "_end", lambda deadline: asked.append(deadline) or ask(deadline))
    now_ms = 1_772_366_400_000
    for received_ms in (now_ms, now_ms - 5_000_000, now_ms + REFERENCE_DELAY_MS - CLOCKS_APART_MS_MAX - 1):
        reader.catch_up(received_ms)
        assert len(asked) == 1
    reader.catch_up(now_ms + REFERENCE_DELAY_MS - CLOCKS_APART_MS_MAX)
    assert len(asked) == 2
    reader.close()


@pytest.mark.kafka
@pytest.mark.parametrize("code", sorted(NO_LEADER_YET))
def test_broker_that_does_not_know_the_leader_yet_is_asked_again(
    servers: str, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """In a cluster a topic that was just made: "Failed to query partition leaders: No leaders found" is _NOENT."""
    reader = ReferenceReader(servers)
    ask, answers = reader._admin.list_offsets, iter([False, True])

    def list_offsets(*arguments: Any, **options: Any) -> Any:
        if not next(answers):
            raise ck.KafkaException(ck.KafkaError(code, "no leaders found"))
        return ask(*arguments, **options)

    for name, client in (
        ("_admin", admin := SimpleNamespace(list_offsets=list_offsets)),
        ("_new_admin", lambda: admin),
    ):
        monkeypatch.setattr(reader, name, client)
    reader.catch_up()
    assert next(answers, None) is None
    reader.close()


@pytest.mark.kafka
def test_record_of_another_kind_stops_the_reader_and_names_its_offset(servers: str) -> None:
    producer = ck.Producer({"bootstrap.servers": servers})
    producer.produce(REFERENCE, b"no fact")
    producer.flush(10)
    with pytest.raises(InvariantBroken, match="offset 0"):
        read(servers)


@pytest.mark.kafka
def test_look_takes_what_has_come_without_asking(servers: str) -> None:
    reader = ReferenceReader(servers)
    reader.catch_up()
    writer = ReferenceWriter(servers)
    writer.open()
    writer.publish(Reference(), Difference(facts("Bet X"), []), persons("DEBTOR"))
    deadline = time.monotonic() + 30
    while not reader.reference.loads:
        reader.look()
        assert time.monotonic() < deadline
    reader.close()


@pytest.mark.kafka
def test_absent_topic_is_named_with_what_to_do(broker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_topic, "_ABSENT_S_MAX", 0.2)
    with pytest.raises(SettingInvalid, match="esep setup"):
        read(broker.bootstrap_servers)
