"""Take a backup, beside a line at work: first the offsets that are loaded, then the tables.

Reads     what the loader's group has committed; all tables, through ClickHouse's BACKUP
Writes    a folder in the directory of backups, its manifest last
Promises  every record below an offset of the manifest is a row of the backup; one that is cut short, or beside which a
          month was removed, is no backup (O9-4.5, O9-5.1; DESIGN §5 "Loader"; box: sinks/clickhouse)

The loader commits an offset once all rows before it are in the tables and found there. So what was committed before the
first table was read is whole in every table, in whatever order ClickHouse reads them; what came meanwhile is there in
part, and is cut off by the restore (`cut`).
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from clickhouse_connect.driver.exceptions import DatabaseError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from esep import __version__
from esep.admin import no_broker
from esep.errors import SettingInvalid, UsageError
from esep.lineage import TopicPartition
from esep.security import client_security
from esep.sinks.clickhouse.backup.cut import lanes_below
from esep.sinks.clickhouse.backup.folder import Backups
from esep.sinks.clickhouse.backup.manifest import Base, Cut, Manifest
from esep.sinks.clickhouse.backup.plan import base_of_next
from esep.sinks.clickhouse.backup.state import refuse_at_work, refuse_unfinished, removals_of
from esep.sinks.clickhouse.backup.statements import copy_to
from esep.sinks.clickhouse.client import LONG_S_MAX, connect, translate
from esep.sinks.clickhouse.reconcile import bounds_of, known_bins
from esep.sinks.clickhouse.tables import topics_to_load
from esep.status import lags_of
from esep.topics import LOADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from esep.settings import Settings

ANSWER_S_MAX = 30.0


def take(
    settings: Settings,
    organizer_bins: Iterable[str],
    now: datetime,
    *,
    is_full: bool,
    on_step: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Take a backup and return its manifest.

    organizer_bins: who must have topics; organizers that have some count too. is_full: without a base. on_step: called
    when `cut`, `copied` and `hashed` are done, so that tests can do something in between.
    Raises UsageError while months are removed, SinkUnavailable and BrokerUnavailable if one side does not answer.
    """
    backups = Backups(directory_of(settings))
    try:
        with backups.alone(), connect(settings, answer_s_max=LONG_S_MAX) as client:
            refuse_unfinished(client)
            refuse_at_work(client)
            removals = removals_of(client)
            cuts = loaded_offsets(settings, organizer_bins)
            on_step("cut")
            name, database = f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z", settings.clickhouse_database
            base = base_of_next(backups.whole(), database, is_full=is_full)
            copy_to(client, database, backups.begin(name), base)
            on_step("copied")
            lanes = lanes_below(client, cuts)
            if removals_of(client) != removals:
                raise UsageError("a month was removed while the backup was taken", hint="take it again")
            files = backups.files(name)
            on_step("hashed")
            manifest = Manifest(
                name=name,
                began_at=now,
                program=__version__,
                engine=str(client.query("SELECT version()").result_rows[0][0]),
                database=database,
                base=Base(name=base.name, sha256=base.sha256) if base else None,
                kafka_cluster=cluster_id(settings),
                routing_key=routing_key_digest(settings),
                migrations=_migrations(client),
                cuts=tuple(Cut(**source._asdict(), offset=offset) for source, offset in sorted(cuts.items())),
                lanes=tuple(lanes),
                files=files,
            )
            backups.seal(manifest)
    except DatabaseError as error:
        raise translate(error, f"ClickHouse at {settings.clickhouse_url}") from error
    return manifest


def directory_of(settings: Settings) -> Path:
    """Return the directory of backups; SettingInvalid where none is named."""
    if settings.backup_dir is None:
        raise SettingInvalid(
            "nobody says where backups are",
            hint="set ESEP_BACKUP_DIR to a directory that ClickHouse may write to: see docs/operators.md, Backups",
        )
    return settings.backup_dir


def loaded_offsets(settings: Settings, organizer_bins: Iterable[str]) -> dict[TopicPartition, int]:
    """Return, of each partition, the offset below which each record is a row."""
    security = client_security(settings)
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers, **security, "log_level": 0})
    bins = known_bins(admin, organizer_bins)
    there = bounds_of(admin, settings, bins)
    lags = lags_of(settings.bootstrap_servers, LOADER, topics_to_load(settings, bins), security)
    # Of what was never loaded nothing is committed: then there are no rows, and all that is there is to be loaded.
    by_source = {TopicPartition(lag.topic, lag.partition): lag.committed for lag in lags}
    return {source: committed or there[source].first for source, committed in by_source.items()}


def cluster_id(settings: Settings) -> str:
    """Return the id of the brokers' cluster: offsets of another mean nothing here."""
    servers = settings.bootstrap_servers
    admin = AdminClient({"bootstrap.servers": servers, **client_security(settings), "log_level": 0})
    try:
        return str(admin.list_topics(timeout=ANSWER_S_MAX).cluster_id)
    except KafkaException as error:
        raise no_broker(servers, error) from error


def routing_key_digest(settings: Settings) -> str | None:
    """Return by what the key of persons can be known again, and not be found; None if it cannot be read here."""
    try:
        return hmac.new(settings.secret("routing_key_file"), b"esep backup", "sha256").hexdigest()
    except SettingInvalid:
        return None


def _migrations(client: Client) -> dict[str, str]:
    rows = client.query("SELECT name, checksum FROM migrations WHERE state = 'DONE'").result_rows
    return {str(name): str(checksum) for name, checksum in rows}
