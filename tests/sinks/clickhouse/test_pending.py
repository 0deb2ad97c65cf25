"""The decisions of the loader, as far as they are plain functions; the whole of them is tested in test_loader."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import InvariantBroken, PositionMismatch
from esep.lineage import TopicPartition
from esep.sinks.clickhouse.pending import (
    EARLIEST,
    TOGETHER_MAX,
    TOKENS_S,
    Committed,
    Pending,
    Resume,
    Span,
    noted,
    resume,
    to_insert,
    together,
    token,
)
from esep.topics import receipts_topic
from tests.sinks.line import BINS
from tests.support.examples import examples

LEDGER_3 = TopicPartition("ledger", 3)
OTHERS = st.builds(
    Span,
    st.builds(TopicPartition, st.just(receipts_topic(BINS[0])), st.integers(0, 999)),
    *[st.integers(0, 10**12), st.integers(0, 10**12), st.integers(1, 10**6)],
)
MONTHS = st.sampled_from([202609, 202610, 202611])


@st.composite
def pendings(draw: st.DrawFn) -> Pending:
    first = draw(st.integers(0, 10**12))
    last = first + draw(st.integers(0, 10**6))
    noted_at = draw(st.integers(0, 4_000_000_000))
    beside = draw(st.lists(OTHERS, max_size=TOGETHER_MAX - 1, unique_by=lambda one: one.source))
    return Pending(
        first, last, draw(st.integers(1, last - first + 1)), draw(st.integers(1, 9)), noted_at, tuple(beside)
    )


@given(pendings())
def test_noted_range_is_read_back_from_the_metadata_and_fits_into_it(pending: Pending) -> None:
    assert Pending.decode(pending.encode()) == pending
    assert len(pending.encode()) < 4096  # The broker's offset.metadata.max.bytes.


def test_range_that_was_noted_without_its_time_is_read_and_its_tokens_count_as_old() -> None:
    noted = Pending.decode('{"first":7,"last":19,"rows":12,"layout":1}')
    assert noted == Pending(7, 19, 12, 1)
    assert not noted.has_tokens(1, time.time())


@given(pendings(), st.integers(1, 9), st.floats(-2 * TOKENS_S, 2 * TOKENS_S))
def test_tokens_are_known_while_they_are_young_by_either_clock_and_the_layout_is_theirs(
    noted: Pending, layout: int, later_s: float
) -> None:
    known = noted.has_tokens(layout, noted.noted_at + later_s)
    assert known == (layout == noted.layout and abs(later_s) < TOKENS_S) or abs(abs(later_s) - TOKENS_S) < 1e-3


@pytest.mark.parametrize("metadata", ["", None])
def test_empty_metadata_is_no_range(metadata: str | None) -> None:
    assert Pending.decode(metadata) is None


@pytest.mark.parametrize("metadata", ["moved by hand", "[]", '{"first": 1}', '{"first": "x", "last": 2}', "7"])
def test_metadata_of_somebody_else_stops_the_loader(metadata: str) -> None:
    with pytest.raises(PositionMismatch):
        Pending.decode(metadata)


@given(st.integers(0, 100) | st.none(), st.integers(0, 100) | st.none(), st.integers(0, 5) | st.none())
def test_loading_goes_on_only_where_table_and_offsets_agree(
    committed: int | None, offset_max: int | None, length: int | None
) -> None:
    """What is in the table must lie before the committed offset or within the noted range; else nothing is loaded."""
    pending = None if committed is None or length is None else Pending(committed, committed + length, 1, 1)
    end = None if committed is None else committed + (0 if pending is None else length + 1)  # type: ignore[operator]
    known = None if committed is None else Committed(committed, pending)
    if offset_max is not None and (end is None or offset_max >= end):
        with pytest.raises(PositionMismatch):
            resume(LEDGER_3, known, offset_max)
    else:
        assert resume(LEDGER_3, known, offset_max) == Resume(pending, EARLIEST if end is None else end)


def test_range_that_does_not_begin_at_the_committed_offset_stops_the_loader() -> None:
    with pytest.raises(PositionMismatch):
        resume(LEDGER_3, Committed(8, Pending(7, 19, 12, 1)), None)


@given(st.dictionaries(MONTHS, st.integers(1, 9), min_size=1), st.dictionaries(MONTHS, st.integers(1, 9)))
def test_months_that_are_there_are_left_alone_and_none_is_there_twice(
    read: dict[int, int], present: dict[int, int]
) -> None:
    if any(rows > read.get(month, 0) for month, rows in present.items()):
        with pytest.raises(InvariantBroken):
            to_insert(LEDGER_3, read, present)
    else:
        assert to_insert(LEDGER_3, read, present) == sorted(read.keys() - present.keys())


@pytest.mark.parametrize(
    "changed", ["nothing", "noted_at", "first", "last", "rows", "layout", "month", "table", "beside"]
)
@settings(max_examples=examples(8))
@given(pendings(), MONTHS)
def test_tokens_differ_where_anything_of_an_insert_differs(changed: str, pending: Pending, month: int) -> None:
    """Of two that have all but one thing in common; when a range was noted is nothing of the insert's."""
    now = getattr(pending, changed, None)
    more = (*pending.beside, Span(TopicPartition("ledger", 1_000), 0, 0, 1)) if changed == "beside" else (now or 0) + 1
    other = pending if now is None else replace(pending, **{changed: more})
    same = changed in {"nothing", "noted_at", "rows"}
    of_other = token(LEDGER_3, other, month + (changed == "month"), "rejected" if changed == "table" else "ledger")
    assert (token(LEDGER_3, pending, month, "ledger") == of_other) == same
    for source in (TopicPartition("ledger", 4), TopicPartition("rejected", 3)):
        assert token(source, pending, month, "ledger") != token(LEDGER_3, pending, month, "ledger")


@given(st.lists(OTHERS, min_size=1, max_size=3 * TOGETHER_MAX, unique_by=lambda one: one.source), st.integers(1, 9))
def test_each_range_is_noted_with_all_that_are_inserted_with_it_and_they_have_one_token(
    spans: list[Span], layout: int
) -> None:
    inserts = together(spans)
    assert sorted(spans) == [span for insert in inserts for span in insert]
    tokens = set()
    for insert in inserts:
        notes = noted(insert, layout, 7)
        assert all(list(note.spans(source)) == insert for source, note in notes.items())
        found = {token(source, note, 202611, "receipts") for source, note in notes.items()}
        assert len(found) == 1
        tokens |= found
        known = {source: Committed(note.first, note) for source, note in notes.items()}
        for source, note in notes.items():
            assert note.is_noted_whole(source, known)
            for other in notes.keys() - {source}:
                for there in (
                    None,
                    Committed(notes[other].last + 1, None),
                    Committed(5, replace(notes[other], beside=())),
                ):
                    assert not note.is_noted_whole(source, known | {other: there})
    assert len(tokens) == len(inserts)
