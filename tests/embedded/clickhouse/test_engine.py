"""What the engine does for us, asked through the server: inserts once and only once, settings, the query log."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

pytestmark = pytest.mark.clickhouse
WAGERS = pl.DataFrame({"sequence": range(1, 1_001), "wager_id": [f"w{n}" for n in range(1, 1_001)]})


def arrow(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_ipc_stream(stream)
    return stream.getvalue()


def insert(client: Client, table: str, token: str, frame: pl.DataFrame = WAGERS) -> int:
    """Insert as the loader does; return what the server says was written."""
    settings = {"insert_deduplication_token": token}
    return client.raw_insert(table, insert_block=arrow(frame), fmt="ArrowStream", settings=settings).written_rows


def count(client: Client, table: str) -> int:
    return int(client.command(f"SELECT count() FROM {table}"))  # type: ignore[arg-type]


def test_same_token_twice_adds_nothing_and_another_does(client: Client, table: str) -> None:
    insert(client, table, "ledger:0:1-1000:202601")
    insert(client, table, "ledger:0:1-1000:202601")
    assert count(client, table) == 1_000
    insert(client, table, "ledger:0:1-1000:202601", WAGERS.reverse())
    assert count(client, table) == 1_000, "the token decides, not the rows"
    insert(client, table, "ledger:0:1001-2000:202601")
    assert count(client, table) == 2_000


def test_token_is_ignored_without_a_window(client: Client, table: str) -> None:
    client.command(f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = 0")
    insert(client, table, "ledger:0:1-1000:202601")
    insert(client, table, "ledger:0:1-1000:202601")
    assert count(client, table) == 2_000


@pytest.mark.parametrize(("window", "rows"), [(100, 1_000), (0, 2_000)])
def test_target_of_a_view_needs_a_window_of_its_own(client: Client, table: str, window: int, rows: int) -> None:
    """The source drops the repetition, the target takes it again, unless it has a window too."""
    client.command(
        f"CREATE TABLE {table}_days (sequence Int64) ENGINE = MergeTree ORDER BY sequence "
        f"SETTINGS non_replicated_deduplication_window = {window}"
    )
    client.command(f"CREATE MATERIALIZED VIEW {table}_view TO {table}_days AS SELECT sequence FROM {table}")
    settings = {"insert_deduplication_token": "t", "deduplicate_blocks_in_dependent_materialized_views": 1}
    try:
        for _ in range(2):
            client.raw_insert(table, insert_block=arrow(WAGERS), fmt="ArrowStream", settings=settings)
        assert (count(client, table), count(client, f"{table}_days")) == (1_000, rows)
    finally:
        client.command(f"DROP TABLE {table}_view")
        client.command(f"DROP TABLE {table}_days")


def test_insert_is_written_when_it_is_acknowledged_even_if_the_client_does_not_ask_for_it(
    client: Client, table: str
) -> None:
    settings = {"async_insert": 1, "wait_for_async_insert": 0, "async_insert_busy_timeout_ms": 20_000}
    for number in range(5):
        client.insert(table, [[number, "w"]], column_names=["sequence", "wager_id"], settings=settings)
        assert count(client, table) == number + 1


def test_one_insert_is_one_block_up_to_the_limit_that_the_request_sets(client: Client, table: str) -> None:
    client.command(f"SYSTEM STOP MERGES {table}")
    insert(client, table, "one")
    client.raw_insert(
        table,
        insert_block=WAGERS.write_csv(include_header=False).encode(),
        fmt="CSV",
        settings={"max_insert_block_size": 250, "min_insert_block_size_rows": 0, "min_insert_block_size_bytes": 0},
    )
    parts = f"SELECT groupArray(rows) FROM (SELECT rows FROM system.parts WHERE table = '{table}' ORDER BY name)"
    assert client.query(parts).result_rows == [([1_000, 250, 250, 250, 250],)]


def test_limit_of_time_holds_for_the_request(ask: Callable[..., Any]) -> None:
    slow = ask(
        "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))", max_execution_time="0.2"
    )
    assert (slow.status, slow.code) == (408, "159")


def test_query_log_names_user_query_and_comment(ask: Callable[..., Any]) -> None:
    ask("SELECT 900 + 1", query_id="audit-1", log_comment="case 17")
    ask("SYSTEM FLUSH LOGS")
    logged = ask(
        "SELECT query, Settings['stream_like_engine_insert_queue'], log_comment FROM system.query_log "
        "WHERE log_comment = 'case 17' AND type = 'QueryFinish'"
    ).text
    assert "SELECT 900 + 1" in logged
    assert "default/audit-1" in logged


def test_instants_are_utc_whatever_the_host_says(ask: Callable[..., Any]) -> None:
    answer = ask("SELECT timezone(), toString(toDateTime(0))")
    assert (answer.body, answer.headers["X-ClickHouse-Timezone"]) == (b"UTC\t1970-01-01 00:00:00\n", "UTC")
