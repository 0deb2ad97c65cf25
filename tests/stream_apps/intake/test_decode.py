"""A poll as frames: order, places, sections; garbage beside events."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codes import REJECT_CODES
from esep.precedence import PASSED
from esep.stream_apps.intake import decode
from esep.stream_apps.intake.decode import read_messages
from tests.stream_apps.intake.made_up import ESIL, NOW, Message, batch, correction, message, payout, source_of, wager

READABLE = st.builds(
    lambda make, sequence, seconds: message(make(sequence=sequence), NOW + timedelta(seconds=seconds)),
    st.sampled_from([wager, payout, correction]),
    st.integers(1, 2**63 - 1),
    st.integers(0, 9),
)
WHOLE = message(wager()).value or b""
GARBAGE = st.one_of(
    st.sampled_from([None, b"", b"\x00", b"\x00\x00\x00\x03\xe9", b"\x00\xff\xff\xff\xff12", b"{}", WHOLE + b"x"]),
    st.binary(max_size=60),
    st.integers(0, len(WHOLE) - 1).map(lambda size: WHOLE[:size]),
    st.integers(5, len(WHOLE) - 1).map(lambda at: WHOLE[:at] + b"\xff" * 12 + WHOLE[at:]),
).map(lambda value: Message(value, b"desk-0"))
MESSAGES = st.lists(st.one_of(READABLE, GARBAGE), min_size=1, max_size=12)


@settings(deadline=None)
@given(MESSAGES, MESSAGES)
def test_garbage_changes_nothing_for_its_neighbours(first: list[Message], second: list[Message]) -> None:
    """Together they are read as each of them alone."""
    together = read_messages([batch(source_of(), first), batch(source_of(ESIL), second)])
    alone = [read_messages([batch(source_of(), [one])]) for one in [*first, *second]]
    assert together.unreadable.tolist() == [int(one.unreadable[0]) for one in alone]
    assert together.identity.rows() == [one.identity.row(0) for one in alone]
    assert [row[1:] for row in together.events.select("index", *EVENT_COLUMNS).rows()] == [
        row for one in alone for row in one.events.select(EVENT_COLUMNS).rows()
    ]
    assert together.events["index"].to_list() == [place for place, one in enumerate(alone) if one.events.height]
    assert together.digests == [sha256(one.value or b"").digest() for one in [*first, *second]]


EVENT_COLUMNS = ("event_type", "stream_id", "sequence", "amount_tiyn", "occurred_at", "received_at", "selections")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "EMPTY"),
        (b"", "EMPTY"),
        (b"\x01\x00\x00\x03\xe9", "NOT_WIRE_FORMAT"),
        (b"\x00\x00\x00\x03", "NOT_WIRE_FORMAT"),
        (b"\x00\x00\x00\x07\xd1" + WHOLE[5:], "SCHEMA_UNKNOWN"),  # `accepted`: not an organizer's to send.
        (WHOLE[:-1], "UNDECODABLE"),
        (WHOLE + b"\x00", "UNDECODABLE"),
    ],
)
def test_what_is_no_event_has_its_code_and_no_identity(value: bytes | None, code: str) -> None:
    messages = read_messages([batch(source_of(), [message(wager()), Message(value, b"desk-0")])])
    assert messages.unreadable[0] == PASSED
    assert REJECT_CODES[messages.unreadable[1]].code == code
    assert messages.identity.row(1) == (None, None, None, None)


def test_each_type_is_known_by_its_name() -> None:
    messages = read_messages(
        [batch(source_of(), [message(correction()), message(payout(sequence=3)), message(wager(sequence=4))])]
    )
    assert messages.identity["event_type"].to_list() == ["CORRECTION", "PAYOUT", "WAGER"]
    assert messages.events["event_type"].to_list() == ["PAYOUT", "WAGER"]
    assert messages.events["selections"].list.len().to_list() == [0, 1]


@settings(deadline=None)
@given(st.lists(st.integers(1, 11), min_size=1, max_size=3), st.integers(1, 5))
def test_large_batches_are_cut_into_sections_that_lose_nothing(sizes: list[int], limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "SECTION_MAX", limit)
        batches = [batch(source_of(partition=number), [message(wager())] * size) for number, size in enumerate(sizes)]
        messages = read_messages(batches)
    assert all(1 <= len(section) <= limit for section in messages.sections)
    assert messages.offsets.tolist() == [offset for one in batches for offset in one.offsets]
    for section, start, end in zip(messages.sections, messages.starts, messages.starts[1:], strict=False):
        assert messages.values[start:end] == section.values
        assert messages.keys[start:end] == section.keys
        assert messages.offsets[start:end].tolist() == section.offsets
        assert (messages.section_of[start:end] == messages.sections.index(section)).all()
    assert messages.starts[-1] == sum(sizes) == len(messages)
