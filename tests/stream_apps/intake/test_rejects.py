"""What becomes of a refused message."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codes import BY_CODE
from tests.stream_apps.intake.made_up import (
    ALATAU,
    IIN,
    NOW,
    Line,
    Message,
    correction,
    message,
    payout,
    source_of,
    wager,
)


def rejected(*messages: Message) -> list[dict[str, Any]]:
    line = Line()
    line.take(*messages)
    (write,) = (output for output in line.written if output.topic == "rejected")
    assert write.partition == 0
    assert {key for key, _ in line.written[write]} == {f"organizer.{ALATAU}.events/0".encode()}
    return line.records("rejected")


@settings(deadline=None)
@given(st.binary(max_size=80), st.one_of(st.none(), st.binary(max_size=20)))
def test_bytes_are_kept_as_they_came(value: bytes, key: bytes | None) -> None:
    """Clause O9-5.3."""
    (reject,) = rejected(Message(value, key))
    assert (reject["body"], reject["message_key"]) == (value, key)
    assert reject["body_sha256"] == sha256(value).hexdigest()
    assert (reject["stream_id"], reject["sequence"], reject["event_type"]) == (None, None, None)


def test_reject_names_its_cause_code_and_field() -> None:
    bad = message(payout(sequence=3, won_tiyn=-1))
    _, reject = rejected(Message(None, b"desk-0"), bad)
    assert reject == {
        "row": 2, "received_at": NOW, "cause_topic": source_of().topic, "cause_partition": 0, "cause_offset": 2,
        "organizer_bin": ALATAU, "reject_code": "WON_INVALID", "field": BY_CODE["WON_INVALID"].field,
        "stream_id": "desk-0", "sequence": 3, "event_type": "PAYOUT", "schema_id": 1002, "message_key": b"desk-0",
        "body": bad.value, "body_sha256": sha256(bad.value or b"").hexdigest(),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "schema_id"),
    [
        (None, None),
        (b"\x00\x00\x00\x03", None),
        (b"\x01\x00\x00\x03\xe9", None),
        (b"\x00\x00\x00\x03\xe9", 1001),
        (b"\x00\x7f\xff\xff\xff", 2**31 - 1),
        (b"\x00\x80\x00\x00\x00", None),  # More than the field holds; no registry gives it.
        (b"\x00\xff\xff\xff\xff123", None),
    ],
)
def test_schema_id_is_named_where_there_is_one(value: bytes | None, schema_id: int | None) -> None:
    (reject,) = rejected(Message(value))
    assert reject["schema_id"] == schema_id
    assert reject["body"] == (value or b"")


def test_stream_id_that_is_none_is_repeated_in_the_body_only() -> None:
    """A million characters would otherwise stand in the reject twice, and in the receipt."""
    reject, other = rejected(
        message(wager(stream_id="a" * 1_000_000)), message(wager(stream_id="a b", organizer_bin="950341000052"))
    )
    assert (reject["reject_code"], reject["stream_id"], reject["sequence"]) == ("STREAM_INVALID", None, 1)
    assert (other["reject_code"], other["stream_id"]) == ("BIN_MISMATCH", None)


def test_number_of_the_person_stands_in_the_body_only() -> None:
    for reject in rejected(message(wager(amount_tiyn=0)), message(correction(sequence=9))):
        outside = {name: value for name, value in reject.items() if name != "body"}
        assert IIN not in str(outside)


def test_nothing_refused_writes_nothing() -> None:
    line = Line()
    line.take(message(wager()))
    assert not [output for output in line.written if output.topic == "rejected"]
