"""States of before decision 0047 are taken over whole, or not at all; whoever is interrupted does it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import confluent_kafka as ck
import pytest
from confluent_kafka.admin import AdminClient

from esep.admin import create_topics
from esep.errors import PositionMismatch, UsageError
from esep.lineage import TopicPartition
from esep.settings import Settings
from esep.stream_apps.handover import restore
from esep.stream_apps.intake import taken_over
from esep.stream_apps.intake.taken_over import FORMER, SHARED, take_over
from esep.stream_apps.transaction import writes_of
from esep.topics import INTAKE, Topic, all_topics, former_intake_changelog
from tests.producers.bets import new_bin
from tests.stream_apps.intake.made_up import Line, message, source_of, wager

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.stream_apps.intake.stage import Streams
    from esep.stream_apps.intake.taken_over import AsRecords
    from esep.stream_apps.stage import PartitionState, Result
    from tests.support.brokers import Broker

WAIT_S = 30.0


class Old:
    """A line of organizers of its own whose intake had a changelog for each: its topics, its states, its offsets."""

    def __init__(self, broker: Broker, organizers: int = 1) -> None:
        self.settings = Settings(bootstrap_servers=broker.bootstrap_servers, events_partitions=1)
        self.sources = [source_of(new_bin()) for _ in range(organizers)]
        self.line = Line()
        bins = [source.topic.split(".")[1] for source in self.sources]
        self.former = [former_intake_changelog(bin_) for bin_ in bins]
        topics = all_topics(bins, events_partitions=1, ledger_partitions=1)
        wanted = [topic for topic in topics if topic.name.startswith(("organizer.", "intake."))]
        wanted += [Topic(name, 1, "scope", INTAKE, ()) for name in self.former]
        create_topics(broker.bootstrap_servers, wanted, 1)
        self.consumer = ck.Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": INTAKE})
        self.producer = ck.Producer({"bootstrap.servers": broker.bootstrap_servers, "transactional.id": "intake-0"})
        self.producer.init_transactions(WAIT_S)

    def take(self, source: TopicPartition, *sequences: int) -> Result:
        """Let intake consume these sequences of a stream."""
        bin_ = source.topic.split(".")[1]
        records = [wager(organizer_bin=bin_, stream_id="desk", sequence=one, wager_id=f"w-{one}") for one in sequences]
        return self.line.take(*map(message, records), source=source)

    def commit(self, result: Result, *memories: AsRecords, offsets: bool = True) -> None:
        """Commit it as a worker does, with its state in each of these changelogs."""
        self.producer.begin_transaction()
        for write in (write for memory in memories for write in writes_of(result, memory)):
            if write.target.topic.startswith("intake."):
                for key, value in zip(write.keys, write.values, strict=True):
                    self.producer.produce(write.target.topic, value, key, write.target.partition)
        reached = [ck.TopicPartition(*source, position.next_offset) for source, position in result.positions.items()]
        if offsets:
            self.producer.send_offsets_to_transaction(reached, self.consumer.consumer_group_metadata(), WAIT_S)
        self.producer.commit_transaction(WAIT_S)

    def restored(self, sources: Sequence[TopicPartition]) -> dict[TopicPartition, PartitionState[Streams]] | None:
        """Return what a worker of intake would begin with."""
        servers = self.settings.bootstrap_servers
        return restore(self.line.stage, sources, {}, bootstrap_servers=servers, group=INTAKE, in_force=lambda: True)

    def former_left(self) -> list[str]:
        """Return which of the former changelogs are there."""
        admin = AdminClient({"bootstrap.servers": self.settings.bootstrap_servers})
        return sorted({*self.former} & {*admin.list_topics(timeout=WAIT_S).topics})


@pytest.mark.kafka
def test_states_are_taken_over_as_they_were_and_the_former_changelogs_go(broker: Broker) -> None:
    old = Old(broker, organizers=3)
    first, second, idle = old.sources
    for sequences in ((1, 3), (5, 2), (2, 9)):  # Ranges are joined: what one record said another takes out.
        old.commit(old.take(first, *sequences), FORMER)
    old.commit(old.take(second, 4), FORMER)
    assert sorted(take_over(old.settings)) == sorted([first, second])
    states = old.restored(old.sources) or {}
    assert {source: states[source] for source in (first, second)} == old.line.states
    assert states[idle].data == {}
    assert old.former_left() == []
    assert take_over(old.settings) == []


@pytest.mark.kafka
def test_what_broke_off_is_done_again(broker: Broker) -> None:
    """Taken over already; or taken over before intake of an older version went on: what that removed is removed."""
    old = Old(broker, organizers=2)
    done, went_on = old.sources
    old.commit(old.take(done, 1), FORMER, SHARED)
    old.commit(old.take(went_on, 1, 3), FORMER, SHARED)
    old.commit(old.take(went_on, 2), FORMER)
    assert take_over(old.settings) == [went_on]
    assert old.restored(old.sources) == old.line.states
    assert old.former_left() == []


@pytest.mark.kafka
def test_state_that_is_not_the_committed_one_is_left_where_it_is(broker: Broker) -> None:
    old = Old(broker)
    result = old.take(old.sources[0], 1)
    old.commit(result, FORMER, offsets=False)
    with pytest.raises(PositionMismatch):
        take_over(old.settings)
    assert old.former_left() == old.former
    old.commit(result)  # As if somebody put the offset back.
    assert take_over(old.settings) == old.sources


@pytest.mark.kafka
def test_nothing_is_taken_over_while_intake_is_at_work(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Old(broker)
    old.commit(old.take(old.sources[0], 1), FORMER)
    with monkeypatch.context() as patch:
        patch.setattr(taken_over, "members_of", lambda settings, group: 1)
        patch.setattr(taken_over, "LEFT_S_MAX", 0.0)
        with pytest.raises(UsageError, match="the group intake has 1 members"):
            take_over(old.settings)
    assert old.former_left() == old.former
    assert take_over(old.settings) == old.sources
