"""Restore a backup: tables, cut where it began, and the loader's offsets put there, so that it loads the rest.

Reads     a backup and all that it is based on; what Kafka holds
Writes    a database, whole; the offsets of the loader's group
Promises  after it each record is a row or is still to be loaded, and none is both; roll-ups say what the ledger says;
          what is not whole, not of these brokers, or cannot be caught up is refused before anything is removed; it may
          be killed at any time and run again, and no loader starts meanwhile (O9-4.5; DESIGN §5; box: sinks/clickhouse)

A table that is put back is a new one, without tokens and with another layout (`Store.layout`): no token of before is
relied on, and no range that was noted before is known any more, for the offsets are committed anew without one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import confluent_kafka as ck
from clickhouse_connect.driver.exceptions import DatabaseError
from confluent_kafka.admin import AdminClient

from esep.errors import BooksUnbalanced, BrokerUnavailable, FileUnusable, UsageError
from esep.group_members import members_of
from esep.outsider import outsider
from esep.security import client_security
from esep.sinks.clickhouse.backup.cut import lanes_below, remove_above
from esep.sinks.clickhouse.backup.folder import Backups
from esep.sinks.clickhouse.backup.plan import start_of, unknown_migrations
from esep.sinks.clickhouse.backup.state import is_unfinished, mark, refuse_at_work, unmark
from esep.sinks.clickhouse.backup.statements import copy_from, refuse_unseen
from esep.sinks.clickhouse.backup.taking import cluster_id, directory_of, routing_key_digest
from esep.sinks.clickhouse.client import LONG_S_MAX, connect, translate
from esep.sinks.clickhouse.migrate import read_migrations
from esep.sinks.clickhouse.reconcile import bounds_of, known_bins
from esep.sinks.clickhouse.rollups import rebuild
from esep.sinks.clickhouse.tables import TABLES, topics_to_load
from esep.topics import LOADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from clickhouse_connect.driver.client import Client

    from esep.lineage import TopicPartition
    from esep.settings import Settings
    from esep.sinks.clickhouse.backup.manifest import Manifest

LOOK_S = 0.5
SHOWN_MAX = 5


class Restored(NamedTuple):
    """What a restore did. removed: rows above the cut. months: of roll-ups that were added up anew.

    offsets: whence the loader goes on; none if tables alone were restored.
    """

    manifest: Manifest
    removed: int
    months: list[str]
    offsets: dict[TopicPartition, int]


def restore(
    settings: Settings,
    loader: Settings,
    name: str,
    organizer_bins: Iterable[str],
    *,
    is_replacing: bool,
    is_tables_only: bool,
    wait_s: float = 0.0,
    on_step: Callable[[str], None] = lambda _: None,
) -> Restored:
    """Restore a backup; the loader catches up from where it ends.

    loader: settings of the principal loader-0, which may commit for its group. is_replacing: over what is there.
    is_tables_only: without offsets, to be looked at; no loader starts on it. wait_s: how long to wait for loaders that
    were stopped to be gone. on_step: called when `verified`, `emptied`, `copied`, `cut`, `rolled up` and `committed`
    are done.
    """
    backups = Backups(directory_of(settings))
    try:
        with backups.alone(), connect(settings, database="default", answer_s_max=LONG_S_MAX) as server:
            manifest = backups.manifest(name)
            _refuse_foreign(manifest, settings)
            _refuse_data(settings, server, is_replacing=is_replacing)
            offsets = {} if is_tables_only else _start(settings, manifest, organizer_bins, wait_s)
            refuse_unseen(server, (one.name for one in backups.chain(name)))
            _verify(backups, name)
            on_step("verified")
            if not is_tables_only:  # To read a backup takes its time.
                _refuse_loaders(settings)
            refuse_at_work(server)
            _empty(server, settings)
            on_step("emptied")
            with connect(settings, answer_s_max=LONG_S_MAX) as client:
                copy_from(client, settings.clickhouse_database, manifest)
                on_step("copied")
                removed = sum(remove_above(client, table, manifest.offsets) for table in TABLES)
                _prove(client, manifest)
                on_step("cut")
                months = [f"{place.rollup} {place.month}" for place in rebuild(client)]
                on_step("rolled up")
                if not is_tables_only:
                    _commit(loader, offsets)
                    on_step("committed")
                    unmark(client)
    except DatabaseError as error:
        raise translate(error, f"ClickHouse at {settings.clickhouse_url}") from error
    return Restored(manifest, removed, months, offsets)


def _verify(backups: Backups, name: str) -> None:
    """Return if all bytes of a backup, and of all that it is based on, are what was written."""
    if faults := backups.faults(name):
        raise FileUnusable(
            f"backup {name} is not whole", detail="; ".join(faults[:SHOWN_MAX]), hint="nothing was restored"
        )


def _refuse_foreign(manifest: Manifest, settings: Settings) -> None:
    """Return if this program, and this line, can do something with a backup."""
    known = {migration.name: migration.checksum for migration in read_migrations()}
    if unknown := unknown_migrations(manifest.migrations, known):
        raise UsageError(
            f"backup {manifest.name} is of another program",
            detail=f"migration {unknown[0]} is not known here",
            hint=f"restore it with esep {manifest.program}, or a newer one",
        )
    ours = routing_key_digest(settings)
    if ours and manifest.routing_key and ours != manifest.routing_key:
        raise UsageError(
            f"backup {manifest.name} was taken with another routing key",
            detail="persons would have other keys and other partitions",
            hint="put back the key that belongs to it: ESEP_ROUTING_KEY_FILE",
        )


def _refuse_data(settings: Settings, server: Client, *, is_replacing: bool) -> None:
    """Return if the database has no rows, or only such of a restore that was cut short, or if it may be replaced."""
    rows = server.query(
        "SELECT ifNull(sum(total_rows), 0) FROM system.tables"
        " WHERE database = {database:String} AND name != 'migrations'",
        parameters={"database": settings.clickhouse_database},
    ).result_rows[0][0]
    if is_replacing or not rows:
        return
    with connect(settings) as client:
        if not is_unfinished(client):
            raise UsageError(
                f"database {settings.clickhouse_database} has {int(rows):,} rows",
                detail="a restore would remove them",
                hint="say --replace if they may go",
            )


def _start(
    settings: Settings, manifest: Manifest, organizer_bins: Iterable[str], wait_s: float
) -> dict[TopicPartition, int]:
    """Return whence the loader goes on; UsageError if it is there, or if something is lost to it."""
    _refuse_loaders(settings, time.monotonic() + wait_s)
    if cluster_id(settings) != manifest.kafka_cluster:
        raise _uncaught(manifest, "its offsets are of other brokers")
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers, **client_security(settings), "log_level": 0})
    bins = known_bins(admin, organizer_bins)
    topics = set(topics_to_load(settings, bins))
    there = {source: bounds for source, bounds in bounds_of(admin, settings, bins).items() if source.topic in topics}
    start = start_of(manifest.offsets, there)
    if start.forbidden:
        raise _uncaught(manifest, "; ".join(start.forbidden[:SHOWN_MAX]))
    return start.offsets


def _refuse_loaders(settings: Settings, give_up_at: float = 0.0) -> None:
    while members := members_of(settings, LOADER):
        if time.monotonic() >= give_up_at:
            raise UsageError(
                f"the group {LOADER} has {members} members",
                detail="nothing is restored under a loader",
                hint="stop every loader first; one that was killed counts until its session is over",
            )
        time.sleep(LOOK_S)


def _uncaught(manifest: Manifest, why: str) -> UsageError:
    return UsageError(
        f"after backup {manifest.name} the loader cannot go on",
        detail=why,
        hint="take a newer backup; --tables-only restores this one to be looked at, without its offsets",
    )


def _empty(server: Client, settings: Settings) -> None:
    """Make an empty database with the mark. Between the two it is empty or not there, and may be replaced."""
    server.command(f"DROP DATABASE IF EXISTS `{settings.clickhouse_database}` SYNC")
    server.command(f"CREATE DATABASE `{settings.clickhouse_database}`")
    with connect(settings) as client:
        mark(client)


def _prove(client: Client, manifest: Manifest) -> None:
    """Return if the tables hold below the cut, lane by lane, exactly what they held when the backup was taken."""
    there = set(lanes_below(client, manifest.offsets))
    if differing := sorted(map(str, there.symmetric_difference(manifest.lanes))):
        raise BooksUnbalanced(
            f"backup {manifest.name} was restored, and its rows are not those that were taken",
            detail="; ".join(dict.fromkeys(differing[:SHOWN_MAX])),
            hint="no loader starts on it; restore another backup",
        )


def _commit(loader: Settings, offsets: Mapping[TopicPartition, int]) -> None:
    """Commit these offsets for the loader's group, without any noted range."""
    _refuse_loaders(loader)
    consumer = ck.Consumer(outsider(loader.bootstrap_servers, LOADER, client_security(loader)) | {"log_level": 0})
    places = [ck.TopicPartition(*source, offset) for source, offset in offsets.items()]
    try:
        answers = consumer.commit(offsets=places, asynchronous=False) or []
    except ck.KafkaException as error:
        raise _uncommitted(error.args[0]) from error
    finally:
        consumer.close()
    for place in answers:
        if place.error is not None:
            raise _uncommitted(place.error)


def _uncommitted(error: ck.KafkaError) -> BrokerUnavailable:
    return BrokerUnavailable("the loader's offsets were not committed", detail=error.str(), hint="restore once more")
