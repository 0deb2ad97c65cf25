"""Each table holds its record, field by field, and where the record came from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from esep.schemas import schema
from esep.settings import Settings
from esep.sinks.clickhouse.migrate import read_migrations
from esep.sinks.clickhouse.rollups import ROLLUPS
from esep.sinks.clickhouse.tables import RECEIPTS_TABLE, TABLES, subscription, table_of, topics_to_load
from esep.topics import LOADER, all_topics

if TYPE_CHECKING:
    from esep.sinks.clickhouse.tables import Table

DAY_OF_INSERTS = 24 * 3600 * 5  # Of one partition: a round is gathered for 200 ms and more (`loader_wait_ms`).
BINS = ["940140000385", "950341000052"]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_field_of_the_record_is_a_column_and_nothing_else_is_but_coordinates(table: Table) -> None:
    statement = _first(table)
    columns = [line.split()[0] for line in statement.splitlines() if line.startswith("    ") and line[4:5].islower()]
    counts = (
        [
            *("from_offset", "accepted_count", "duplicate_count", "rejected_count", "held_count", "released_count"),
        ]
        if table is RECEIPTS_TABLE
        else []
    )
    own = [table.topic_column] if table.topic_column else []
    coordinates = [*counts, *own, table.partition_column, table.offset_column, "loaded_at"]
    assert columns == [*schema(table.record).fields, *coordinates]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_has_a_deduplication_window(table: Table) -> None:
    made = [s for m in read_migrations() for s in m.statements if re.match(rf"CREATE .*TABLE .*\b{table.name}\n", s)]
    assert made[0] == _first(table)
    for statement in made:
        assert f"PARTITION BY toYYYYMM({table.instant})" in statement
        assert _window(statement) >= DAY_OF_INSERTS


def _first(table: Table) -> str:
    """Return the statement that makes a table where there is none."""
    return next(s for m in read_migrations() for s in m.statements if f"EXISTS {table.name}\n" in s)


def test_every_roll_up_remembers_as_many_tokens_as_the_table_that_feeds_it() -> None:
    """It has tokens of its own: a block that the ledger knows and a roll-up has forgotten would be added again."""
    statements = [statement for one in read_migrations() for statement in one.statements]
    feeds = dict(re.findall(r"MATERIALIZED VIEW[^;]* TO (\w+) [^;]*FROM (\w+)", ";".join(statements)))
    made = {found[1]: one for one in statements if (found := re.match(r"CREATE.* TABLE (?:IF NOT EXISTS )?(\w+)", one))}
    assert {*feeds} == {*ROLLUPS}
    for rollup, table in feeds.items():
        assert _window(made[rollup]) >= _window(made[table])


def _window(statement: str) -> int:
    """Return how many tokens a table remembers; 0: none."""
    found = re.search(r"SETTINGS[^;]*non_replicated_deduplication_window = (\d+)", statement)
    return int(found[1]) if found else 0


def test_loader_reads_every_topic_that_names_it_as_a_reader() -> None:
    declared = {
        topic.name for topic in all_topics(BINS, events_partitions=1, ledger_partitions=2) if LOADER in topic.readers
    }
    assert set(topics_to_load(Settings(), BINS)) == declared
    named, receipts = subscription(Settings())[:-1], subscription(Settings())[-1]
    assert {name for name in declared if name in named or re.match(receipts, name)} == declared
    assert {table_of(name).record for name in declared} == {"ledger", "rejected", "receipt", "alert", "disposition"}
