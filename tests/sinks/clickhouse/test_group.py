"""The loader's place in its group: what it was given, what it committed, and for how long that counts."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError

from esep.errors import BrokerUnavailable, PlaceTaken, Unfenced
from esep.lineage import TopicPartition
from esep.settings import Settings
from esep.sinks.clickhouse import group as module
from esep.sinks.clickhouse.group import LoaderGroup, Mark, Superseded
from esep.sinks.clickhouse.pending import Committed, Pending
from esep.sinks.clickhouse.tables import subscription
from esep.topics import LEDGER, LOADER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sinks.line import Line, Servers

WAIT_S = 60.0


@pytest.fixture
def line(servers: Servers) -> Line:
    made = servers.line()
    made.fill(1)
    return made


@pytest.fixture
def joined(line: Line) -> Iterator[tuple[LoaderGroup, dict[TopicPartition, Any]]]:
    """A member that has been given all partitions and reads from their beginnings, and what it read so far."""
    read: dict[TopicPartition, Any] = {}
    given: list[TopicPartition] = []

    def on_assigned(sources: list[TopicPartition]) -> dict[TopicPartition, int]:
        given.extend(sources)
        return {source: group.earliest(source) for source in sources}

    group = LoaderGroup(line.settings, [LEDGER], on_assigned=on_assigned, on_revoked=given.clear)
    until = time.monotonic() + WAIT_S
    while sum(len(records.offsets) for records in read.values()) < 50:
        assert time.monotonic() < until
        for records in group.fetch(1_000, 0.1):
            assert records.source not in read, "the records of a fetch come together, those of one fetch are all"
            read[records.source] = records
    yield group, read
    group.close()


@pytest.mark.kafka
def test_what_is_committed_with_a_range_is_found_with_it(joined: tuple[LoaderGroup, Any], line: Line) -> None:
    group, read = joined
    assert {source: records.offsets for source, records in read.items()} == {
        TopicPartition(LEDGER, partition): line.offsets[TopicPartition(LEDGER, partition)] for partition in range(2)
    }
    first, second = sorted(read)
    pending = Pending(0, 24, 25, 1)
    assert group.committed([first, second]) == {first: None, second: None}
    group.commit({first: Mark(0, pending.encode()), second: Mark(25)})
    assert group.committed([first, second]) == {first: Committed(0, pending), second: Committed(25, None)}
    assert group.positions([first])[first] >= 25


@pytest.mark.kafka
def test_commit_confirms_for_the_session_time_out_and_no_longer(
    joined: tuple[LoaderGroup, Any], line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, read = joined
    assert not group.is_confirmed()
    group.commit({min(read): Mark(0)})
    assert group.is_confirmed()
    later = module._now_s() + line.settings.session_timeout_ms / 1000
    monkeypatch.setattr(module, "_now_s", lambda: later)
    assert not group.is_confirmed()


@pytest.mark.kafka
def test_member_that_is_back_at_once_is_given_topics_that_it_did_not_ask_for_before(
    joined: tuple[LoaderGroup, Any], line: Line
) -> None:
    """Its broker gives it what it had: without a look at the whole, receipts would be nobody's for ever (KIP-345)."""
    joined[0].close()
    given: set[TopicPartition] = set()

    def on_assigned(sources: list[TopicPartition]) -> dict[TopicPartition, int]:
        given.clear()
        given.update(sources)
        return {source: group.earliest(source) for source in sources}

    asked = subscription(line.settings)
    wanted = {
        TopicPartition(topic.name, partition)
        for topic in line.topics()
        if LOADER in topic.readers
        for partition in range(topic.partitions)
    }
    group = LoaderGroup(line.settings, asked, on_assigned=on_assigned, on_revoked=given.clear)
    until = time.monotonic() + WAIT_S
    while given != wanted:
        assert time.monotonic() < until, f"nobody was given {sorted(wanted - given)}"
        group.fetch(1_000, 0.1)
    group.close()


class LostRequest:
    """Stands in for librdkafka's consumer whose broker was killed and whose session lapsed: a commit waits for ever."""

    def __init__(self, over: threading.Event) -> None:
        self.over = over

    def consumer_group_metadata(self) -> bytes:
        return b"as at the assignment"

    def commit(self, *, offsets: list[Any], asynchronous: bool) -> list[Any]:
        assert not asynchronous
        assert self.over.wait(10), "the process goes on"
        return []


class Rejoined:
    """Stands in for librdkafka's consumer that has joined anew, of which our thread has not heard yet."""

    def __init__(self) -> None:
        self.committed: list[Any] = []

    def consumer_group_metadata(self) -> bytes:
        return b"of the next generation"

    def commit(self, *, offsets: list[Any], asynchronous: bool) -> list[Any]:
        self.committed += offsets
        return offsets


def test_commit_under_other_credentials_than_those_of_the_assignment_is_not_sent() -> None:
    """A loader that was stopped for longer than a session rejoins before it hears that its partitions are gone: the
    broker would take the commit of a range that is another's by now.
    """
    nowhere = Settings(bootstrap_servers="127.0.0.1:1", session_timeout_ms=1_000)
    group = LoaderGroup(nowhere, [LEDGER], on_assigned=lambda _: {}, on_revoked=lambda: None)
    member, group._consumer = group._consumer, Rejoined()
    group._credentials = b"as at the assignment"
    with pytest.raises(Superseded):
        group.commit({TopicPartition(LEDGER, 0): Mark(9)})
    assert group._consumer.committed == []
    assert not group.is_confirmed()
    member.close()


def test_commit_that_never_comes_back_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no time-out of its own, and the thread that waits for it could not be told to stop."""
    ended: list[int] = []
    over = threading.Event()

    def note_end(code: int) -> None:
        ended.append(code)
        over.set()

    monkeypatch.setattr("os._exit", note_end)
    monkeypatch.setattr(module, "COMMIT_S_MAX", 0.0)
    nowhere = Settings(bootstrap_servers="127.0.0.1:1", session_timeout_ms=1_000)
    group = LoaderGroup(nowhere, [LEDGER], on_assigned=lambda _: {}, on_revoked=lambda: None)
    member, group._consumer = group._consumer, LostRequest(over)
    group._credentials = b"as at the assignment"
    group.commit({TopicPartition(LEDGER, 0): Mark(0)})
    assert ended[0] == BrokerUnavailable.exit_code
    member.close()


@pytest.mark.parametrize(("member_id", "meaning"), [(b"loader-0-uuid", PlaceTaken), (b"", BrokerUnavailable)])
def test_membership_that_lapsed_without_a_broker_is_taken_by_nobody(member_id: bytes, meaning: type[Exception]) -> None:
    """A commit that waited goes out under no name then, and is fenced: the loader is to be started anew at once."""
    known = b"CGMDv2:" + (3).to_bytes(4, "little") + b"loader\0" + member_id + b"\0\0loader-0\0"
    group = object.__new__(LoaderGroup)
    group._place, group._consumer = "loader-0", SimpleNamespace(consumer_group_metadata=lambda: known)
    assert isinstance(group._fenced(KafkaError(KafkaError.FENCED_INSTANCE_ID)), meaning)


@pytest.mark.parametrize(
    ("generation", "member_id", "fenced"), [(3, b"loader-0-uuid", True), (-1, b"loader-0-uuid", False), (3, b"", False)]
)
def test_credentials_that_no_broker_would_fence_are_refused(generation: int, member_id: bytes, fenced: bool) -> None:
    parts = b"CGMDv2:" + generation.to_bytes(4, "little", signed=True) + b"loader\0" + member_id + b"\0\x01"
    if fenced:
        module._check_fenced(parts)
    else:
        with pytest.raises(Unfenced):
            module._check_fenced(parts)
