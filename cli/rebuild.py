"""`esep totals rebuild`: the state of totals made anew from balances and ledger, and, where it was lost, put back.

Reads     the ledger and its balances in ClickHouse, the routing key; the changelog, or, to write one, the offsets that
          totals has committed and the ends of `accepted` and `ledger`
Writes    on request the changelog of each partition that has none
Promises  exit code 0 only if the state made anew is, cell by cell, what the changelog says; nothing is written while a
          worker of totals is there, over a state that is there, or where it cannot be proved that the ledger in
          ClickHouse is all that totals had published (O9-4.6; DESIGN §5)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient

from esep.errors import BooksUnbalanced, SinkUnavailable, UsageError
from esep.group_members import members_of
from esep.lineage import Position, TopicPartition
from esep.security import client_security
from esep.sinks.clickhouse.booked import booked, last_posting, rows_there
from esep.sinks.clickhouse.ranges import read_range
from esep.sinks.clickhouse.reconcile import bounds_of
from esep.stream_apps.totals.rebuilt import changelog_of, committed_offset, has_position, write_changelog
from esep.stream_apps.totals.remembered import cells_in
from esep.topics import ACCEPTED, LEDGER, TOTALS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl
    from clickhouse_connect.driver.client import Client

    from esep.settings import Settings
    from esep.sinks.clickhouse.lanes import Bounds
    from esep.stream_apps.totals.cells import Cells


def rebuilt(client: Client, partition: int, row: int, named: Callable[[pl.DataFrame], pl.DataFrame]) -> Cells:
    """Return the state of a partition after so many postings, from balances and ledger.

    named: gives sums with an IIN as cells with a person's key.
    """
    return cells_in(named(booked(client, partition, row)))


def put_back(
    settings: Settings, writer: Settings, client: Client, named: Callable[[pl.DataFrame], pl.DataFrame]
) -> dict[int, int]:
    """Write the changelog of each partition that has no state; return how many records each got.

    writer: settings of the principal totals-0, under whose transactional id they are written.
    """
    if members := members_of(settings, TOTALS):
        raise UsageError(
            f"the group {TOTALS} has {members} members", hint="stop every worker of totals; one that was killed counts"
        )
    security = client_security(settings)
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers, **security, "log_level": 0})
    bounds = bounds_of(admin, settings, [])
    written = {}
    for partition in range(settings.ledger_partitions):
        if has_position(settings.bootstrap_servers, partition, security):
            continue
        position = proved_position(settings, client, partition, bounds)
        if position is None:
            continue
        last = position.rows[TopicPartition(LEDGER, partition)]
        changelog = changelog_of(rebuilt(client, partition, last, named), position)
        written[partition] = write_changelog(
            writer.bootstrap_servers, partition, changelog, f"{TOTALS}-{writer.ordinal}", client_security(writer)
        )
    return written


def proved_position(
    settings: Settings, client: Client, partition: int, bounds: Mapping[TopicPartition, Bounds]
) -> Position | None:
    """Return the position of a partition if the ledger in ClickHouse is all that totals published; None for nothing.

    Totals commits its offset with the postings that it has made of all before, one each. So the last posting is that of
    the last record below the committed offset, and nothing may lie between, or behind it in `ledger`.
    """
    security = client_security(settings)
    committed = committed_offset(settings.bootstrap_servers, partition, security)
    last = last_posting(client, partition)
    if committed is None and not last.row:
        return None
    accepted, ledger = TopicPartition(ACCEPTED, partition), TopicPartition(LEDGER, partition)
    if committed is None or last.cause_offset is None or last.ledger_offset is None:
        raise _unproved(ledger, "the last posting, or the offset that totals has committed, is not known any more")
    if (there := rows_there(client, partition, last.row)) != last.row:
        raise _unproved(ledger, f"{there:,} of {last.row:,} postings are there")
    if _has_records(settings, ledger, last.ledger_offset + 1, bounds[ledger].end, bounds[ledger].first):
        raise SinkUnavailable(f"{ledger}: postings are not loaded yet", hint="is the loader up? do it again then")
    if last.cause_offset >= committed or _has_records(
        settings, accepted, last.cause_offset + 1, committed, bounds[accepted].first
    ):
        raise _unproved(
            accepted, f"totals has committed offset {committed}, the last posting is of {last.cause_offset}"
        )
    return Position(committed, {ledger: last.row})


def _has_records(settings: Settings, source: TopicPartition, first: int, end: int, earliest: int) -> bool:
    security = client_security(settings)
    return any(True for _ in read_range(settings.bootstrap_servers, source, max(first, earliest), end, security))


def _unproved(source: TopicPartition, why: str) -> BooksUnbalanced:
    return BooksUnbalanced(
        f"{source}: the state of totals cannot be put back",
        detail=why,
        hint="see `esep reconcile`: ClickHouse must hold, or have removed, every posting",
    )
