"""Ranges against a set of numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from esep.stream_apps.intake.ranges import Ranges

RUNS = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5)), max_size=12)


def add_new(numbers: Ranges, first: int, last: int) -> None:
    """Add what is not in yet, run by run."""
    while first <= last:
        known, count = numbers.alike(first, last - first + 1)
        if not known:
            numbers.add(first, first + count - 1)
        first += count


def grown(runs: list[tuple[int, int]]) -> tuple[Ranges, set[int]]:
    numbers, same = Ranges(), set()
    for first, length in runs:
        add_new(numbers, first, first + length)
        same |= set(range(first, first + length + 1))
    return numbers, same


@given(RUNS, st.integers(1, 50), st.integers(0, 10))
def test_ranges_answer_as_a_set_does(runs: list[tuple[int, int]], asked: int, length: int) -> None:
    numbers, same = grown(runs)
    assert (asked in numbers) == (asked in same)
    assert numbers.covers(asked, asked + length) == set(range(asked, asked + length + 1)).issubset(same)
    assert numbers.covers(asked, asked - 1)
    assert {
        n for first, last in zip(numbers.firsts, numbers.lasts, strict=True) for n in range(first, last + 1)
    } == same
    assert all(last + 1 < first for last, first in zip(numbers.lasts, numbers.firsts[1:], strict=False))


@given(RUNS)
def test_equal_sets_have_equal_ranges_in_whatever_order_they_grew(runs: list[tuple[int, int]]) -> None:
    assert grown(runs)[0] == grown(runs[::-1])[0]


@given(RUNS, RUNS)
def test_copy_leaves_its_original_as_it_was_and_tells_what_changed(
    before: list[tuple[int, int]], after: list[tuple[int, int]]
) -> None:
    numbers, restored = grown(before)[0], grown(before)[0]
    copy = numbers.copy()
    assert not copy.changed
    for first, length in after:
        add_new(copy, first, first + length)
    assert numbers == grown(before)[0]
    for first, last in copy.changed.items():
        restored.put(first, last)
    assert restored == copy
