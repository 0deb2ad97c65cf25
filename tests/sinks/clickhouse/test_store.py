"""What ClickHouse itself does: one block is one part, a token is taken once, and what a table holds is told right."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from esep.codec import encode
from esep.errors import SettingInvalid, SinkUnavailable
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.settings import Settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.frames import Records, Rows, rows_of
from esep.sinks.clickhouse.migrate import migrate
from esep.sinks.clickhouse.pending import Pending
from esep.sinks.clickhouse.rollups import differences, rebuild
from esep.sinks.clickhouse.store import Held, Store
from esep.sinks.clickhouse.tables import LEDGER_TABLE, RECEIPTS_TABLE, TABLES
from esep.topics import ACCEPTED, LEDGER, events_topic, receipts_topic
from tests.sinks.line import BINS, frame_of, postings, receipts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = pytest.mark.clickhouse
LEDGER_1 = TopicPartition(LEDGER, 1)
LANE = TopicPartition(ACCEPTED, 1)


@pytest.fixture
def own(clickhouse: ClickHouseServer) -> Settings:
    settings = Settings(clickhouse_url=clickhouse.url, clickhouse_database=f"store_{uuid.uuid4().hex[:8]}")
    migrate(settings)
    return settings


@pytest.fixture
def store(own: Settings) -> Iterator[Store]:
    opened = Store(own)
    yield opened
    opened.close()


def _postings(count: int) -> Rows:
    values = encode(postings(count, partition=1), schema("ledger"))
    return rows_of(Records(LEDGER_1, [2 * number for number in range(count)], list(values)), {})


def test_block_is_one_part_and_its_token_is_taken_once(own: Settings, store: Store) -> None:
    rows = _postings(30_000)  # More than ClickHouse's own block sizes would leave whole.
    for _ in range(2):
        for month in rows.months():
            store.insert(LEDGER_TABLE, f"token-{month}", rows.block(month))
    with connect(own) as client:
        query = "SELECT toYYYYMM(occurred_at), count(), uniqExact(_part) FROM ledger GROUP BY 1 ORDER BY 1"
        assert client.query(query).result_rows == [(month, count, 1) for month, count in rows.months().items()]


def test_other_token_adds_the_same_rows_again_and_no_view_of_identity_hides_it(own: Settings, store: Store) -> None:
    """What the tokens are for: without them a repetition doubles, until ReplacingMergeTree merges it away."""
    rows = _postings(3)
    month, count = next(iter(rows.months().items()))
    with connect(own) as client:
        client.command("SYSTEM STOP MERGES ledger")
        for token in ("one", "other"):
            store.insert(LEDGER_TABLE, token, rows.block(month))
        assert client.command("SELECT count() FROM ledger") == 2 * count
        client.command("SYSTEM START MERGES ledger")
        client.command("OPTIMIZE TABLE ledger FINAL")
        assert client.command("SELECT count() FROM ledger") == count
    assert store.held(LEDGER_TABLE)[LEDGER_1].offset_max is not None  # Its projection is rebuilt by that merge.


def test_block_of_two_months_is_refused_whole(own: Settings, store: Store) -> None:
    rows = _postings(20)
    frame = rows.frame.with_columns(month=202601)  # Says so, but its instants are of three months.
    mixed = Rows(rows.source, rows.table, frame, rows.last_rows)
    with suppress(SinkUnavailable):  # Not raised by the embedded engine, which acknowledges what it has refused.
        store.insert(LEDGER_TABLE, "token", mixed.block(202601))
    with connect(own) as client:
        assert client.command("SELECT count() FROM ledger") == 0


def test_what_a_table_holds_is_told_per_partition_and_lane(store: Store) -> None:
    assert store.held(LEDGER_TABLE) == {}
    rows = _postings(40)
    for month in rows.months():
        store.insert(LEDGER_TABLE, f"t{month}", rows.block(month))
    assert store.held(LEDGER_TABLE) == {LEDGER_1: Held(78, 40, {LANE: 40})}


def test_tables_of_many_topics_keep_them_apart(store: Store) -> None:
    for bin_ in BINS:
        values = encode(frame_of("receipt", receipts([1, 2], bin_=bin_)), schema("receipt"))
        rows = rows_of(Records(TopicPartition(receipts_topic(bin_), 0), [3, 5], list(values)), {})
        for month in rows.months():
            store.insert(RECEIPTS_TABLE, f"{bin_}{month}", rows.block(month))
    receipts_held = {
        TopicPartition(receipts_topic(bin_), 0): Held(5, 2, {TopicPartition(events_topic(bin_), 0): 2}) for bin_ in BINS
    }
    assert store.held(RECEIPTS_TABLE) == receipts_held
    booked = _postings(3)
    for month in booked.months():
        store.insert(LEDGER_TABLE, f"t{month}", booked.block(month))
    assert store.held(*TABLES) == {LEDGER_1: Held(4, 3, {LANE: 3})} | receipts_held
    source = TopicPartition(receipts_topic(BINS[0]), 0)
    assert sum(store.present(RECEIPTS_TABLE, source, Pending(3, 5, 2, 1), [202609, 202610, 202611]).values()) == 2


def test_rows_of_a_noted_range_are_counted_by_month(store: Store) -> None:
    rows = _postings(60)
    first, *later = rows.months()
    store.insert(LEDGER_TABLE, "t", rows.block(first))
    pending = Pending(0, 118, 60, 1)
    assert store.present(LEDGER_TABLE, LEDGER_1, pending, rows.months()) == {first: rows.months()[first]}
    assert store.present(LEDGER_TABLE, LEDGER_1, pending, later) == {}
    assert store.present(LEDGER_TABLE, TopicPartition(LEDGER, 0), pending, rows.months()) == {}
    assert store.present(LEDGER_TABLE, LEDGER_1, Pending(119, 130, 1, 1), rows.months()) == {}


def _counts(settings: Settings) -> dict[int, int]:
    with connect(settings) as client:
        query = "SELECT toYYYYMM(occurred_at), count() FROM ledger GROUP BY 1"
        return {int(month): int(count) for month, count in client.query(query).result_rows}


def test_insert_that_found_no_room_leaves_no_token_behind(own: Settings, store: Store) -> None:
    """A full disk: a server refuses, the embedded engine acknowledges and stores nothing; both take it later."""
    rows = _postings(40)
    month, count = next(iter(rows.months().items()))
    with connect(own) as client:
        client.command("ALTER TABLE ledger MODIFY SETTING min_free_disk_bytes_to_perform_insert = 1000000000000000000")
        with suppress(SinkUnavailable):
            store.insert(LEDGER_TABLE, "token", rows.block(month))
        assert _counts(own) == {}
        client.command("ALTER TABLE ledger RESET SETTING min_free_disk_bytes_to_perform_insert")
        store.insert(LEDGER_TABLE, "token", rows.block(month))
        assert _counts(own) == {month: count}
        assert differences(client) == {}


def test_partition_that_is_dropped_takes_its_tokens_along_and_rows_that_are_deleted_leave_theirs(
    own: Settings, store: Store
) -> None:
    """What retention or a hand does between an insert and its repetition, as the engine sees it."""
    rows = _postings(60)
    first, second, third = rows.months()
    for month in rows.months():
        store.insert(LEDGER_TABLE, f"t{month}", rows.block(month))
    with connect(own) as client:
        client.command(f"ALTER TABLE ledger DROP PARTITION {first}")
        delete = f"ALTER TABLE ledger DELETE WHERE toYYYYMM(occurred_at) = {second}"
        client.command(delete, settings={"mutations_sync": 1})
        for month in rows.months():
            store.insert(LEDGER_TABLE, f"t{month}", rows.block(month))
        assert _counts(own) == {first: rows.months()[first], third: rows.months()[third]}


def test_layout_changes_with_what_keeps_the_tokens_and_with_nothing_else(own: Settings, store: Store) -> None:
    rows = _postings(20)
    seen = [store.layout(LEDGER_TABLE)]
    for month in rows.months():
        store.insert(LEDGER_TABLE, f"t{month}", rows.block(month))
    with connect(own) as client:
        client.command("OPTIMIZE TABLE ledger FINAL")
        client.command("ALTER TABLE ledger ADD COLUMN IF NOT EXISTS note Nullable(String)")
        assert store.layout(LEDGER_TABLE) == seen[0]
        changes = [
            "CREATE TABLE copy AS ledger",  # As a table that is put back from a backup.
            "EXCHANGE TABLES ledger AND copy",
            "ALTER TABLE ledger MODIFY COMMENT 'rows deleted on 2026-11-28'",
            "CREATE OR REPLACE TABLE organizer_day AS organizer_day",  # As a migration does that is applied again.
        ]
        for change in changes:
            client.command(change)
            seen.append(store.layout(LEDGER_TABLE))
        assert seen[0] == seen[1], "another table is no change of this one"
        assert len(set(seen[1:])) == 4
        client.command(f"ALTER TABLE person_day DROP PARTITION {min(rows.months())}")
        assert rebuild(client)
        assert store.layout(LEDGER_TABLE) not in seen, "the roll-up that was added up anew has forgotten its tokens"
    assert store.layout(RECEIPTS_TABLE) != seen[0]


def test_missing_table_says_to_migrate(own: Settings, store: Store) -> None:
    with connect(own) as client:
        client.command("DROP TABLE ledger")
    with pytest.raises(SettingInvalid, match="esep migrate"):
        store.held(LEDGER_TABLE)


def test_totals_view_is_the_sum_of_signed_postings_at_each_level(own: Settings, store: Store) -> None:
    """A correction takes back one wager of 500 and books 300 for the same person."""
    frame = postings(200, partition=1)
    wager = frame.filter(frame["event_type"] == "WAGER").head(1).to_dicts()[0]
    legs = [
        {**wager, "row": 201, "revision": 1, "leg": -1, "amount_tiyn": -wager["amount_tiyn"]},
        {**wager, "row": 202, "revision": 1, "leg": 1, "amount_tiyn": 300},
    ]
    frame = frame.vstack(frame_of("ledger", legs))
    values = encode(frame, schema("ledger"))
    rows = rows_of(Records(LEDGER_1, list(range(202)), list(values)), {})
    for month in rows.months():
        store.insert(LEDGER_TABLE, f"t{month}", rows.block(month))
    expected = {}
    for row in frame.to_dicts():
        for organizer in ("", row["organizer_bin"]):
            for year in (0, 2026):
                sums = expected.setdefault((row["iin"], organizer, year), [0, 0, 0, 0])
                place = 0 if row["event_type"] == "WAGER" else 2
                sums[place] += row["leg"]
                sums[place + 1] += row["amount_tiyn"]
    with connect(own) as client:
        columns = "iin, organizer_bin, year, wager_count, wager_tiyn, winning_count, winning_tiyn"
        answer = client.query(f"SELECT {columns} FROM person_totals").result_rows
        assert {tuple(row[:3]): list(row[3:]) for row in answer} == expected
        one = client.query("SELECT wager_tiyn FROM person_totals WHERE iin = '900101300007' AND year = 0").result_rows
        assert sorted(row[0] for row in one) == sorted(
            sums[1] for (iin, _, year), sums in expected.items() if iin == "900101300007" and year == 0
        )
