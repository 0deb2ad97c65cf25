"""A ledger in ClickHouse with many persons' postings, and the alerts that the rules' SQL finds in it.

Reads     postings as dicts, the rules
Returns   `alerts_by_sql`
Promises  the table is the one of the first migration, in a database of its own
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from esep.settings import Settings
from esep.sinks.clickhouse.alerts.rule_sql import rule_sql
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.migrate import apply_migrations, read_migrations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer
    from esep.rules import Rule, RuleSet
    from tests.support.rule_oracle import Alerts, Posting

AS_THEY_ARE = (
    "iin", "entry_id", "revision", "leg", "event_type", "kind", "amount_tiyn", "odds_milli", "flags", "instrument_hash",
    "wager_id", "organizer_bin", "ledger_partition", "ledger_offset",
)  # fmt: skip


def alerts_by_sql(clickhouse: ClickHouseServer, rules: RuleSet, postings: Iterable[Posting]) -> Alerts:
    """Return what each LIVE rule finds in a ledger of these postings."""
    database = f"rules_{uuid.uuid4().hex[:8]}"
    settings = Settings(clickhouse_url=clickhouse.url, clickhouse_database=database)
    with connect(settings, database="default") as client:
        client.command(f"CREATE DATABASE {database}")
    with connect(settings) as client:
        apply_migrations(client, read_migrations()[:1])
        _fill(client, list(postings))
        return {key: told for rule in rules.rules if rule.live for key, told in _found(client, rules, rule)}


def _fill(client: Client, postings: list[Posting]) -> None:
    rows = [
        [
            *(one[name] for name in AS_THEY_ARE),
            datetime.fromtimestamp(one["occurred_ms"] / 1000, UTC),
            *one["entry_id"].split("/")[1:],
        ]
        for one in postings
    ]
    columns = [*AS_THEY_ARE, "occurred_at", "stream_id", "sequence"]
    client.insert("ledger", [[*row[:-1], int(row[-1])] for row in rows], column_names=columns)


def _found(client: Client, rules: RuleSet, rule: Rule) -> Iterable[tuple[tuple[str, str, str], Any]]:
    wrapped = f"""SELECT rule_id, {rule.own_field}, bucket, arrayMap(one -> (one.1, one.2, one.3), observations),
        arrayMap(one -> (one.1, one.2, one.3, toUnixTimestamp64Milli(one.4), one.5, one.6, one.7), evidence),
        evidence_iins FROM ({rule_sql(rules, rule)})"""
    for rule_id, owner, bucket, observations, evidence, iins in client.query(wrapped).result_rows:
        told = [
            (*one, iin) if rule.subject == "instrument" else tuple(one) for one, iin in zip(evidence, iins, strict=True)
        ]
        yield (rule_id, owner, bucket), (told, [tuple(one) for one in observations])
