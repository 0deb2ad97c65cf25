"""Receipts that intake gives follow each other; whatever takes something back does not."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.producers.receipt_chain import CONTRADICTION, HOLE, Chain, covers
from esep.producers.receipts import ReceiptContent, SequenceRange, open_receipt
from tests.producers.fake_intake import ACCOUNT, content_of
from tests.support.receipt_signing import ROOT_CERTIFICATE
from tests.support.told_receipts import DESK, FAR_DESK, OTHER_DESK, Organizer

ORGANIZER = "940140000385"
EARLIER = ACCOUNT
LATER = EARLIER | {
    "consumed": [{"first": 1, "last": 7}],
    "missing": [],
    "accepted_count": 6,
    "root_through": 7,
    "root": "cd" * 32,
}


def told(first: int, last: int, account: dict[str, Any], partition: int = 0) -> ReceiptContent:
    return ReceiptContent.model_validate(content_of(ORGANIZER, partition, first, last, streams=[account]))


def kinds(*contents: ReceiptContent) -> list[str]:
    chain = Chain()
    return [doubt.kind for content in contents for doubt in chain.take(content)]


@settings(max_examples=30)
@given(st.data())
def test_what_intake_says_holds_together_however_messages_come(data: st.DataObject) -> None:
    """Any order and cut, gaps, repetitions, refusals, two partitions; and each receipt once more at any time."""
    with tempfile.TemporaryDirectory() as folder:
        organizer = Organizer(Path(folder))
        for stream_id in (DESK, OTHER_DESK, FAR_DESK):
            organizer.report(stream_id, 3)
            organizer.report(stream_id, 1, wrong=True)
            organizer.report(stream_id, 2)
        sent = organizer.messages()
        for _ in range(data.draw(st.integers(1, 5))):
            organizer.deliver(data.draw(st.lists(st.sampled_from(sent), min_size=1, max_size=8)))
        organizer.close()
    contents = [open_receipt(value, ROOT_CERTIFICATE) for value in organizer.receipts()]
    again = data.draw(st.lists(st.integers(0, len(contents) - 1), max_size=4))
    chain = Chain()
    for place, content in enumerate(contents):
        repeated = [contents[other] for other in again if other <= place]
        for one in [content, *repeated]:
            assert chain.take(one) == []
    assert chain.repeated == sum(other <= place for place in range(len(contents)) for other in again)
    last = {account.stream_id: account for content in contents for account in content.streams}
    assert {stream_id: one for (_, stream_id), one in chain.accounts.items()} == last


def test_growth_is_no_contradiction_in_whatever_order_it_is_read() -> None:
    one, other = told(0, 4, EARLIER), told(5, 9, LATER)
    assert kinds(one, other) == kinds(one, other, one, other) == []


@pytest.mark.parametrize("name", ["accepted_count", "rejected_count", "duplicate_count"])
def test_count_that_goes_back_is_found_in_either_order(name: str) -> None:
    less = LATER | {name: EARLIER[name] - 1}
    assert kinds(told(0, 4, EARLIER), told(5, 9, less)) == [CONTRADICTION]
    assert kinds(told(5, 9, less), told(0, 4, EARLIER)) == [CONTRADICTION]


@pytest.mark.parametrize(
    "change",
    [
        {"consumed": [{"first": 1, "last": 4}, {"first": 8, "last": 8}], "missing": [{"first": 5, "last": 7}],
         "root_through": 4, "root": "ab" * 32},
        {"consumed": [{"first": 1, "last": 3}, {"first": 5, "last": 7}], "missing": [{"first": 4, "last": 4}],
         "root_through": 3},
        {"consumed": [{"first": 1, "last": 4}, {"first": 6, "last": 7}], "missing": [{"first": 5, "last": 5}],
         "root_through": 4, "root": "cd" * 32},
    ],
)  # fmt: skip
def test_sequence_that_is_no_longer_consumed_and_other_root_are_found(change: dict[str, Any]) -> None:
    assert CONTRADICTION in kinds(told(0, 4, EARLIER), told(5, 9, LATER | change))


@pytest.mark.parametrize(
    "change",
    [
        {"missing": []},
        {"missing": [{"first": 5, "last": 6}]},
        {"consumed": [{"first": 6, "last": 6}, {"first": 1, "last": 4}]},
        {"consumed": [{"first": 1, "last": 4}, {"first": 6, "last": 5}]},
        {"root_through": 6},
        {"root_through": 0, "root": None},
        {"root": None},
    ],
)
def test_account_that_contradicts_itself_is_found(change: dict[str, Any]) -> None:
    assert CONTRADICTION in kinds(told(0, 4, EARLIER | change))


def test_stream_named_twice_and_end_before_the_beginning_are_found() -> None:
    twice = content_of(ORGANIZER, 0, 0, 4, streams=[EARLIER, EARLIER])
    assert kinds(ReceiptContent.model_validate(twice)) == [CONTRADICTION]
    assert kinds(told(5, 4, EARLIER)) == [CONTRADICTION]


def test_two_receipts_through_one_offset_must_say_the_same() -> None:
    assert kinds(told(0, 4, EARLIER), told(0, 4, EARLIER)) == []
    assert kinds(told(0, 4, EARLIER), told(1, 4, EARLIER)) == [CONTRADICTION]


def test_hole_between_receipts_of_a_partition_is_told_once() -> None:
    chain = Chain()
    chain.take(told(3, 4, EARLIER))
    assert chain.take(told(0, 4, EARLIER, partition=1)) == []
    (hole,) = chain.take(told(7, 9, LATER))
    assert (hole.kind, hole.text) == (HOLE, "no receipt for offsets 5 to 6")
    assert chain.begins == {0: 3, 1: 0}


def test_range_covers_what_lies_in_it_as_a_whole() -> None:
    ranges = [SequenceRange(first=1, last=4), SequenceRange(first=6, last=9)]
    assert covers(ranges, 6, 9)
    assert not covers(ranges, 4, 6)
    assert not covers([], 1, 1)
