"""Receipts as they were committed: whose messages each accounts for, and what it says otherwise than another."""

from __future__ import annotations

import pytest

from esep.codec import decode_body, encode_body, encode_one
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.stream_apps.intake.receipts import OUTSIDE
from esep.stream_apps.replay.differences import Difference, content_of
from esep.stream_apps.replay.receipts import RECORD, Told, compare, receipts_in
from esep.stream_apps.stage import Batch
from esep.topics import receipts_topic
from tests.stream_apps.intake.made_up import ALATAU, ESIL, source_of
from tests.stream_apps.replay.memory import line

PLACE = TopicPartition(receipts_topic(ALATAU), 0)
RECEIPT, CONTENT = schema("receipt"), schema("receipt_content")


def batch() -> Batch:
    (found,) = line().copy(chunk=9_999).read(PLACE, 0, line().end(PLACE))
    return Batch(found.source, found.offsets, found.timestamps_ms, list(found.keys), list(found.values))


def test_receipts_of_a_partition_join_without_a_gap() -> None:
    at = {source_of(ALATAU, partition): 0 for partition in (0, 1)}
    for told in receipts_in(batch()):
        assert isinstance(told, Told)
        assert told.from_offset == at[told.source]
        at[told.source] = told.through_offset + 1
        assert told.lane == (told.source, PLACE)
    assert all(end == line().end(source) for source, end in at.items())


def test_what_is_no_receipt_or_of_another_organizer_is_told() -> None:
    found = batch()
    other = content_of(RECORD, found.values[2]) or {}
    found.values[1] = b"no receipt"
    found.values[2] = encode_one(other | {"cause_topic": source_of(ESIL).topic}, RECEIPT)
    found.values[3] = encode_one(other | {"content": b"\xff"}, RECEIPT)
    told = list(receipts_in(found))
    kinds = [one.kind if isinstance(one, Difference) else "TOLD" for one in told]
    assert kinds == ["TOLD", "UNREADABLE", "UNKNOWN_CAUSE", "UNREADABLE", *["TOLD"] * (len(told) - 4)]


@pytest.mark.parametrize("name", [name for name in RECEIPT.fields if name not in OUTSIDE])
def test_each_field_counts_but_issue_key_and_signature(name: str) -> None:
    """O9-5.3: receipts for the same offset are equal but for what stands outside the hashed part."""
    told = next(receipts_in(batch()))
    assert isinstance(told, Told)
    content = content_of(RECORD, told.entry.value)
    assert content is not None
    resigned = content | {"issued_at": 0, "key_id": "", "certificate": b"", "signature": b""}
    assert compare(told, told.entry._replace(value=encode_one(resigned, RECEIPT))) == []
    other = {int: lambda v: v + 1, str: lambda v: v + "!", bytes: lambda v: v[:-1]}.get(type(content[name]))
    changed = content | {name: other(content[name]) if other else content["issued_at"].replace(year=2020)}
    (difference,) = compare(told, told.entry._replace(value=encode_one(changed, RECEIPT)))
    assert (difference.kind, difference.entry) == ("CHANGED", f"receipt through offset {told.through_offset}")
    assert difference.fields[0].split(" ")[0] == name


def test_of_a_content_that_differs_the_fields_are_named() -> None:
    told = next(receipts_in(batch()))
    assert isinstance(told, Told)
    record = content_of(RECORD, told.entry.value) or {}
    content = decode_body(record["content"], CONTENT)
    body = encode_body(content | {"duplicate_count": 99, "streams": []}, CONTENT)
    (difference,) = compare(told, told.entry._replace(value=encode_one(record | {"content": body}, RECEIPT)))
    was = content["duplicate_count"]
    assert set(difference.fields) == {"content", f"content: duplicate_count is {was}, not 99", "content: streams"}
    (difference,) = compare(told, told.entry._replace(key=b"9"))
    assert difference.fields == ("the message key",)
