"""The analysts' views, each against the same answer worked out in Python from the postings that were loaded."""

from __future__ import annotations

import re
import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from esep.settings import Settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.migrate import migrate
from esep.sinks.clickhouse.store import Store
from esep.topics import LEDGER, REJECTED, receipts_topic
from tests.sinks.line import BINS, IINS, frame_of, postings, receipts, rejected
from tests.sinks.loading import load_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = pytest.mark.clickhouse
ALMATY = ZoneInfo("Asia/Almaty")
NOON = datetime(2026, 11, 10, 7, tzinfo=UTC)
COUNT = 300
PAGE = Path(__file__).resolve().parents[3] / "docs" / "analysts.md"
ARGUMENTS = {"as_known_at": "(known_at = '2026-11-21 12:00:00')"}
NOT_FOR_ANALYSTS = {
    "ledger_rows",  # What other views are made of, as the next.
    "ledger_counted",
    "extract_postings",
    "extract_register",  # docs/extracts.md has it.
}


def _bets(first_row: int) -> list[dict[str, Any]]:
    """A paid and an unpaid bet, one paid without a stake, one above its odds, one voided, one corrected upwards."""
    pattern = postings(1, partition=1, first_row=first_row).to_dicts()[0]
    rows: list[dict[str, Any]] = []

    def book(wager_id: str, event_type: str, amount: int, **other: Any) -> None:
        row, leg, revision = first_row + len(rows), other.get("leg", 1), other.get("revision", 0)
        is_payout = event_type == "PAYOUT"
        posting = {
            "row": row,
            "sequence": row,
            "iin": IINS[0],
            "organizer_bin": BINS[0],
            "wager_id": wager_id,
            "event_type": event_type,
            "amount_tiyn": amount * leg,
            "leg": leg,
            "revision": revision,
            "occurred_at": NOON,
            "received_at": NOON + timedelta(days=revision, seconds=2),
            "odds_milli": 1_333 if event_type == "WAGER" else None,
            "funding": "ACCOUNT_BALANCE" if event_type == "WAGER" else None,
            "kind": "WINNING" if is_payout else None,
            "won_tiyn": 0 if is_payout else None,
            "payment_method": "ACCOUNT",
        }
        rows.append(pattern | posting | other)

    book("paid", "WAGER", 1_000)
    book("paid", "PAYOUT", 1_333)
    book("unpaid", "WAGER", 700)
    book("without", "PAYOUT", 500, payment_method="CASH")
    book("above", "WAGER", 100, funding="CASH", payment_method="CASH")
    book("above", "PAYOUT", 134 + 1)
    book("void", "WAGER", 900, sequence=first_row)
    book("void", "WAGER", 900, sequence=first_row, leg=-1, revision=1)
    book("raised", "WAGER", 10, sequence=first_row + 1)
    book("raised", "WAGER", 10, sequence=first_row + 1, leg=-1, revision=1)
    book("raised", "WAGER", 1_000, sequence=first_row + 1, revision=1, odds_milli=2_000)
    book("raised", "PAYOUT", 2_000)
    book("deposit", "DEPOSIT", 5_000, payment_method="CARD")
    return rows


@pytest.fixture(scope="module")
def booked() -> list[dict[str, Any]]:
    frame = postings(COUNT, partition=1)
    return [*frame.to_dicts(), *_bets(COUNT + 1)]


@pytest.fixture(scope="module")
def client(clickhouse: ClickHouseServer, booked: list[dict[str, Any]]) -> Iterator[Client]:
    own = Settings(clickhouse_url=clickhouse.url, clickhouse_database=f"views_{uuid.uuid4().hex[:8]}")
    migrate(own)
    store = Store(own)
    load_frame(store, LEDGER, frame_of("ledger", booked))
    load_frame(store, REJECTED, frame_of("rejected", rejected(4, bin_=BINS[0])))
    load_frame(store, receipts_topic(BINS[0]), frame_of("receipt", receipts([5], bin_=BINS[0])))
    store.close()
    with connect(own) as opened:
        yield opened


def _named(client: Client, sql: str) -> list[dict[str, Any]]:
    return list(client.query(sql).named_results())


def _kind(row: dict[str, Any]) -> str:
    return str(row["kind"] if row["event_type"] == "PAYOUT" else row["event_type"]).lower()


@pytest.mark.parametrize(
    ("view", "keys"),
    [
        ("person_daily", ("iin", "day", "organizer_bin")),
        ("person_monthly", ("iin", "first_day")),
        ("organizer_daily", ("organizer_bin", "day")),
        ("organizer_monthly", ("organizer_bin", "first_day")),
        ("organizer_hourly", ("organizer_bin", "day", "hour")),
    ],
)
def test_rolled_up_view_is_the_sum_of_signed_postings_by_almaty_time(
    client: Client, booked: list[dict[str, Any]], view: str, keys: tuple[str, ...]
) -> None:
    expected: defaultdict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    persons: defaultdict[tuple[Any, ...], set[str]] = defaultdict(set)
    for row in booked:
        local = row["occurred_at"].astimezone(ALMATY)
        where = {**row, "day": local.date(), "first_day": local.date().replace(day=1), "hour": local.hour}
        key, kind = tuple(where[name] for name in keys), _kind(row)
        persons[key].add(row["iin"])
        paid = row["amount_tiyn"] if row["event_type"] == "PAYOUT" else 0
        expected[key].update(
            {"posting_count": 1, f"{kind}_count": row["leg"], f"{kind}_tiyn": row["amount_tiyn"], "paid_tiyn": paid}
        )
    found = _named(client, f"SELECT * FROM {view}")
    assert len(found) == len(expected)
    for row in found:
        key = tuple(row.pop(name) for name in keys)
        assert row.pop("person_count", len(persons[key])) == len(persons[key])
        assert row == {name: expected[key][name] for name in row}


def test_wagers_are_told_by_what_was_paid_on_them(client: Client) -> None:
    rows = _named(client, f"SELECT * FROM wager_payout WHERE iin = '{IINS[0]}' AND NOT startsWith(wager_id, 'W-')")
    assert {row["wager_id"]: row["status"] for row in rows} == {
        "paid": "PAID",
        "unpaid": "UNPAID",
        "without": "PAID_WITHOUT_WAGER",
        "above": "PAID_ABOVE_ODDS",
        "raised": "PAID",
    }
    (raised,) = [row for row in rows if row["wager_id"] == "raised"]
    assert (raised["wager_count"], raised["stake_tiyn"], raised["odds_milli"], raised["payable_tiyn"]) == (
        1,
        1_000,
        2_000,
        2_000,
    )


def test_money_that_stays_on_the_account_does_not_move(client: Client) -> None:
    rows = _named(client, f"SELECT * FROM money_movements WHERE iin = '{IINS[0]}' AND NOT startsWith(wager_id, 'W-')")
    assert sorted((row["movement"], row["direction"], row["is_cash"], row["amount_tiyn"]) for row in rows) == [
        ("DEPOSIT", "IN", False, 5_000),
        ("PAYOUT", "OUT", True, 500),
        ("STAKE", "IN", True, 100),
    ]


def test_what_was_known_at_an_instant_lacks_what_came_later(client: Client, booked: list[dict[str, Any]]) -> None:
    known_at = NOON + timedelta(hours=1)
    parameter = known_at.astimezone(ALMATY).strftime("%Y-%m-%d %H:%M:%S")
    history = _named(client, "SELECT entry_id, revision, leg, amount_tiyn FROM person_history")
    known = _named(client, f"SELECT entry_id, revision, leg, amount_tiyn FROM as_known_at(known_at = '{parameter}')")
    expected = [row for row in booked if row["received_at"] <= known_at]
    assert len(history) == len(booked) > len(known) == len(expected)
    assert sum(row["amount_tiyn"] for row in known) == sum(row["amount_tiyn"] for row in expected)


def test_quality_of_a_feed_is_told_by_the_hour_of_receipt(client: Client, booked: list[dict[str, Any]]) -> None:
    rows = _named(client, "SELECT * FROM data_quality")
    assert sum(row["posting_count"] for row in rows) == len(booked)
    assert sum(row["rejected_count"] for row in rows) == 4
    assert (sum(row["duplicate_count"] for row in rows), sum(row["held_count"] for row in rows)) == (2, 1)
    local = NOON.astimezone(ALMATY)
    place = (BINS[0], local.date(), local.hour)
    (bets,) = [row for row in rows if (row["organizer_bin"], row["day"], row["hour"]) == place]
    assert bets["posting_count"] == 10  # Corrections came a day later.
    assert (bets["lag_p50_ms"], bets["lag_p99_ms"], bets["clock_ahead_count"]) == (2_000, 2_000, 0)


def test_every_view_is_explained_on_the_analysts_page_column_by_column(client: Client) -> None:
    """A column that a view has and its section does not name fails, as one does that it no longer has."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^### `(\w+)`\n(.*?)(?=^###? |\Z)", text, re.MULTILINE | re.DOTALL)
    explained = {view: re.findall(r"^\| `(\w+)` \| .+ \| .+ \|$", section, re.MULTILINE) for view, section in found}
    names = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'"
    ).result_columns[0]
    columns = {
        view: list(client.query(f"SELECT * FROM {view}{ARGUMENTS.get(view, '')} LIMIT 0").column_names)
        for view in set(names) - NOT_FOR_ANALYSTS
    }
    assert explained == columns


def test_every_view_has_an_example_that_is_run(client: Client) -> None:
    """By tests/integration/test_pages.py, which runs all of the page's blocks."""
    names = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'"
    ).result_columns[0]
    blocks = " ".join(re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    assert set(names) - NOT_FOR_ANALYSTS == set(names) & set(re.findall(r"FROM (\w+)", blocks))


def test_history_is_what_the_ledger_has_of_a_person(client: Client) -> None:
    """It is read from a table of its own, by person and time."""
    columns = client.query("SELECT * FROM person_history LIMIT 0").column_names
    local = [f"toTimeZone({name}, 'Asia/Almaty')" if name.endswith("_at") else name for name in columns]
    for iin in IINS:
        history = client.query(f"SELECT * FROM person_history WHERE iin = '{iin}' ORDER BY ALL").result_rows
        in_ledger = client.query(f"SELECT {', '.join(local)} FROM ledger WHERE iin = '{iin}' ORDER BY ALL").result_rows
        assert list(history) == list(in_ledger) != []
