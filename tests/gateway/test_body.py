"""What a request asks to be sent is what lies on the topic, or the answer names the event: clause O114-3."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.codec import decode_one, encode_one
from esep.delivery import MESSAGE_BYTES_MAX
from esep.gateway.body import EVENTS, MESSAGES, messages_of
from esep.gateway.problems import Problem
from esep.partitioner import partition_of
from esep.schemas import schema
from tests.stream_apps.intake.made_up import (
    ALATAU,
    EVENTS_PARTITIONS,
    IIN,
    Line,
    Message,
    correction,
    desk,
    message,
    payout,
    source_of,
    values,
    wager,
)
from tests.support import records

MANY = 1000


def as_json(record: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A record as an organizer writes it in a request."""
    kinds = {"reason": "CORRECTION", "kind": "PAYOUT", "payment_id": "DEPOSIT"}
    kind = next((kind for name, kind in kinds.items() if name in record), "WAGER")
    own = {name: value for name, value in record.items() if name != "organizer_bin"}
    read: dict[str, Any] = json.loads(json.dumps({"event_type": kind, **own}, default=datetime.isoformat))
    return read | changes


def body_of(*events: dict[str, Any]) -> bytes:
    return json.dumps(list(events)).encode()


def lines_of(*messages: tuple[bytes, bytes]) -> bytes:
    lines = [
        {"key": base64.b64encode(key).decode(), "value": base64.b64encode(value).decode()} for key, value in messages
    ]
    return b"\n".join(json.dumps(line).encode() for line in lines)


def problem_of(body: bytes, content_type: str = EVENTS, events_max: int = MANY) -> tuple[str, int | None, str | None]:
    with pytest.raises(Problem) as raised:
        messages_of(body, content_type, ALATAU, events_max)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None, "a cause may hold a person's data"
    return raised.value.code, raised.value.place, raised.value.field


def whole(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    made: st.SearchStrategy[dict[str, Any]] = getattr(records, f"{kind}s")()
    return made.map(lambda record: {**record, "organizer_bin": ALATAU})


KINDS = ("wager", "payout", "correction", "newer_wager", "newer_payout", "deposit")
events = st.lists(st.one_of(*map(whole, KINDS)), min_size=1, max_size=8)


@given(events)
def test_events_in_json_are_the_bytes_that_the_client_writes(made: list[dict[str, Any]]) -> None:
    """Two ways, one answer: by hand with the record's own encoder, and by the gateway."""
    expected = [message(record) for record in made]
    assert messages_of(body_of(*map(as_json, made)), EVENTS, ALATAU, MANY) == [(one.key, one.value) for one in expected]


@given(events)
def test_finished_messages_keep_every_byte(made: list[dict[str, Any]]) -> None:
    pairs = [(one.key or b"", one.value or b"") for one in map(message, made)]
    assert messages_of(lines_of(*pairs), MESSAGES, ALATAU, MANY) == pairs
    assert messages_of(lines_of(*pairs) + b"\r\n\n", MESSAGES, ALATAU, MANY) == pairs


def test_key_need_not_be_the_stream_for_that_is_intake_s_to_say() -> None:
    pair = (b"other", encode_one(wager(), schema("wager")))
    assert messages_of(lines_of(pair), MESSAGES, ALATAU, MANY) == [pair]


def test_instant_with_the_organizer_s_own_zone_is_the_same_instant() -> None:
    local = wager()["occurred_at"].astimezone(timezone(timedelta(hours=5))).isoformat()
    ((_, value),) = messages_of(body_of(as_json(wager(), occurred_at=local)), EVENTS, ALATAU, MANY)
    assert decode_one(value, schema("wager"))["occurred_at"] == wager()["occurred_at"]


def test_event_is_of_the_organizer_that_is_logged_in() -> None:
    ((key, value),) = messages_of(body_of(as_json(wager())), EVENTS, ALATAU, MANY)
    assert (key, decode_one(value, schema("wager"))["organizer_bin"]) == (desk(0).encode(), ALATAU)
    assert problem_of(body_of(as_json(wager(), organizer_bin=ALATAU))) == ("EVENT_UNREADABLE", 0, "organizer_bin")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_tiyn": "50000"}, "amount_tiyn"),
        ({"amount_tiyn": 500.0}, "amount_tiyn"),
        ({"amount_tiyn": 2**63}, None),
        ({"amount_tiyn": None}, "amount_tiyn"),
        ({"odds_milli": 2**31}, None),
        ({"occurred_at": "2026-03-01T11:59:00"}, "occurred_at"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": "1772366340"}, "occurred_at"),
        ({"occurred_at": 1772366340}, "occurred_at"),
        ({"sequence": True}, "sequence"),
        ({"stream_id": 7}, "stream_id"),
        ({"selections": [{"event_id": "e-1"}]}, "market_id"),
        ({"event_type": "BONUS"}, None),
        ({"bonus_tiyn": "1"}, "bonus_tiyn"),
        ({"kind": "WINNING"}, "kind"),
        ({IIN: 1}, None),
        ({"wager_id": "\ud800"}, None),
    ],
)
def test_event_that_is_no_record_is_named_by_its_place_and_field(changes: dict[str, Any], field: str | None) -> None:
    fine = as_json(wager())
    code, place, named = problem_of(body_of(fine, fine | changes, fine))
    assert (code, named) in {("EVENT_UNREADABLE", field), ("UNDECODABLE", field), ("BODY_UNREADABLE", None)}
    assert place == (None if code == "BODY_UNREADABLE" else 1)


@pytest.mark.parametrize("side", ["was", "now"])
def test_instant_inside_a_correction_is_written_as_one_too(side: str) -> None:
    event = as_json(correction(now=values(wager())))
    event[side]["occurred_at"] = 1772366340
    assert problem_of(body_of(event)) == ("EVENT_UNREADABLE", 0, "occurred_at")


def test_field_that_is_missing_is_named() -> None:
    incomplete = as_json(correction(was=None, now=values(wager())))
    del incomplete["now"]["iin"]
    assert problem_of(body_of(as_json(payout()), incomplete)) == ("EVENT_UNREADABLE", 1, "iin")


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[", b"\xff", b"[NaN]", b'"x"', b"[" * 100_000, b'[{"iin": 1, "iin": 2}]']
)
def test_body_that_is_no_list_of_json_is_refused(body: bytes) -> None:
    assert problem_of(body) == ("BODY_UNREADABLE", None, None)


@pytest.mark.parametrize(
    "line",
    [b"{}", b"x", b'{"key": "AA=="}', b'{"key": null, "value": "AA=="}', b'{"key": "A", "value": "AA=="}', b"\xff",
     b'{"key": "AA==", "value": "AA==", "partition": 1}', b'{"key": "AA==", "value": "A A="}'],
)  # fmt: skip
def test_line_that_is_no_message_is_named_by_its_place(line: bytes) -> None:
    fine = lines_of((b"desk-7", message(wager()).value or b""))
    assert problem_of(fine + b"\n" + line, MESSAGES) == ("EVENT_UNREADABLE", 1, None)


@pytest.mark.parametrize(
    ("value", "code"),
    [(b"", "EMPTY"), (b"{}", "NOT_WIRE_FORMAT"), (b"\x00\x00\x00\x07\xd1x", "SCHEMA_UNKNOWN"),
     (b"\x00\x00\x00\x03\xe9x", "UNDECODABLE")],
)  # fmt: skip
def test_message_that_intake_could_not_read_has_intake_s_code(value: bytes, code: str) -> None:
    fine = (b"desk-7", message(wager()).value or b"")
    assert problem_of(lines_of(fine, (b"desk-7", value), (b"", b"")), MESSAGES) == (code, 1, None)


def test_limits_are_kept() -> None:
    event = as_json(wager())
    assert len(messages_of(body_of(event, event), EVENTS, ALATAU, 2)) == 2
    assert problem_of(body_of(event, event), events_max=1)[0] == "BATCH_TOO_LARGE"
    assert problem_of(lines_of((b"", b"x"), (b"", b"x")), MESSAGES, events_max=1)[0] == "BATCH_TOO_LARGE"
    assert problem_of(lines_of((b"desk-7", bytes(MESSAGE_BYTES_MAX))), MESSAGES) == ("EVENT_TOO_LARGE", 0, None)
    assert problem_of(b"[]")[0] == problem_of(b" \n", MESSAGES)[0] == "BATCH_EMPTY"
    assert problem_of(b"[]", "text/csv")[0] == "TYPE_UNKNOWN"


def test_example_of_the_page_is_taken_and_has_the_right_form() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "organizers.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    ((key, value),) = messages_of(example.encode(), EVENTS, ALATAU, MANY)
    line = Line()
    line.take(Message(value, key), source=source_of(partition=partition_of(key, EVENTS_PARTITIONS)))
    assert (line.codes(), len(line.records("accepted"))) == ([], 1)
