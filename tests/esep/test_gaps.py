"""Gaps are what the last account says, and as old as the first one that misses all of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from esep.gaps import Gaps

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORGANIZER, OTHER = "940140000385", "950341000052"


def missing_of(arrived: set[int]) -> list[tuple[int, int]]:
    """The ranges that a receipt names after these arrivals."""
    lacking = [number for number in range(1, max(arrived)) if number not in arrived]
    starts = [number for number in lacking if number - 1 not in lacking]
    return [(first, next(n for n in range(first, max(arrived) + 1) if n + 1 not in lacking)) for first in starts]


@given(st.lists(st.sets(st.integers(1, 12), min_size=1), min_size=1, max_size=6))
def test_age_of_each_number_is_that_of_the_first_receipt_behind_it(polls: list[set[int]]) -> None:
    """By the definition, number by number: missing since something higher had come."""
    gaps, arrived, seen = Gaps(), set[int](), []
    for hour, poll in enumerate(polls):
        arrived |= poll
        seen.append(max(arrived))
        gaps.take(ORGANIZER, 0, "desk-7", missing_of(arrived), NOON + timedelta(hours=hour))
    told = {number: gap.since for gap in gaps.all() for number in range(gap.first, gap.last + 1)}
    expected = {
        number: NOON + timedelta(hours=next(hour for hour, highest in enumerate(seen) if highest > number))
        for first, last in missing_of(arrived)
        for number in range(first, last + 1)
    }
    assert set(told) == set(expected)
    for gap in gaps.all():
        assert gap.since == max(expected[number] for number in range(gap.first, gap.last + 1))
        assert gap.missing_count == gap.last - gap.first + 1


def test_streams_of_other_partitions_and_organizers_are_apart_and_in_order() -> None:
    gaps = Gaps()
    for bin_, partition, stream_id in [(OTHER, 0, "a"), (ORGANIZER, 1, "a"), (ORGANIZER, 0, "b"), (ORGANIZER, 0, "a")]:
        gaps.take(bin_, partition, stream_id, [(2, 3), (5, 5)], NOON)
    gaps.take(ORGANIZER, 0, "b", [], NOON)
    found = [(gap.organizer_bin, gap.partition, gap.stream_id, gap.first) for gap in gaps.all()]
    assert found == [
        (ORGANIZER, 0, "a", 2), (ORGANIZER, 0, "a", 5), (ORGANIZER, 1, "a", 2), (ORGANIZER, 1, "a", 5),
        (OTHER, 0, "a", 2), (OTHER, 0, "a", 5),
    ]  # fmt: skip
