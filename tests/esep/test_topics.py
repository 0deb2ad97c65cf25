"""Topics are what DESIGN §3 to §5 ask of them: names, owners, clocks, retention, sizes."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep import topics
from esep.topics import (
    Topic,
    all_topics,
    events_topic,
    former_intake_changelog,
    intake_changelog,
    organizer_of,
    receipts_topic,
)
from tests.support.records import BINS, bins

EVERY = all_topics(BINS, events_partitions=2, ledger_partitions=4)
BY_NAME = {topic.name: topic for topic in EVERY}
FIVE_YEARS_AND_A_DAY_MS = 5 * 366 * 24 * 3600 * 1000
each_topic = pytest.mark.parametrize("topic", EVERY, ids=lambda topic: topic.name)


def test_line_has_the_topics_of_the_picture() -> None:
    of_organizers = {
        name.format(organizer_bin)
        for organizer_bin in BINS
        for name in ("organizer.{}.events", "organizer.{}.receipts")
    }
    shared = {
        "accepted",
        "rejected",
        "ledger",
        "compliance.alerts",
        "compliance.dispositions",
        "compliance.rules",
        "compliance.settlements",
        "intake.changelog",
        "totals.changelog",
        "alerts.changelog",
        "alerts.instruments",
        "alerts.instruments.changelog",
        "reference",
    }
    assert {topic.name for topic in EVERY} == of_organizers | shared
    assert len(EVERY) == len(BY_NAME)


@each_topic
def test_name_is_one_that_a_broker_takes(topic: Topic) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", topic.name)
    assert "_" not in topic.name, "metrics cannot tell a dot from an underscore"


@each_topic
def test_changelog_is_compacted_and_nothing_else_is(topic: Topic) -> None:
    is_changelog = topic.name.endswith(".changelog")
    assert (topic.config.get("cleanup.policy") == "compact") == is_changelog
    assert ("retention.ms" in topic.config) == (not is_changelog)


@each_topic
def test_changelog_is_kept_short(topic: Topic) -> None:
    """DESIGN §5: small segments, and nothing waits longer than an hour for the cleaner."""
    if topic.name.endswith(".changelog"):
        assert int(topic.config["segment.bytes"]) <= 128 * 1024 * 1024
        assert int(topic.config["max.compaction.lag.ms"]) == 3600 * 1000
        assert topic.readers == (topic.writer,)


@each_topic
def test_only_the_broker_stamps_what_an_organizer_writes(topic: Topic) -> None:
    """So that its stamp can be held against those of the reference data, which the broker stamps, too."""
    is_events = topic.name.endswith(".events")
    is_stamped = topic.config.get("message.timestamp.type") == "LogAppendTime"
    assert is_stamped == (is_events or topic.name in {topics.REFERENCE, topics.RULES})
    assert (topic.writer in BINS) == is_events


def test_reference_data_are_kept_for_ever_in_one_order() -> None:
    reference = BY_NAME[topics.REFERENCE]
    assert reference.partitions == 1
    assert reference.config["retention.ms"] == reference.config["retention.bytes"] == "-1"
    assert reference.readers == (topics.INTAKE, topics.SETTLE)


def test_files_of_rules_are_kept_for_ever_in_one_order_and_never_compacted() -> None:
    """A replay needs each file that was ever in force."""
    rules = BY_NAME[topics.RULES]
    assert rules.partitions == 1
    assert rules.config["retention.ms"] == rules.config["retention.bytes"] == "-1"
    assert "cleanup.policy" not in rules.config
    assert (rules.writer, rules.readers) == (topics.ADMIN, (topics.ALERTS_STAGE, topics.SETTLE))


def test_dispositions_are_kept_for_ever_in_one_order() -> None:
    """Who writes the next one must know all that were written, or numbers would not be dense."""
    dispositions = BY_NAME[topics.DISPOSITIONS]
    assert dispositions.partitions == 1
    assert dispositions.config["retention.ms"] == dispositions.config["retention.bytes"] == "-1"
    assert (dispositions.writer, dispositions.readers) == (topics.COMPLIANCE, (topics.LOADER, topics.COMPLIANCE))


def test_settlements_are_kept_for_ever_in_one_order() -> None:
    """A run must know how far the one before has settled, however long ago that was."""
    settlements = BY_NAME[topics.SETTLEMENTS]
    assert settlements.partitions == 1
    assert settlements.config["retention.ms"] == settlements.config["retention.bytes"] == "-1"
    assert settlements.writers == settlements.readers == (topics.SETTLE,)
    assert BY_NAME[topics.ALERTS].writers == (topics.ALERTS_STAGE, topics.SETTLE)


@each_topic
def test_organizer_reads_its_receipts_and_nothing_else(topic: Topic) -> None:
    """Flags never reach an organizer (DESIGN §4)."""
    for organizer_bin in BINS:
        assert (organizer_bin in topic.readers) == (topic.name == receipts_topic(organizer_bin))


@each_topic
def test_internal_topic_takes_larger_messages_than_an_organizers(topic: Topic) -> None:
    """A rejected message holds the refused bytes and more."""
    size = int(topic.config["max.message.bytes"])
    if topic.name.endswith(".events"):
        assert size == topics.EVENT_BYTES_MAX
    else:
        assert size >= 2 * topics.EVENT_BYTES_MAX


@each_topic
def test_topic_says_its_key_and_has_a_writer_and_a_reader(topic: Topic) -> None:
    assert topic.key
    assert topic.writer
    assert topic.readers


@given(bins(), bins(), st.integers(1, 50), st.data())
def test_changelog_of_intake_has_the_partition_that_an_input_is_given(
    one: str, other: str, events: int, data: st.DataObject
) -> None:
    """Inputs of different numbers never share one, so that a worker of some numbers does not read those of others."""
    topic = {topic.name: topic for topic in all_topics([one], events_partitions=events, ledger_partitions=1)}
    first, second = (data.draw(st.integers(0, events - 1)) for _ in range(2))
    assert 0 <= intake_changelog(one, first) < topic[topics.INTAKE_CHANGELOG].partitions
    assert first == second or intake_changelog(one, first) != intake_changelog(other, second)


def test_few_partitions_of_the_changelog_of_intake_hold_many_organizers_evenly() -> None:
    """Where one is, is kept for ever: a change of this function loses the state of each that it moves."""
    where = Counter(intake_changelog(f"{number:012}", 0) for number in range(1000))
    assert sorted(where) == [0, 1, 2, 3]
    assert min(where.values()) > 200
    assert [intake_changelog(bin_, 1) for bin_ in ("940140000385", "000000000001")] == [7, 5]


def test_changelogs_of_totals_and_alerts_have_a_partition_for_each_of_their_input() -> None:
    accepted, ledger = BY_NAME[topics.ACCEPTED], BY_NAME[topics.LEDGER]
    assert BY_NAME[topics.TOTALS_CHANGELOG].partitions == accepted.partitions == ledger.partitions
    assert BY_NAME[topics.ALERTS_CHANGELOG].partitions == ledger.partitions


@given(st.integers(1, 50), st.integers(1, 50))
def test_partitions_are_those_of_the_settings(events: int, ledger: int) -> None:
    line = all_topics(BINS[:1], events_partitions=events, ledger_partitions=ledger)
    made = {topic.name: topic.partitions for topic in line}
    assert made[events_topic(BINS[0])] == events
    assert made[topics.ACCEPTED] == made[topics.LEDGER] == ledger


@given(bins())
def test_organizer_is_told_from_each_of_its_topics(organizer_bin: str) -> None:
    for name in (events_topic, receipts_topic, former_intake_changelog):
        assert organizer_of(name(organizer_bin)) == organizer_bin
