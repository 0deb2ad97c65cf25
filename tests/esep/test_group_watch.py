"""What a group has left out is found at the second look, and only if it is asked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import confluent_kafka as ck
import pytest
from confluent_kafka import KafkaException

from esep import group_watch as module
from esep.group_watch import LOOK_EVERY_S, SETTLED_S, GroupWatch
from esep.lineage import TopicPartition

RECEIPTS = TopicPartition("organizer.940140000385.receipts", 0)
LEDGER = [TopicPartition("ledger", 0), TopicPartition("ledger", 1)]
ASKED = ["ledger", r"^organizer[.][0-9]+[.]receipts$"]


class Admin:
    """Stands for the brokers; given: what the members of the group have."""

    def __init__(self) -> None:
        self.given: list[list[TopicPartition]] = []
        self.fails = False

    def list_topics(self, timeout: float) -> Any:
        if self.fails:
            raise KafkaException(ck.KafkaError(ck.KafkaError._TRANSPORT, "nobody answers"))
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
    monkeypatch.setattr(module, "AdminClient", lambda _: admin)
    return GroupWatch("loader", "127.0.0.1:9092", {}), admin


def test_what_is_nobodys_at_two_looks_in_a_row_is_told_once(watch: tuple[GroupWatch, Admin]) -> None:
    group, admin = watch
    admin.given = [LEDGER[:1], LEDGER[1:]]
    assert [group.left_out(ASKED) for _ in range(4)] == [set(), {RECEIPTS}, set(), {RECEIPTS}]
    assert group.left_out(["ledger"]) == group.left_out(["ledger"]) == set()


def test_group_that_settles_between_two_looks_has_forgotten_nothing(watch: tuple[GroupWatch, Admin]) -> None:
    group, admin = watch
    assert group.left_out(ASKED) == set()
    admin.given = [[*LEDGER, RECEIPTS]]
    assert [group.left_out(ASKED) for _ in range(2)] == [set(), set()]


def test_broker_that_does_not_answer_says_nothing_about_the_group(watch: tuple[GroupWatch, Admin]) -> None:
    group, admin = watch
    group.left_out(ASKED)
    admin.fails = True
    assert group.left_out(ASKED) == set()
    admin.fails = False
    assert group.left_out(ASKED) == set(), "the two looks are not in a row"


def test_looks_begin_with_an_assignment_and_come_soon_after_one_that_found_something(
    watch: tuple[GroupWatch, Admin], monkeypatch: pytest.MonkeyPatch
) -> None:
    group, admin = watch
    now = [1_000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    assert not group.is_due()
    group.assigned()
    assert not group.is_due()
    for wait_s, given in ((SETTLED_S, []), (SETTLED_S, [[*LEDGER, RECEIPTS]]), (LOOK_EVERY_S, [])):
        now[0] += wait_s
        assert group.is_due()
        admin.given = given
        group.left_out(ASKED)
        assert not group.is_due()
