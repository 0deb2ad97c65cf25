"""Old and new versions of a record side by side: nothing is lost in reading, nothing is written newer than it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codec import INDEX, decode, decode_one, empty_frame, encode_one
from esep.schemas import all_schemas, newest, schema, versions
from esep.versions import decode_record, encode_oldest, encode_record, upgraded
from tests.support.records import Record, edge_records, records

SEVERAL = sorted({one.record for one in all_schemas() if one.version > 1})
each_record = pytest.mark.parametrize("record", SEVERAL)


def of_any_version(record: str, *, edge: bool = False) -> st.SearchStrategy[tuple[int, Record]]:
    made = edge_records if edge else records
    return st.one_of(*(made(record, one.version).map(lambda it, n=one.version: (n, it)) for one in versions(record)))


def set_fields(record: Any) -> Any:
    """Return what a record says, without what it leaves unset: alike in every version."""
    if not isinstance(record, dict):
        return record
    return {name: set_fields(value) for name, value in record.items() if value is not None and value != []}


@each_record
@settings(max_examples=40)
@given(st.data())
def test_versions_are_read_side_by_side_in_order_and_written_as_old_as_they_can_be(
    record: str, data: st.DataObject
) -> None:
    """Clause D934-42: a version 1 of anything comes out byte for byte, a later one if it says what is new in it."""
    written = data.draw(st.lists(of_any_version(record, edge=record != "correction"), max_size=6))
    values = [encode_one(content, schema(record, version)) for version, content in written]
    read = upgraded(decode(values, frozenset({record})).frames, record)
    assert read.drop(INDEX).schema == empty_frame(newest(record)).schema
    rows = read.drop(INDEX).to_dicts()
    assert [set_fields(row) for row in rows] == [set_fields(content) for _, content in written]
    again = encode_oldest(read, record)
    for (version, content), before, after in zip(written, values, again, strict=True):
        older = set(schema(record, version - 1).fields) if version > 1 else set()
        says_new = version > 1 and (set(set_fields(content)) - older or inner_news(content))
        assert (after == before) == bool(version == 1 or says_new)
    assert again == [encode_record(row, record) for row in rows]
    assert upgraded(decode(again, frozenset({record})).frames, record).equals(read)


def inner_news(content: Record) -> bool:
    """Return whether a part of a correction says what version 1 has no field for."""
    if "was" not in content:
        return False
    first = schema("correction").parsed()["fields"][-1]["type"][1]
    known = {field["name"] for field in first["fields"]}
    return any(set(set_fields(content[part] or {})) - known for part in ("was", "now"))


def test_no_rows_have_the_columns_of_the_newest_version() -> None:
    assert upgraded({}, "ledger").drop(INDEX).schema == empty_frame(newest("ledger")).schema
    assert encode_oldest(upgraded({}, "ledger"), "ledger") == []


@given(records("deposit"))
def test_record_with_one_version_is_written_in_it(record: Record) -> None:
    assert encode_record(record, "deposit") == encode_one(record, schema("deposit"))


@given(records("wager"))
def test_record_that_leaves_out_what_is_new_is_written_in_the_first_version(record: Record) -> None:
    assert encode_record(record, "wager") == encode_one(record, schema("wager"))


@pytest.mark.parametrize("name", ["wager", "alert"])
@given(st.data())
def test_record_of_any_version_is_read_with_the_fields_of_the_newest(name: str, data: st.DataObject) -> None:
    for one in versions(name):
        record = data.draw(records(name, one.version))
        told = decode_record(encode_one(record, one), name)
        assert tuple(told) == newest(name).fields
        assert {field: told[field] for field in one.fields} == decode_one(encode_one(record, one), one)
        assert not any(told[field] for field in newest(name).fields if field not in one.fields)


def test_record_of_another_schema_is_none() -> None:
    with pytest.raises(ValueError, match="another schema id"):
        decode_record(b"\x00\x00\x00\x00\x01", "alert")
