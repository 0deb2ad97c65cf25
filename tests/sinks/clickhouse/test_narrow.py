"""Postings that were made narrow are, once ClickHouse has worked their columns out again, those that were sent."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.settings import Settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.migrate import migrate
from esep.sinks.clickhouse.narrow import DERIVED, SCOPES, narrowed
from esep.sinks.clickhouse.store import Store
from esep.topics import LEDGER
from tests.sinks.line import frame_of, postings
from tests.sinks.loading import load_frame
from tests.support.examples import examples
from tests.support.wide import MEASURES, widened

if TYPE_CHECKING:
    import polars as pl
    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer

TOTALS = [f"{scope}_{measure}" for scope in SCOPES for measure in MEASURES]
LARGEST = 2**63 - 1
NUMBERS = st.one_of(st.just(0), st.integers(0, 10**12), st.integers(-LARGEST, LARGEST))


@st.composite
def booked(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return postings of which some have totals, some a name of their own, some an instant before they occurred."""
    rows = postings(draw(st.integers(1, 12)), partition=1, seed=draw(st.integers(0, 9))).to_dicts()
    for row in rows:
        if draw(st.booleans()):
            row |= {name: draw(NUMBERS) for name in draw(st.lists(st.sampled_from(TOTALS), max_size=6))}
        if draw(st.booleans()):
            row["entry_id"] = draw(st.sampled_from(["x", row["entry_id"] + "9", "a/b/c"]))
        row["received_at"] += timedelta(milliseconds=draw(st.integers(-(10**8), 10**11)))
    return rows


def _with_places(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return frame_of("ledger", rows).with_row_index("ledger_offset", 7).cast({"ledger_offset": int})


@settings(max_examples=examples(60))
@given(rows=booked())
def test_nothing_of_a_record_is_lost(rows: list[dict[str, Any]]) -> None:
    """Clause O9-4.6."""
    sent = _with_places(rows)
    narrow = narrowed(sent)
    assert not {*DERIVED} & {*narrow.columns}
    back = widened(narrow.to_dicts())
    assert [{name: row[name] for name in sent.columns} for row in back] == sent.to_dicts()


def test_what_is_nothing_is_an_empty_list() -> None:
    first, second = narrowed(_with_places(_two_years())).to_dicts()[:2]
    assert (first["own_year"], first["others_year"], first["other_years"]) == ([], [], [])
    assert first["other_name"] == second["other_name"] == ""
    assert second["own_year"] == [1, 500] + [0] * 10
    assert second["others_year"] == [2, 70] + [0] * 10
    assert second["other_years"] == [0] * 12 + [4, 900] + [0] * 10


def _two_years() -> list[dict[str, Any]]:
    """A posting without totals, and one of a person who has other organizers and other years."""
    first, second = postings(2, partition=1).to_dicts()
    totals = {"organizer_year": (1, 500), "organizer_ever": (1, 500), "person_year": (3, 570), "person_ever": (7, 1470)}
    for scope, (count, tiyn) in totals.items():
        second |= {f"{scope}_wager_count": count, f"{scope}_wager_tiyn": tiyn}
    return [first, second]


@pytest.mark.clickhouse
def test_clickhouse_gives_every_column_back(clickhouse: ClickHouseServer) -> None:
    """Clause O9-4.6: by name, in `ledger_rows`, in `ledger_counted` and with FINAL."""
    own = Settings(clickhouse_url=clickhouse.url, clickhouse_database=f"narrow_{uuid.uuid4().hex[:8]}")
    migrate(own)
    sent = frame_of("ledger", [_filled(place, row) for place, row in enumerate(postings(200, partition=0).to_dicts())])
    store = Store(own)
    load_frame(store, LEDGER, sent)
    store.close()
    names, derived = ", ".join(sent.columns), sent.select(DERIVED).to_dicts()
    with connect(own) as client:
        for place in ("ledger", "ledger FINAL", "ledger_rows", "ledger_counted"):
            assert _rows(client, f"SELECT {names} FROM {place}") == sent.to_dicts()
        kept = widened(_rows(client, "SELECT * FROM ledger"))
        assert [{name: row[name] for name in DERIVED} for row in kept] == derived
        history = "SELECT entry_id, received_at, person_year_wager_tiyn, person_ever_wager_tiyn FROM"
        fed, asked = (client.query(f"{history} {table} ORDER BY ALL") for table in ("person_posting", "ledger"))
        assert fed.result_rows == asked.result_rows


def _filled(place: int, row: dict[str, Any]) -> dict[str, Any]:
    """Return a posting with totals, two of three times, an entry's name of its own, every fifth time, and any lag."""
    totals = {name: (place * 7919 + at) * 10 ** (at % 9) * (place % 3) for at, name in enumerate(TOTALS)}
    lag = timedelta(milliseconds=place * 86_400_123 - 5_000)
    name = row["entry_id"] if place % 5 else f"E-{place}"
    return {**row, **totals, "entry_id": name, "received_at": row["occurred_at"] + lag}


def _rows(client: Client, asked: str) -> list[dict[str, Any]]:
    """Return an answer in the order of rows, as the record has it."""
    sql = (
        f"SELECT * REPLACE (lower(hex(body_sha256)) AS body_sha256) FROM ({asked}) ORDER BY ledger_offset - row_behind"
    )
    sql = sql if asked.startswith("SELECT *") else sql.replace("ledger_offset - row_behind", "row")
    return list(client.query(sql, query_tz="UTC", tz_mode="aware").named_results())
