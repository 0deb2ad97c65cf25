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
from esep.codec import INDEX, decode, decode_one, encode_one
from esep.errors import UsageError
from esep.events import (
    EVENT_RECORDS,
    Correction,
    Deposit,
    Payout,
    Selection,
    Values,
    Wager,
    Withdrawal,
    empty_events,
    encoded,
    encoded_one,
    events_frame,
    numbered,
    record_name,
    unified,
)
from esep.schemas import newest, schema, versions
from esep.versions import encode_oldest
from tests.support.examples import examples
from tests.support.records import Record, deposits, newer_payouts, newer_wagers, payouts, records, wagers, withdrawals

TYPES: dict[str, Any] = {
    "wager": Wager, "payout": Payout, "deposit": Deposit, "withdrawal": Withdrawal, "correction": Correction,
}  # fmt: skip
MOVEMENTS = {"wager": newer_wagers(), "payout": newer_payouts(), "deposit": deposits(), "withdrawal": withdrawals()}
RECORDS = {**MOVEMENTS, "correction": records("correction", 2)}
IDENTITY = ("organizer_bin", "stream_id", "sequence")
each_type = pytest.mark.parametrize("name", sorted(TYPES))


def typed(name: str, record: Record) -> Any:
    return TYPES[name](**{field: value for field, value in record.items() if field not in IDENTITY})


@each_type
def test_fields_of_a_type_are_those_that_an_organizer_fills_in(name: str) -> None:
    """Clause D934-42: of the newest version."""
    assert {*IDENTITY, *TYPES[name].model_fields} == set(newest(name).fields)
    assert name in EVENT_RECORDS


def test_parts_of_a_correction_have_the_fields_of_the_schema() -> None:
    for part in newest("correction").parsed()["fields"][-2:]:
        fields = {field["name"] for field in part["type"][1]["fields"]}
        assert fields == set(Values.model_fields)


def test_selection_has_the_fields_of_the_schema() -> None:
    (items,) = [field["type"]["items"] for field in schema("wager").parsed()["fields"] if field["name"] == "selections"]
    assert [field["name"] for field in items["fields"]] == list(Selection.model_fields)


@each_type
@settings(max_examples=examples(12))
@given(st.data())
def test_typed_event_survives_the_wire(name: str, data: st.DataObject) -> None:
    record = data.draw(RECORDS[name])
    event = typed(name, record)
    value = encoded_one(event, *(record[field] for field in IDENTITY))
    (read,) = [decode_one(value, one) for one in versions(name) if value[1:5] == one.id.to_bytes(4, "big")]
    assert record_name(event) == name
    assert typed(name, read) == event


@each_type
@settings(max_examples=examples(12))
@given(st.data())
def test_frame_of_events_has_the_bytes_of_each_event(name: str, data: st.DataObject) -> None:
    written = data.draw(st.lists(RECORDS[name], max_size=4))
    whole = [numbered(typed(name, record), *(record[field] for field in IDENTITY)) for record in written]
    one_by_one = [encoded_one(typed(name, record), *(record[field] for field in IDENTITY)) for record in written]
    assert encode_oldest(events_frame(whole, name), name) == one_by_one


@given(wagers(), st.integers(-12, 14), st.integers(0, 999))
def test_instant_of_any_zone_is_the_same_instant_in_whole_milliseconds(
    record: Record, hours: int, microseconds: int
) -> None:
    local = (record["occurred_at"] + timedelta(microseconds=microseconds)).astimezone(timezone(timedelta(hours=hours)))
    whole = {**record, "occurred_at": local}
    assert decode_one(encode_one(whole, schema("wager")), schema("wager")) == record
    assert events_frame([whole], "wager").select(list(record)).to_dicts() == [record]


OF_ANY_VERSION = st.one_of(
    *(kind.map(lambda record, name=name: (name, record)) for name, kind in MOVEMENTS.items()),
    wagers().map(lambda record: ("wager", record)),
    payouts().map(lambda record: ("payout", record)),
)


@given(st.lists(OF_ANY_VERSION, max_size=6))
def test_unified_frame_holds_events_of_all_types_and_versions_in_order(events: list[tuple[str, Record]]) -> None:
    """Clause D934-42: old and new side by side come out alike, and are written as they came."""
    values = [encode_one(record, _written_in(name, record)) for name, record in events]
    found = unified(decode(values, EVENT_RECORDS).frames)
    assert found.columns == [*empty_events().columns, INDEX]
    assert found["event_type"].to_list() == [name.upper() for name, _ in events]
    for row, (name, record) in zip(found.to_dicts(), events, strict=True):
        assert {field: row[field] for field in record} == record
        others = row.keys() - record.keys() - {"event_type", "wager_id", INDEX}
        assert not any(row[field] for field in others)
        assert (row["wager_id"] == "") == (name in {"deposit", "withdrawal"})
    assert check_form(found).null_count() == found.height
    again = encoded(found)
    says_nothing_new = [value != ours for value, ours in zip(values, again, strict=True)]
    assert unified(decode(again, EVENT_RECORDS).frames).equals(found)
    assert all(again[place][4:5] < values[place][4:5] for place, older in enumerate(says_nothing_new) if older)


def _written_in(name: str, record: Record) -> Any:
    return next(one for one in versions(name) if set(one.fields) == set(record))


def test_row_of_no_type_cannot_be_written() -> None:
    columns = {name: [None] for name in empty_events().columns}
    with pytest.raises(UsageError, match="no events"):
        encoded(pl.DataFrame(columns, schema=empty_events().schema))


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


def test_empty_frame_of_events_has_every_column_of_all_types() -> None:
    assert set(empty_events().columns) == {"event_type"}.union(*(newest(name).fields for name in MOVEMENTS))
    assert empty_events().height == 0
    assert unified({}).drop(INDEX).equals(empty_events())
