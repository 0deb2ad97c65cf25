"""Receipts, however they cut the offsets, account for what one sender sent."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from esep.producers.receipts import ReceiptContent
from esep.producers.sender import Span
from esep.producers.tally import Tally, covers, tally
from tests.producers.fake_intake import content_of, ranges

OURS, THEIRS = "desk-7", "desk-8"


@dataclass
class Message:
    """One message of a partition: whose, which one, and what intake makes of it."""

    stream: str
    sequence: int
    fate: str  # accepted, duplicate or rejected


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Message], int]:
    """Return the messages of a partition and where our sending begins, with one message."""
    seen: set[tuple[str, int]] = set()
    messages = []
    for stream in draw(st.lists(st.sampled_from([OURS, THEIRS]), min_size=1, max_size=40)):
        sequence = draw(st.integers(1, 12))
        fate = (
            "duplicate" if (stream, sequence) in seen else draw(st.sampled_from(["accepted", "accepted", "rejected"]))
        )
        seen.add((stream, sequence))
        messages.append(Message(stream, sequence, fate))
    places = [place for place, message in enumerate(messages) if message.stream == OURS]
    assume(places)
    return messages, draw(st.sampled_from(places))


def _receipts(messages: list[Message], cuts: set[int]) -> list[ReceiptContent]:
    """Return receipts over all messages, one per piece between two cuts."""
    ends = sorted({cut for cut in cuts if 0 < cut < len(messages)} | {len(messages)})
    contents, first = [], 0
    for end in ends:
        piece = messages[first:end]
        rejects = [
            {
                "offset": first + place,
                "stream_id": m.stream,
                "sequence": m.sequence,
                "reject_code": "SITE_UNKNOWN",
                "field": None,
            }
            for place, m in enumerate(piece)
            if m.fate == "rejected"
        ]
        streams = [_account(messages[:end], stream) for stream in sorted({message.stream for message in piece})]
        counts = {f"{fate}_count": sum(m.fate == fate for m in piece) for fate in ("accepted", "duplicate")}
        content = content_of("940140000385", 0, first, end - 1, streams=streams, rejects=rejects, **counts)
        contents.append(ReceiptContent.model_validate(content))
        first = end
    return contents


def _account(messages: list[Message], stream: str) -> dict[str, object]:
    own = [message for message in messages if message.stream == stream]
    counts = {f"{fate}_count": sum(m.fate == fate for m in own) for fate in ("accepted", "duplicate", "rejected")}
    return {"stream_id": stream, "consumed": ranges(list({m.sequence for m in own})), "missing": [], **counts}


def _span(offsets: list[int]) -> list[Span]:
    return [Span(0, offsets[0], offsets[-1], len(offsets))] if offsets else []


@settings(deadline=None)
@given(histories(), st.sets(st.integers(1, 40)))
def test_tally_is_what_became_of_each_message_however_receipts_are_cut(
    history: tuple[list[Message], int], cuts: set[int]
) -> None:
    """Sent as `send_file` does: one event, then the rest; receipts are read from the one that holds the first."""
    messages, begin = history
    offsets = [place for place in range(begin, len(messages)) if messages[place].stream == OURS]
    cuts |= {begin + 1, *(offsets[1:2])}  # The rest goes only when the receipt of the first has come.
    contents = [content for content in _receipts(messages, cuts) if content.through_offset >= begin]
    told = tally(contents, _span(offsets[:1]) + _span(offsets[1:]), OURS)
    ours = [messages[offset] for offset in offsets]
    expected = {fate: sum(message.fate == fate for message in ours) for fate in ("accepted", "duplicate", "rejected")}
    if _first_is_new_to_a_stream_with_duplicates(messages[: begin + 1], contents[0]):
        expected = {**expected, "accepted": expected["accepted"] - 1, "duplicate": expected["duplicate"] + 1}
    assert {"accepted": told.accepted, "duplicate": told.duplicate, "rejected": told.rejected} == expected
    assert told.total == len(ours)
    assert told.known_through == max(message.sequence for message in messages if message.stream == OURS)


def _first_is_new_to_a_stream_with_duplicates(until_first: list[Message], content: ReceiptContent) -> bool:
    """Return whether this is the one case that receipts cannot tell: see the head of `esep.producers.tally`."""
    shares_its_receipt = content.from_offset < len(until_first) - 1
    had_duplicates = any(m.stream == OURS and m.fate == "duplicate" for m in until_first[:-1])
    return shares_its_receipt and had_duplicates and until_first[-1].fate == "accepted"


def test_conflict_is_seen() -> None:
    reject = {"offset": 0, "stream_id": OURS, "sequence": 1, "reject_code": "SEQUENCE_CONFLICT", "field": "sequence"}
    content = ReceiptContent.model_validate(content_of("940140000385", 0, 0, 0, rejects=[reject]))
    assert tally([content], [Span(0, 0, 0)], OURS).has_conflict
    assert not Tally().has_conflict


def test_reject_of_the_same_stream_outside_of_what_was_sent_is_not_ours() -> None:
    reject = {"offset": 3, "stream_id": OURS, "sequence": 1, "reject_code": "SITE_UNKNOWN", "field": "site_id"}
    content = ReceiptContent.model_validate(content_of("940140000385", 0, 0, 9, rejects=[reject]))
    assert tally([content], [Span(0, 5, 9, 5)], OURS).rejects == {}


@settings(deadline=None)
@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 1))
def test_receipts_cover_a_span_if_they_reach_its_last_message_in_its_partition(
    last: int, through: int, partition: int
) -> None:
    content = ReceiptContent.model_validate(content_of("940140000385", 0, 0, through))
    assert covers([content], [Span(partition, 0, last)]) == (partition == 0 and through >= last)


def test_nothing_sent_is_covered_by_nothing() -> None:
    assert covers([], [])
