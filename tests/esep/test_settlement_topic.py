"""What a run says and how far it goes are there together or not at all, whatever happens in between."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from esep.admin import create_topics
from esep.committed import committed
from esep.embedded.kafka import KafkaBroker
from esep.errors import BrokerUnavailable, InvariantBroken, PlaceTaken
from esep.lineage import TopicPartition
from esep.lone_writer import LoneWriter, Message
from esep.settlement_topic import SettlementWriter
from esep.settlements import Settlement
from esep.topics import ALERTS, SETTLE, SETTLEMENTS, all_topics
from tests.support.secured import OTHER, Secured

pytestmark = pytest.mark.kafka
ALERT, RUNS = TopicPartition(ALERTS, 0), TopicPartition(SETTLEMENTS, 0)
KILLED = """
import os, signal, sys
from tests.esep.test_settlement_topic import ALERT, alert, opened
from esep.settlements import Settlement
writer = opened(sys.argv[1])
producer = writer._writer._producer
class Fated:
    def __getattr__(self, name):
        return getattr(producer, name)
    def commit_transaction(self, *_):
        os.kill(os.getpid(), signal.SIGKILL)
writer._writer._producer = Fated()
writer.write(Settlement(7, 0, 7, {0: 1}), lambda offset: [alert(b"of one that was killed")])
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with KafkaBroker(tmp_path_factory.mktemp("settlements")) as broker:
        topics = all_topics([], events_partitions=1, ledger_partitions=1)
        create_topics(broker.bootstrap_servers, [one for one in topics if one.name in {ALERTS, SETTLEMENTS}], 1)
        yield broker.bootstrap_servers


def opened(servers: str) -> SettlementWriter:
    writer = SettlementWriter(servers)
    writer.open()
    return writer


def alert(value: bytes) -> Message:
    return Message(ALERT, b"k" * 16, value, [])


def alerts(servers: str) -> list[bytes | None]:
    """Return the committed alerts, up to one that is written now."""
    writer = LoneWriter(servers, "mark", "a mark")
    writer.open()
    ends: list[int] = []
    writer.write(alert(b"mark"), lambda offset: ends.append(offset) or [])  # type: ignore[func-returns-value]
    chunks = committed(servers, ALERT, 0, ends[0], name="mark")
    return [one.value() for chunk in chunks for one in chunk if one.value() != b"mark"]


def test_run_that_is_killed_before_its_commit_has_not_been_and_the_next_one_says_it_once(servers: str) -> None:
    first = Settlement(1, 0, 5, {0: 1}, {("WIN_THRESHOLD", 1, "WITHDRAWN"): 1})
    writer = opened(servers)
    assert writer.last() is None
    writer.write(first, lambda offset: [alert(b"caused at %d" % offset)])
    assert writer.last() == first
    assert alerts(servers) == [b"caused at 0"]
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.run([sys.executable, "-c", KILLED, servers], cwd=root, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    again = opened(servers)
    assert again.last() == first
    second = first.followed(9, {0: 2}, {})
    again.write(second, lambda _: [alert(b"of the next one")])
    assert again.last() == second
    assert alerts(servers) == [b"caused at 0", b"of the next one"]


def test_run_that_was_put_out_says_nothing(servers: str) -> None:
    slow, quick = opened(servers), opened(servers)
    last, before = quick.last(), alerts(servers)
    with pytest.raises(PlaceTaken, match="somebody else"):
        slow.write(Settlement(99, 0, 99), lambda _: [alert(b"slow")])
    assert (quick.last(), alerts(servers)) == (last, before)


def test_nightly_run_may_be_the_writer_and_nobody_else(secured: Secured) -> None:
    """O9-4.2: one transactional id, which no organizer and no other part may take."""
    SettlementWriter(secured.servers, secured.acting_as(SETTLE)).open()
    for stranger in (OTHER, "alerts-0", "compliance"):
        with pytest.raises(BrokerUnavailable, match="could not be used"):
            SettlementWriter(secured.servers, secured.acting_as(stranger)).open()


def test_what_is_no_settlement_stops_the_run(tmp_path: Path) -> None:
    with KafkaBroker(tmp_path) as spoilt:
        topics = all_topics([], events_partitions=1, ledger_partitions=1)
        create_topics(spoilt.bootstrap_servers, [topic for topic in topics if topic.name == SETTLEMENTS], 1)
        somebody = LoneWriter(spoilt.bootstrap_servers, "somebody", "what it likes")
        somebody.open()
        somebody.write(Message(RUNS, b"", b"tried", []))
        with pytest.raises(InvariantBroken, match="offset 0 holds no settlement"):
            opened(spoilt.bootstrap_servers).last()
