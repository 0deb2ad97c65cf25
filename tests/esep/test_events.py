"""Typed events become the records of the contract, however they are carried: one by one or as a frame."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from esep.checks import check_form
from esep.codec import decode_one, encode, encode_one
from esep.events import (
    CORRECTION,
    EVENT_RECORDS,
    PAYOUT,
    WAGER,
    Correction,
    Payout,
    Selection,
    Values,
    Wager,
    empty_events,
    events_frame,
    numbered,
    schema_of,
    unified,
)
from tests.support.examples import examples
from tests.support.records import Record, corrections, payouts, wagers

TYPES: dict[str, Any] = {"wager": Wager, "payout": Payout, "correction": Correction}
RECORDS = {"wager": wagers(), "payout": payouts(), "correction": corrections()}
IDENTITY = ("organizer_bin", "stream_id", "sequence")
each_type = pytest.mark.parametrize("name", sorted(TYPES))


def typed(name: str, record: Record) -> Any:
    return TYPES[name](**{field: value for field, value in record.items() if field not in IDENTITY})


@each_type
def test_fields_of_a_type_are_those_that_an_organizer_fills_in(name: str) -> None:
    event_schema = {"wager": WAGER, "payout": PAYOUT, "correction": CORRECTION}[name]
    assert [*IDENTITY, *TYPES[name].model_fields] == list(event_schema.fields)
    assert name in EVENT_RECORDS


def test_parts_of_a_correction_have_the_fields_of_the_schema() -> None:
    for part in CORRECTION.parsed()["fields"][-2:]:
        fields = {field["name"] for field in part["type"][1]["fields"]}
        assert fields == set(Values.model_fields)


def test_selection_has_the_fields_of_the_schema() -> None:
    items = WAGER.parsed()["fields"][-1]["type"]["items"]
    assert [field["name"] for field in items["fields"]] == list(Selection.model_fields)


@each_type
@settings(max_examples=examples(12))
@given(st.data())
def test_typed_event_survives_the_wire(name: str, data: st.DataObject) -> None:
    record = data.draw(RECORDS[name])
    event = typed(name, record)
    whole = numbered(event, *(record[field] for field in IDENTITY))
    value = encode_one(whole, schema_of(event))
    assert decode_one(value, schema_of(event)) == record
    assert typed(name, decode_one(value, schema_of(event))) == event


@each_type
@settings(max_examples=examples(12))
@given(st.data())
def test_frame_of_events_has_the_bytes_of_each_event(name: str, data: st.DataObject) -> None:
    written = data.draw(st.lists(RECORDS[name], max_size=4))
    event_schema = {"wager": WAGER, "payout": PAYOUT, "correction": CORRECTION}[name]
    whole = [numbered(typed(name, record), *(record[field] for field in IDENTITY)) for record in written]
    assert encode(events_frame(whole, name), event_schema) == [encode_one(record, event_schema) for record in whole]


@given(wagers(), st.integers(-12, 14), st.integers(0, 999))
def test_instant_of_any_zone_is_the_same_instant_in_whole_milliseconds(
    record: Record, hours: int, microseconds: int
) -> None:
    local = (record["occurred_at"] + timedelta(microseconds=microseconds)).astimezone(timezone(timedelta(hours=hours)))
    whole = {**record, "occurred_at": local}
    assert decode_one(encode_one(whole, WAGER), WAGER) == record
    assert events_frame([whole], "wager").to_dicts() == [record]


@given(st.lists(wagers(), max_size=3), st.lists(payouts(), max_size=3))
def test_unified_frame_holds_wagers_then_payouts_unchanged(bets: list[Record], paid: list[Record]) -> None:
    both = unified(events_frame(bets, "wager"), events_frame(paid, "payout"))
    assert both.columns == empty_events().columns
    assert both.schema == empty_events().schema
    assert both["event_type"].to_list() == ["WAGER"] * len(bets) + ["PAYOUT"] * len(paid)
    for row, record in zip(both.to_dicts(), bets + paid, strict=True):
        assert {field: row[field] for field in record} == record
        assert all(row[field] is None for field in row.keys() - record.keys() - {"event_type"})
    assert check_form(both).null_count() == both.height


@pytest.mark.parametrize(
    "change",
    [
        {"occurred_at": datetime(2026, 5, 9, 12)},  # noqa: DTZ001 - without a zone on purpose
        {"amount_tiyn": 99.5},
        {"amount_tiyn": None},
        {"iin": None},
        {"amount_tenge": 1},
    ],
)
def test_event_of_another_shape_is_refused(change: Record) -> None:
    good = {
        "site_id": "ALA-1",
        "iin": "900101300007",
        "wager_id": "W-1",
        "occurred_at": datetime(2026, 5, 9, 12, tzinfo=UTC),
        "amount_tiyn": 100_000,
        "payment_method": "CASH",
        "channel": "RETAIL",
        "funding": "CASH",
    }
    assert Wager(**good).odds_milli is None
    with pytest.raises(ValidationError):
        Wager(**good | change)


@given(wagers())
def test_event_cannot_be_changed(record: Record) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        typed("wager", record).amount_tiyn = 1


def test_empty_frame_of_events_has_every_column_of_both_types() -> None:
    assert set(empty_events().columns) == {*WAGER.fields, *PAYOUT.fields, "event_type"}
    assert isinstance(empty_events(), pl.DataFrame)
    assert empty_events().height == 0
