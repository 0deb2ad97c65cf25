"""Files that were put in force are read as they were, by every reader alike, from their instants on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import confluent_kafka as ck
import pytest
from confluent_kafka.admin import AdminClient

from esep.admin import create_topics
from esep.errors import InvariantBroken, PlaceTaken, SettingInvalid
from esep.rule_files import AHEAD_MS_MIN, RuleFile
from esep.rule_topic import RuleFileReader, RuleFileWriter, configured
from esep.rules import RULES_FILE, parse_rules
from esep.topics import RULES, all_topics

pytestmark = pytest.mark.kafka
CONFIGURED = configured(None)
OTHER_TEXT = RULES_FILE.read_text("utf-8").replace("mode: LIVE", "mode: SHADOW", 1)
OTHER = parse_rules(OTHER_TEXT)


@pytest.fixture
def servers(broker: Any) -> Iterator[str]:
    """The broker with an empty topic, which is gone afterwards."""
    topics = [topic for topic in all_topics([], events_partitions=1, ledger_partitions=1) if topic.name == RULES]
    create_topics(broker.bootstrap_servers, topics, 1)
    yield broker.bootstrap_servers
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    admin.delete_topics([RULES], operation_timeout=30)[RULES].result(30)
    deadline = time.monotonic() + 30
    while RULES in admin.list_topics(timeout=10).topics:
        assert time.monotonic() < deadline


def reader(servers: str, first: RuleFile = CONFIGURED) -> RuleFileReader:
    one = RuleFileReader(first, servers)
    one.catch_up()
    return one


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def put(servers: str, from_ms: int) -> None:
    writer = RuleFileWriter(servers)
    writer.open()
    writer.put(reader(servers), OTHER_TEXT, OTHER, from_ms)


def test_file_is_read_as_it_was_put_there_after_the_one_of_before_and_never_too_soon(servers: str) -> None:
    """D934-1..3: a delayed record counts a minute after its stamp, for all alike, for it may be read that late."""
    follower = reader(servers)
    assert (follower.is_empty, follower.files.files) == (True, [CONFIGURED])
    later_ms = now_ms() + 10 * AHEAD_MS_MIN
    put(servers, now_ms())
    put(servers, later_ms)
    follower.catch_up()
    files = follower.files.files
    assert [one.number for one in files] == [1, 2, 3]
    assert [one.text for one in files] == [CONFIGURED.text, OTHER_TEXT, OTHER_TEXT]
    assert [one.rules for one in files] == [CONFIGURED.rules, OTHER, OTHER]
    assert [one.from_ms for one in files] == [0, files[1].published_ms + AHEAD_MS_MIN, later_ms]
    assert files == reader(servers).files.files


def test_process_that_works_by_other_rules_than_the_first_file_stops_and_goes_by_it_when_it_begins_again(
    servers: str,
) -> None:
    ours = RuleFile(1, 0, OTHER_TEXT, OTHER)
    working = reader(servers, ours)
    put(servers, now_ms())
    with pytest.raises(SettingInvalid, match="not those that were in force"):
        working.catch_up()
    assert reader(servers, ours).files.at(0).rules == CONFIGURED.rules


def test_who_was_put_out_puts_nothing_in_force(servers: str) -> None:
    slow = RuleFileWriter(servers)
    slow.open()
    put(servers, now_ms())
    with pytest.raises(PlaceTaken, match="a file of rules"):
        slow.put(reader(servers), OTHER_TEXT, OTHER, now_ms())
    assert len(reader(servers).files.files) == 2


def test_record_that_is_no_file_of_rules_stops_the_reader(servers: str) -> None:
    producer = ck.Producer({"bootstrap.servers": servers})
    producer.produce(RULES, b"no file")
    producer.flush(10)
    with pytest.raises(InvariantBroken, match="offset 0 holds no file of rules"):
        reader(servers)
