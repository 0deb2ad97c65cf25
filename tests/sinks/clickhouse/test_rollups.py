"""Roll-ups say what the ledger says: under repetition, over an upgrade, and again after they were added up anew."""

from __future__ import annotations

import shutil
import uuid
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codec import encode
from esep.errors import EsepError
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.settings import Settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.frames import Records, Rows, rows_of
from esep.sinks.clickhouse.migrate import FOLDER, migrate, read_migrations
from esep.sinks.clickhouse.rollups import HISTORY, ROLLUPS, Month, differences, rebuild
from esep.sinks.clickhouse.store import Store
from esep.sinks.clickhouse.tables import LEDGER_TABLE
from esep.topics import LEDGER
from tests.sinks.line import postings
from tests.support.wide import wide_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = pytest.mark.clickhouse
OLDER = 7  # The number of the last migration without roll-ups.


@pytest.fixture(scope="module")
def own(clickhouse: ClickHouseServer) -> Settings:
    made = Settings(clickhouse_url=clickhouse.url, clickhouse_database=f"rollups_{uuid.uuid4().hex[:8]}")
    migrate(made)
    return made


@pytest.fixture(scope="module")
def store(own: Settings) -> Iterator[Store]:
    opened = Store(own)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def client(own: Settings) -> Iterator[Client]:
    with connect(own) as opened:
        yield opened


@pytest.fixture(scope="module")
def first_rows() -> Iterator[int]:
    """Row numbers far apart, so that the blocks of two tests have no posting in common."""
    return count(1, 1_000)


def _block(first_row: int, size: int = 20) -> Rows:
    values = encode(postings(size, partition=1, first_row=first_row), schema("ledger"))
    offsets = list(range(first_row, first_row + size))
    return rows_of(Records(TopicPartition(LEDGER, 1), offsets, list(values)), None)


def _insert(store: Store, rows: Rows, name: str) -> None:
    for month in rows.months():
        store.insert(LEDGER_TABLE, f"{name}:{month}", rows.block(month))


def _count(client: Client, table: str) -> int:
    counted = "count()" if table in {"ledger", HISTORY} else "sum(posting_count)"
    return int(client.query(f"SELECT {counted} FROM {table}").result_rows[0][0])


@settings(max_examples=10)
@given(order=st.lists(st.integers(0, 2), min_size=1, max_size=8))
@pytest.mark.long
def test_repeated_blocks_are_in_the_rollups_once(
    client: Client, store: Store, first_rows: Iterator[int], order: list[int]
) -> None:
    blocks = [_block(next(first_rows)) for _ in range(3)]
    before = _count(client, "ledger")
    for place in order:
        _insert(store, blocks[place], str(blocks[place].last_rows))
    booked = before + sum(sum(blocks[place].months().values()) for place in set(order))
    assert [_count(client, table) for table in ("ledger", *ROLLUPS)] == [booked] * 6
    assert differences(client) == {}


@pytest.mark.parametrize("rollup", ROLLUPS)
def test_block_that_is_in_the_ledger_alone_is_in_all_after_its_repetition(
    client: Client, store: Store, first_rows: Iterator[int], rollup: str
) -> None:
    """As when the server ends between a block's part in the ledger and its part in a roll-up."""
    rows = _block(next(first_rows))
    before = _count(client, rollup)
    client.command(f"RENAME TABLE {rollup} TO aside")
    with pytest.raises(EsepError):
        _insert(store, rows, f"alone-{rollup}")
    client.command(f"RENAME TABLE aside TO {rollup}")
    _insert(store, rows, f"alone-{rollup}")
    assert _count(client, rollup) == before + 20
    assert differences(client) == {}


def test_what_the_ledger_lost_or_merged_is_named_by_month_and_right_again_once_added_up(
    client: Client, store: Store, first_rows: Iterator[int]
) -> None:
    rows = _block(next(first_rows), 60)
    first, second, third = rows.months()
    client.command("SYSTEM STOP MERGES ledger")
    _insert(store, rows, "one")
    store.insert(LEDGER_TABLE, "other", rows.block(second))
    assert differences(client) == {}  # The ledger itself shows rows twice, until it merges them.
    client.command("SYSTEM START MERGES ledger")
    client.command("OPTIMIZE TABLE ledger FINAL")
    client.command(f"ALTER TABLE ledger DELETE WHERE toYYYYMM(occurred_at) = {third}", settings={"mutations_sync": 1})
    client.command(f"ALTER TABLE person_day DROP PARTITION {first}")
    found = differences(client)
    wrong = [Month("person_day", first), *[Month(name, month) for name in ROLLUPS for month in (second, third)]]
    assert list(found) == sorted(wrong)
    assert f"roll-up person_day, month {second}, less the ledger: {rows.months()[second]} postings" in str(found)
    assert rebuild(client) == sorted(wrong)
    assert differences(client) == {}
    assert len({_count(client, table) for table in ("ledger", *ROLLUPS)}) == 1
    assert rebuild(client) == []


def test_populated_older_version_gets_its_rollups_filled(
    clickhouse: ClickHouseServer, tmp_path: Path, first_rows: Iterator[int]
) -> None:
    older = tmp_path / "older"
    shutil.copytree(FOLDER, older)
    for path in older.glob("*.sql"):
        if int(path.name[:4]) > OLDER:
            path.unlink()
    own = Settings(clickhouse_url=clickhouse.url, clickhouse_database=f"rollups_{uuid.uuid4().hex[:8]}")
    migrate(own, older)
    store = Store(own)
    rows = _block(next(first_rows), 200)
    for month in rows.months():
        store.insert(LEDGER_TABLE, f"before:{month}", wide_block(rows.block(month)))
    assert "0008_rollups" in migrate(own)
    _insert(store, _block(next(first_rows)), "after")
    with connect(own) as client:
        assert differences(client) == {}
        assert [_count(client, table) for table in ("ledger", *ROLLUPS)] == [220] * 6
        for name in ("0008_rollups", "0017_history", "0024_person_month"):
            for statement in next(one for one in read_migrations() if one.name == name).statements:
                client.command(statement)
        assert differences(client) == {}  # Applied again over all of it, as after a stop in the middle.
    store.close()


def test_rollups_are_filled_and_fed_by_the_same_query() -> None:
    queries: dict[str, list[str]] = {}  # What is made anew later is filled and fed by one query again.
    for statement in [one for migration in read_migrations() for one in migration.statements]:
        head, _, query = statement.partition("AS SELECT")
        if query:
            name = head.split("TABLE " if "OR REPLACE" in head else " TO ")[1].split()[0]
            queries.setdefault(name, []).append(query.partition("SETTINGS")[0].strip())
    assert set(queries) == set(ROLLUPS)
    assert all(told[::2] == told[1::2] for told in queries.values())
