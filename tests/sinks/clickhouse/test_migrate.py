"""Migrations: once each, in order, repeatable, and never changed after the fact."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from esep.codec import encode
from esep.errors import EsepError, FileUnusable, SettingInvalid
from esep.events import events_frame
from esep.lineage import TopicPartition
from esep.schemas import newest, schema
from esep.settings import Settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.frames import Records, rows_of
from esep.sinks.clickhouse.migrate import FOLDER, migrate, read_migrations, refuse_undone
from tests.sinks.line import postings
from tests.support.wide import wide_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = pytest.mark.clickhouse
VIEWS = (
    "alerts_current",
    "as_known_at(known_at = '2026-11-21 12:00:00')",
    "correction_mismatches",
    "data_quality",
    "money_movements",
    "organizer_daily",
    "organizer_hourly",
    "organizer_monthly",
    "person_daily",
    "person_history",
    "person_totals",
    "wager_payout",
)


@pytest.fixture
def own(clickhouse: ClickHouseServer) -> Settings:
    return Settings(clickhouse_url=clickhouse.url, clickhouse_database=f"migrate_{uuid.uuid4().hex[:8]}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "migrations"))


def test_migrations_are_applied_once_and_in_order(own: Settings) -> None:
    assert migrate(own) == [path.stem for path in sorted(FOLDER.glob("*.sql"))]
    assert migrate(own) == []
    with connect(own) as client:
        names = [row[0] for row in client.query("SHOW TABLES").result_rows]
    assert {"ledger", "rejected", "receipts", "alerts", "dispositions", "person_totals", "alerts_current"} <= set(names)


def test_applied_file_that_has_changed_is_refused(own: Settings, folder: Path) -> None:
    migrate(own, folder)
    changed = folder / "0002_rejected.sql"
    changed.write_text(changed.read_text().replace("ZSTD(1)", "ZSTD(3)", 1))
    with pytest.raises(FileUnusable, match="0002_rejected was applied and has changed"):
        migrate(own, folder)
    changed.unlink()
    with pytest.raises(FileUnusable, match="0002_rejected was applied and has gone"):
        migrate(own, folder)


def test_comment_of_an_applied_file_may_be_put_right(own: Settings, folder: Path) -> None:
    migrate(own, folder)
    changed = folder / "0002_rejected.sql"
    changed.write_text("-- Said better.\n" + changed.read_text())
    assert migrate(own, folder) == []


def test_migration_that_broke_off_is_applied_again(own: Settings, folder: Path) -> None:
    broken = folder / "0099_notes.sql"
    table = "CREATE TABLE IF NOT EXISTS notes (note String) ENGINE = MergeTree ORDER BY note;\n"
    broken.write_text(table + "CREATE TABLE IF NOT EXISTS more (note Strnig) ENGINE = MergeTree ORDER BY note;\n")
    with pytest.raises(EsepError):
        migrate(own, folder)
    with pytest.raises(SettingInvalid, match="0099_notes, or not to its end"):
        refuse_undone(own, folder)
    refuse_undone(own)  # What this program itself needs is there.
    broken.write_text(broken.read_text().replace("Strnig", "String"))
    assert migrate(own, folder) == ["0099_notes"]
    with connect(own) as client:
        states = client.query("SELECT state FROM migrations WHERE name = '0099_notes' ORDER BY noted_at").result_rows
    assert [row[0] for row in states] == ["BEGUN", "BEGUN", "DONE"]


def test_statement_that_cannot_be_repeated_is_refused_before_anything_is_applied(own: Settings, folder: Path) -> None:
    (folder / "0099_notes.sql").write_text("CREATE TABLE notes (note String) ENGINE = MergeTree ORDER BY note;")
    with pytest.raises(FileUnusable, match="cannot be repeated"):
        migrate(own, folder)
    with pytest.raises(EsepError), connect(own):
        pass


def test_every_statement_may_be_repeated(own: Settings) -> None:
    migrate(own)
    with connect(own) as client:
        for migration in read_migrations():
            for statement in migration.statements:
                client.command(statement)


def test_populated_ledger_goes_on_with_the_longer_list(own: Settings, folder: Path) -> None:
    """Clause D934-42: rows of before stay as they were; versions 1 and 2 are loaded side by side from then on."""
    later = {path: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql")) if path.name >= "0007"}
    for path in later:
        path.unlink()
    migrate(own, folder)
    with connect(own) as client:
        _insert_values(client, encode(postings(3, partition=0), schema("ledger", 1)), is_wide=True)
        before = client.query("SELECT * EXCEPT (loaded_at) FROM ledger ORDER BY row").result_rows
        for path, text in later.items():
            path.write_text(text, encoding="utf-8")
        assert migrate(own, folder) == [path.stem for path in later]
        old = client.query(f"SELECT * EXCEPT (loaded_at, {', '.join(NEW)}) FROM ledger_rows ORDER BY row").result_rows
        assert old == before
        both = encode(postings(3, partition=0, first_row=4), schema("ledger"))
        news = {"device_kind": "PHONE", "bonus_tiyn": 5, "market_names": ["Тотал"], "account_id": "A-1"}
        newer = events_frame(postings(3, partition=0, first_row=7).to_dicts(), "ledger").with_columns(
            **{name: pl.lit(value, events_frame([], "ledger").schema[name]) for name, value in news.items()}
        )
        _insert_values(client, both + encode(newer, schema("ledger", 2)))
        rows = client.query(
            "SELECT device_kind, bonus_tiyn, market_names, payment_id FROM ledger ORDER BY row"
        ).result_rows
    assert [tuple(row) for row in rows] == [(None, None, [], None)] * 6 + [("PHONE", 5, ["Тотал"], None)] * 3


NEW = newest("ledger").fields[len(schema("ledger").fields) :]


def _insert_values(client: Client, values: Sequence[bytes], *, is_wide: bool = False) -> None:
    """Insert records of the ledger as a loader does, block by block. is_wide: as loaders did before migration 0023."""
    rows = rows_of(Records(TopicPartition("ledger", 0), list(range(len(values))), [*values]), None)
    for month in rows.months():
        block = wide_block(rows.block(month)) if is_wide else rows.block(month)
        client.raw_insert("ledger", None, block, fmt="ArrowStream")


def test_views_are_valid(own: Settings) -> None:
    migrate(own)
    with connect(own) as client:
        try:
            for view in VIEWS:
                assert client.query(f"SELECT * FROM {view}").result_rows == []
        except DatabaseError as error:
            pytest.fail(str(error))
