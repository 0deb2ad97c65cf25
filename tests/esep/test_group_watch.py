"""What a group has left out is found at the second look, and only if it is asked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import confluent_kafka as ck
import pytest
from confluent_kafka import KafkaException

from esep import group_watch as module
from esep.group_watch import GroupWatch
from esep.lineage import TopicPartition

RECEIPTS = TopicPartition("organizer.940140000385.receipts", 0)
LEDGER = [TopicPartition("ledger", 0), TopicPartition("ledger", 1)]
ASKED = ["ledger", r"^organizer[.][0-9]+[.]receipts$"]


class Admin:
    """Stands for the brokers; given: what the members of the group have."""

    def __init__(self) -> None:
        self.given: list[list[TopicPartition]] = []
        self.failure: Exception | None = None
        self.clients = 0

    def client(self, _: dict[str, Any]) -> Admin:
        self.clients += 1
        return self

    def list_topics(self, timeout: float) -> Any:
        if self.failure is not None:
            raise self.failure
        topics: dict[str, set[int]] = {"accepted": {0}, "ledger": {0, 1}, RECEIPTS.topic: {0}}
        return SimpleNamespace(topics={name: SimpleNamespace(partitions=found) for name, found in topics.items()})

    def describe_consumer_groups(self, groups: list[str], request_timeout: float) -> Any:
        members = [
            SimpleNamespace(assignment=SimpleNamespace(topic_partitions=[ck.TopicPartition(*one) for one in given]))
            for given in self.given
        ]
        return {groups[0]: SimpleNamespace(result=lambda _: SimpleNamespace(members=members))}


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> tuple[GroupWatch, Admin]:
    admin = Admin()
    monkeypatch.setattr(module, "AdminClient", admin.client)
    monkeypatch.setattr(module, "SETTLED_S", 0.0)
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.0)
    group = GroupWatch("loader", "127.0.0.1:9092", {})
    group.assigned()
    return group, admin


def look(group: GroupWatch, topics: list[str] = ASKED) -> set[TopicPartition]:
    """Have it take one look, to the end, and return what it tells then."""
    told = group.left_out(topics)
    while group._look is not None:
        group._look.join(10)
        told |= group.left_out(topics)
    return told


def test_what_is_nobodys_at_two_looks_in_a_row_is_told_once(watch: tuple[GroupWatch, Admin]) -> None:
    group, admin = watch
    admin.given = [LEDGER[:1], LEDGER[1:]]
    assert [look(group) for _ in range(4)] == [set(), {RECEIPTS}, set(), {RECEIPTS}]
    assert look(group, ["ledger"]) == look(group, ["ledger"]) == set()


def test_group_that_settles_between_two_looks_has_forgotten_nothing(watch: tuple[GroupWatch, Admin]) -> None:
    group, admin = watch
    assert look(group) == set()
    admin.given = [[*LEDGER, RECEIPTS]]
    assert [look(group) for _ in range(2)] == [set(), set()]


def test_look_before_an_assignment_says_nothing_about_the_group_after_it(watch: tuple[GroupWatch, Admin]) -> None:
    group, _ = watch
    assert look(group) == set()
    group.left_out(ASKED)  # Begins one that would find the same.
    group.assigned()
    assert look(group) == set()
    assert look(group) == {*LEDGER, RECEIPTS}


@pytest.mark.parametrize(
    "failure", [KafkaException(ck.KafkaError(ck.KafkaError.NOT_COORDINATOR, "")), TimeoutError()], ids=repr
)
def test_broker_that_does_not_answer_says_nothing_and_another_client_asks_next(
    watch: tuple[GroupWatch, Admin], failure: Exception
) -> None:
    """librdkafka's admin client goes on asking the broker that was the coordinator before."""
    group, admin = watch
    look(group)
    admin.failure = failure
    assert look(group) == set()
    assert admin.clients == 2
    admin.failure = None
    assert look(group) == set(), "the two looks are not in a row"
    assert look(group) == {*LEDGER, RECEIPTS}
    assert admin.clients == 2


@pytest.mark.usefixtures("watch")
def test_looks_begin_with_an_assignment_and_come_soon_after_one_that_found_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(module, "SETTLED_S", 1.0)
    monkeypatch.setattr(module, "LOOK_EVERY_S", 10.0)
    group = GroupWatch("loader", "127.0.0.1:9092", {})
    looks = []
    monkeypatch.setattr(module.Look, "run", lambda self: looks.append(now[0]))
    look(group)
    group.assigned()
    look(group)
    assert looks == []
    now[0] += 1
    look(group)
    now[0] += 9.9
    look(group)
    now[0] += 0.1
    monkeypatch.setattr(module.Look, "run", lambda self: (looks.append(now[0]), self.found.add(RECEIPTS)))
    look(group)
    now[0] += 1
    look(group)
    assert looks == [1_001, 1_011, 1_012]
