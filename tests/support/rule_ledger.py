"""A ledger in ClickHouse with many persons' postings, and the alerts that the rules' SQL finds in it.

Reads     postings as dicts, the rules
Returns   `ledger_of`, `alerts_by_sql`, `found_by_search`
Promises  the tables are those of the migrations, in a database of their own
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from esep.settings import Settings
from esep.sinks.clickhouse.alerts.rule_sql import rule_sql
from esep.sinks.clickhouse.alerts.search import run_in, search
from esep.sinks.clickhouse.alerts.settled import Sought
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.migrate import apply_migrations, read_migrations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer
    from esep.rules import Rule, RuleSet
    from tests.support.rule_oracle import Alerts, Posting

Found = dict[tuple[str, Any, str], tuple[str, int, list[tuple[str, int, int]], tuple[str, ...]]]
AS_THEY_ARE = (
    "iin", "entry_id", "revision", "leg", "event_type", "kind", "amount_tiyn", "odds_milli", "flags", "instrument_hash",
    "wager_id", "organizer_bin", "ledger_partition", "ledger_offset",
)  # fmt: skip


@contextmanager
def ledger_of(clickhouse: ClickHouseServer, postings: Iterable[Posting]) -> Iterator[Settings]:
    """Give a database with a ledger of these postings."""
    database = f"rules_{uuid.uuid4().hex[:8]}"
    settings = Settings(clickhouse_url=clickhouse.url, clickhouse_database=database)
    with connect(settings, database="default") as client:
        client.command(f"CREATE DATABASE {database}")
    with connect(settings) as client:
        apply_migrations(client, read_migrations())
        book(client, list(postings))
    yield settings


def alerts_by_sql(settings: Settings, rules: RuleSet) -> Alerts:
    """Return what each LIVE rule finds in the ledger, by its own statement."""
    with connect(settings) as client:
        return {key: told for rule in rules.rules if rule.raised for key, told in _found(client, rules, rule)}


def found_by_search(
    settings: Settings, rules: RuleSet, piece_rows: int, first_ms: int | None = None, end_ms: int | None = None
) -> Found:
    """Return what each LIVE rule finds in the ledger, all at once."""
    sought = [Sought(rules, rule, first_ms, end_ms) for rule in rules.rules if rule.raised]
    with connect(settings, session_id=uuid.uuid4().hex) as client:
        search(lambda statement: run_in(client, statement), sought, lambda _: None, piece_rows)
        rows = client.query(
            "SELECT rule_id, owner, bucket, fulfilled_by, toUnixTimestamp64Milli(occurred_at),"
            " arrayMap(one -> (one.1, one.2, one.3), observations), arraySort(persons) FROM found"
        ).result_rows
    assert len({row[:3] for row in rows}) == len(rows)
    return {row[:3]: (row[3], row[4], [tuple(one) for one in row[5]], tuple(row[6])) for row in rows}


def as_found(alerts: Alerts) -> Found:
    """Return alerts as a search tells them: its evidence ends with what fulfils the rule."""
    found: Found = {}
    for key, (evidence, observed) in alerts.items():
        persons = {one[7] for one in evidence if one[7:]} or {key[1]}
        found[key] = evidence[-1][0], evidence[-1][3], observed, tuple(sorted(persons))
    return found


def book(client: Client, postings: list[Posting]) -> None:
    """Put postings into the ledger."""
    rows = [
        [
            *(one[name] for name in AS_THEY_ARE),
            datetime.fromtimestamp(one["occurred_ms"] / 1000, UTC),
            one.get("received_ms", one["occurred_ms"]) - one["occurred_ms"],
            one.get("selections", []),
            *one["entry_id"].split("/")[1:],
        ]
        for one in postings
    ]
    columns = ["other_name" if name == "entry_id" else name for name in AS_THEY_ARE]
    columns += ["occurred_at", "lag_ms", "selections", "stream_id", "sequence"]
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
