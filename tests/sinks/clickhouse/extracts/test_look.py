"""An extract holds what was approved, all of it and nothing else: against an oracle that knows events and no SQL."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.sinks.clickhouse.extracts.files import places_in, postings_of, sums_in
from esep.sinks.clickhouse.extracts.look import Look
from esep.sinks.clickhouse.extracts.requests import Asked
from esep.sinks.clickhouse.reports.coverage import coverage_of
from tests.sinks.line import BINS, IINS
from tests.support.report_books import ALMATY, DAY, ReportBooks, history

if TYPE_CHECKING:
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

pytestmark = pytest.mark.clickhouse
HOUR = timedelta(hours=1)
ONE = timedelta(days=1)
# Events lie at the first and the last millisecond of these days (report_books.borders).
BORDERS = [
    (DAY, DAY),
    (DAY - ONE, DAY - ONE),
    (DAY + ONE, DAY + ONE),
    (DAY.replace(day=1), DAY),
    (date(2025, 12, 31), date(2025, 12, 31)),
    (date(2026, 1, 1), DAY.replace(day=1) - ONE),
]
days = st.integers(-310, 2).map(lambda days: DAY + timedelta(days=days))


class Posting(NamedTuple):
    iin: str
    organizer_bin: str
    occurred_at: datetime
    received_at: datetime
    leg: int
    amount_tiyn: int


def postings(books: ReportBooks) -> list[Posting]:
    """Return what was booked: a correction takes back what was in force and books what is now."""
    found = []
    for one, first_received_at in zip(books.reported, books.received_at, strict=True):
        before = one.first
        told = [(1, before, first_received_at)]
        for number, now in enumerate(one.corrections, 1):
            at = first_received_at + number * HOUR
            told.append((-1, before, at))
            if now is not None:
                told.append((1, now, at))
                before = now
        found += [
            Posting(event.iin, event.organizer_bin, event.at, at, leg, leg * event.amount_tiyn)
            for leg, event, at in told
        ]
    return found


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    first, last = draw(st.sampled_from(BORDERS) | st.tuples(days, days).map(lambda two: (min(two), max(two))))
    iin, bin_ = draw(
        st.sampled_from([(IINS[0], ""), (IINS[1], BINS[0]), ("", BINS[1]), (IINS[2], BINS[1]), ("000000000000", "")])
    )
    known = datetime(2026, 10, 31, draw(st.integers(0, 23)), tzinfo=UTC)
    known_at = draw(st.sampled_from([None, known]))
    return Asked("Court", "CPC 122", "7/114", iin, bin_, first, last, known_at)


def allowed(one: Posting, wanted: Asked) -> bool:
    day = one.occurred_at.astimezone(ALMATY).date()
    return (
        wanted.iin in {"", one.iin}
        and wanted.organizer_bin in {"", one.organizer_bin}
        and wanted.first_day <= day <= wanted.last_day
        and (wanted.known_at is None or one.received_at <= wanted.known_at)
    )


@settings(max_examples=settings().max_examples // 3 or 1)
@given(wanted=asked())
def test_extract_holds_all_that_was_approved_and_nothing_else(
    client: Client, books: ReportBooks, tmp_path_factory: pytest.TempPathFactory, wanted: Asked
) -> None:
    """O114-3: by person, organizer, both; by days whose borders events lie at; by what was known."""
    parquet = tmp_path_factory.mktemp("look") / "postings.parquet"
    look = Look(client, wanted, coverage_of(client, wanted.known_at))
    look.write_parquet(parquet)
    rows = (
        postings_of(parquet)
        .select(Posting._fields)
        .collect()
        .with_columns(pl.col("occurred_at", "received_at").dt.convert_time_zone("UTC"))
    )
    found = Counter(Posting(*row) for row in rows.iter_rows())
    assert found == Counter(one for one in postings(books) if allowed(one, wanted))
    assert look.sums() == sums_in(parquet)
    assert sum(place["postings"] for place in places_in(parquet)) == rows.height


def test_what_is_loaded_later_or_twice_is_not_in_a_look_at_a_coverage(
    client: Client, books: ReportBooks, tmp_path: Path
) -> None:
    wanted = Asked("Court", "CPC 122", "7/114", IINS[0], "", date(2026, 1, 1), date(2026, 12, 31))
    look = Look(client, wanted, coverage_of(client))
    before = look.sums()
    books.report(history(4, 5))
    books.repeat()
    assert look.sums() == before
    look.write_parquet(tmp_path / "postings.parquet")
    assert sums_in(tmp_path / "postings.parquet") == before
    later = Look(client, wanted, coverage_of(client))
    later.write_parquet(tmp_path / "later.parquet")
    own = [one for one in postings(books) if allowed(one, wanted)]
    assert sums_in(tmp_path / "later.parquet") == later.sums()
    assert sum(row[5] for row in later.sums()) == len(own)


def test_file_is_what_the_engine_answers(client: Client, tmp_path: Path, books: ReportBooks) -> None:
    """Every column, by the view's own words."""
    wanted = Asked("Court", "CPC 122", "7/114", "", BINS[0], DAY, DAY)
    look = Look(client, wanted, coverage_of(client))
    look.write_parquet(tmp_path / "postings.parquet")
    frame = postings_of(tmp_path / "postings.parquet").collect()
    names = ", ".join(frame.columns)
    order = "iin, occurred_at, organizer_bin, entry_id, revision, leg, ledger_partition, ledger_offset"
    statement = (
        f"SELECT {names} FROM extract_postings WHERE organizer_bin = '{BINS[0]}'"
        f" AND toDate(occurred_at) = '{DAY}' ORDER BY {order}"
    )
    rows: list[Any] = [tuple(row) for row in client.query(statement).result_rows]
    assert rows
    assert [tuple(row) for row in frame.iter_rows()] == rows


def test_months_that_were_removed_are_told(client: Client) -> None:
    wanted = Asked("Court", "CPC 122", "7/114", IINS[0], "", date(2026, 10, 1), date(2026, 10, 31))
    assert Look(client, wanted, coverage_of(client)).removed_months() == []
