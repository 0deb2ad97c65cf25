"""Prove that ClickHouse holds what Kafka holds: each committed record as one row, and no other.

Reads     all committed records of the loader's topics, of `accepted` and of the organizers' topics, up to their ends at
          the time of the call; the rows of the same offsets in the tables
Returns   a `Report`, lane by lane and organizer by organizer
Promises  reads only, joins no group; a duplicate that ClickHouse has not merged yet is seen (no FINAL), and what was
          removed by `esep retention` is not missing; memory grows with holes, and by 8 bytes a message of one
          organizer's partition (box: sinks/clickhouse)
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import confluent_kafka as ck
from clickhouse_connect.driver.exceptions import DatabaseError
from confluent_kafka import IsolationLevel, KafkaException
from confluent_kafka.admin import AdminClient, OffsetSpec

from esep.errors import BrokerUnavailable
from esep.lineage import TopicPartition
from esep.security import client_security
from esep.sinks.clickhouse.books import OrganizerBooks, Report
from esep.sinks.clickhouse.client import LONG_S_MAX, connect, translate
from esep.sinks.clickhouse.frames import read
from esep.sinks.clickhouse.lanes import Bounds, lanes_between
from esep.sinks.clickhouse.ranges import read_range
from esep.sinks.clickhouse.repetitions import conflicts
from esep.sinks.clickhouse.retention.removed import OfOrganizer, removed_by_organizer
from esep.sinks.clickhouse.rollups import Month, differences, rebuild
from esep.sinks.clickhouse.tables import LEDGER_TABLE, RECEIPTS_TABLE, topics_to_load
from esep.topics import ACCEPTED, all_topics, events_topic, organizers_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clickhouse_connect.driver.client import Client

    from esep.settings import Settings

__all__ = ["Report", "rebuild_rollups", "reconcile"]

ANSWER_S_MAX = 30.0  # A broker that knows all ends answers within a second.


def reconcile(settings: Settings, organizer_bins: Iterable[str]) -> Report:
    """Return the books of both sides; see `Report.balanced`.

    organizer_bins: who must have topics; organizers that have some count too.
    Raises BrokerUnavailable, SinkUnavailable if one side does not answer.
    """
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers, **client_security(settings), "log_level": 0})
    bins = known_bins(admin, organizer_bins)
    bounds = bounds_of(admin, settings, bins)
    accepted = {source: range_ for source, range_ in bounds.items() if source.topic == ACCEPTED}
    events = {source: range_ for source, range_ in bounds.items() if source.topic in set(map(events_topic, bins))}
    loaded = {source: range_ for source, range_ in bounds.items() if source not in {**accepted, **events}}
    try:
        with connect(settings) as client:
            lanes = [
                books for source in sorted(loaded) for books in lanes_between(settings, client, source, loaded[source])
            ]
            organizers = _organizers(client, bins, _accepted_rows(settings, accepted))
            mismatches = client.query("SELECT entry_id, revision FROM correction_mismatches").result_rows
            repeated = [one for source in sorted(events) for one in conflicts(settings, client, source, events[source])]
            rollups = differences(client)
    except DatabaseError as error:
        raise translate(error, f"ClickHouse at {settings.clickhouse_url}") from error
    return Report(
        tuple(lanes),
        tuple(organizers),
        tuple(f"{entry_id} revision {n}" for entry_id, n in mismatches),
        tuple(map(str, repeated)),
        tuple(rollups.values()),
    )


def rebuild_rollups(settings: Settings) -> list[Month]:
    """Add up anew what of the roll-ups differs from the ledger, while no loader runs; return which months.

    Raises SinkUnavailable if ClickHouse does not answer.
    """
    try:
        with connect(settings, answer_s_max=LONG_S_MAX) as client:
            return rebuild(client)
    except DatabaseError as error:
        raise translate(error, f"ClickHouse at {settings.clickhouse_url}") from error


def _accepted_rows(settings: Settings, accepted: dict[TopicPartition, Bounds]) -> Counter[str] | None:
    """Return the postings in `accepted` per organizer, None if its oldest are gone."""
    if any(bounds.first > 0 for bounds in accepted.values()):
        return None
    rows: Counter[str] = Counter()
    for source, bounds in accepted.items():
        for records in read_range(settings.bootstrap_servers, source, *bounds, client_security(settings)):
            rows.update(dict(read(records, "accepted")["organizer_bin"].value_counts().iter_rows()))
    return rows


def _organizers(client: Client, bins: list[str], accepted_rows: Counter[str] | None) -> list[OrganizerBooks]:
    receipts = client.query(
        f"SELECT organizer_bin, sum(accepted_count + released_count) FROM {RECEIPTS_TABLE.name} GROUP BY organizer_bin"  # noqa: S608
    ).result_rows
    ledger = client.query(
        f"SELECT organizer_bin, uniqExact(stream_id, sequence, revision), count() FROM {LEDGER_TABLE.name} GROUP BY 1"  # noqa: S608
    ).result_rows
    told = {row[0]: int(row[1]) for row in receipts}
    held = {row[0]: (int(row[1]), int(row[2])) for row in ledger}
    removed = removed_by_organizer(client)
    books = []
    for bin_ in sorted({*bins, *told, *held, *removed}):
        events, postings = held.get(bin_, (0, 0))
        gone = removed.get(bin_, OfOrganizer())
        accepted = None if accepted_rows is None else accepted_rows[bin_]
        told_in_all = told.get(bin_, 0) + gone.receipts_accepted
        books.append(OrganizerBooks(bin_, told_in_all, events + gone.events, accepted, postings + gone.postings))
    return books


def known_bins(admin: AdminClient, organizer_bins: Iterable[str]) -> list[str]:
    """Return these organizers and all others that have topics, in order."""
    try:
        topics: dict[str, object] = admin.list_topics(timeout=ANSWER_S_MAX).topics
    except KafkaException as error:
        raise BrokerUnavailable("the topics are not known", detail=error.args[0].str()) from error
    return sorted({*organizer_bins, *organizers_of(topics)})


def bounds_of(admin: AdminClient, settings: Settings, bins: list[str]) -> dict[TopicPartition, Bounds]:
    """Return what there is of each partition, committed records only."""
    names = {*topics_to_load(settings, bins), ACCEPTED, *map(events_topic, bins)}
    sizes = {"events_partitions": settings.events_partitions, "ledger_partitions": settings.ledger_partitions}
    sources = [
        TopicPartition(topic.name, partition)
        for topic in all_topics(bins, **sizes)
        if topic.name in names
        for partition in range(topic.partitions)
    ]
    firsts, ends = (_listed(admin, sources, spec) for spec in (OffsetSpec.earliest(), OffsetSpec.latest()))
    return {source: Bounds(firsts[source], ends[source]) for source in sources}


def _listed(admin: AdminClient, sources: list[TopicPartition], spec: OffsetSpec) -> dict[TopicPartition, int]:
    wanted = {ck.TopicPartition(*source): spec for source in sources}
    try:
        futures = admin.list_offsets(
            wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_S_MAX
        )
        return {
            TopicPartition(place.topic, place.partition): int(future.result(timeout=ANSWER_S_MAX).offset)
            for place, future in futures.items()
        }
    except KafkaException as error:
        raise BrokerUnavailable("the ends of the topics are not known", detail=error.args[0].str()) from error
