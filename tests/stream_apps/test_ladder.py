"""The ladder: what cannot be processed costs itself alone, however many there are, until it is plainly our fault."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.errors import BrokerUnavailable, InvariantBroken
from esep.lineage import TopicPartition
from esep.stream_apps import ladder
from esep.stream_apps.ladder import POLL_MAX, RUN_MAX, Tally, process_what_can_be, raised_at
from esep.stream_apps.stage import Batch


def batches_of(sizes: Sequence[int]) -> list[Batch]:
    """Batches of so many records; each value says its place among all records."""
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return [
        Batch(
            TopicPartition("organizer.940140000385.events", number),
            list(range(start, start + size)),
            [0] * size,
            [None] * size,
            [b"%d" % place for place in range(start, start + size)],
        )
        for number, (start, size) in enumerate(zip(starts, sizes, strict=True))
    ]


class Faulty:
    """Returns the values that it was not to leave out; fails where one of them is bad, or comes after its pair."""

    def __init__(self, bad: AbstractSet[int] = frozenset(), pairs: AbstractSet[tuple[int, int]] = frozenset()) -> None:
        self.bad = bad
        self.pairs = pairs
        self.calls = 0

    def __call__(self, batches: Sequence[Batch], without: AbstractSet[int]) -> list[bytes | None]:
        self.calls += 1
        values = [value for batch in batches for value in batch.values]
        assert without <= set(range(len(values)))
        taken = {int(value or b"") for value in values} - without
        if taken & self.bad or any(taken >= {*pair} for pair in self.pairs):
            raise ValueError("900101300007")
        return [None if place in without else value for place, value in enumerate(values)]


def after(tally: Tally, count: int, bad: AbstractSet[int]) -> Tally:
    """Return the tally after a poll that has counted."""
    _, left_out = process_what_can_be(Faulty(bad), batches_of([count]), tally)
    return tally.after(count, left_out)


sizes_of_batches = st.lists(st.integers(1, 60), min_size=1, max_size=4)


@given(sizes_of_batches, st.data())
def test_each_bad_record_is_left_out_and_no_other(sizes: list[int], data: st.DataObject) -> None:
    places = st.integers(0, sum(sizes) - 1)
    bad = data.draw(st.sets(places, max_size=RUN_MAX))
    result, left_out = process_what_can_be(Faulty(bad), batches_of(sizes), Tally())
    assert result == [None if place in bad else b"%d" % place for place in range(sum(sizes))]
    assert left_out == sorted(bad)


@given(sizes_of_batches.filter(lambda sizes: sum(sizes) > 1), st.data())
def test_of_records_that_fail_together_the_later_one_is_left_out(sizes: list[int], data: st.DataObject) -> None:
    """What is booked before hangs on no record behind it."""
    first, second = sorted(data.draw(st.sets(st.integers(0, sum(sizes) - 1), min_size=2, max_size=2)))
    result, _ = process_what_can_be(Faulty(pairs={(first, second)}), batches_of(sizes), Tally())
    assert [place for place, value in enumerate(result) if value is None] == [second]


def test_one_of_many_thousand_is_found_in_a_few_calls_and_a_good_frame_takes_one() -> None:
    faulty, good = Faulty({31_415}), Faulty()
    process_what_can_be(faulty, batches_of([50_000]), Tally())
    process_what_can_be(good, batches_of([50_000]), Tally())
    assert faulty.calls <= 20
    assert good.calls == 1


def test_frame_that_fails_once_is_only_tried_again() -> None:
    class Once(Faulty):
        def __call__(self, batches: Sequence[Batch], without: AbstractSet[int]) -> list[bytes | None]:
            self.bad = {0} if self.calls == 0 else frozenset()
            return super().__call__(batches, without)

    result, left_out = process_what_can_be(Once(), batches_of([3]), Tally())
    assert result == [b"0", b"1", b"2"]
    assert left_out == []


def test_frame_of_bad_records_only_is_our_fault() -> None:
    with pytest.raises(InvariantBroken, match="our fault"):
        process_what_can_be(Faulty(set(range(100))), batches_of([40, 60]), Tally())


def test_bad_records_one_poll_after_the_other_are_our_fault_after_a_run() -> None:
    tally = Tally()
    for _ in range(RUN_MAX):
        tally = after(tally, 1, {0})
    with pytest.raises(InvariantBroken, match="our fault"):
        process_what_can_be(Faulty({0}), batches_of([1]), tally)


def test_run_ends_with_a_good_record() -> None:
    tally = Tally()
    for _ in range(3 * RUN_MAX):
        tally = after(tally, 200, {0})
    assert tally.run == 0


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.lists(st.integers(0, 59), max_size=5))
def test_run_is_the_same_however_the_records_are_cut_into_polls(left_out: list[bool], cuts: list[int]) -> None:
    bounds = sorted({0, len(left_out), *(min(cut, len(left_out)) for cut in cuts)})
    run = longest = 0
    for first, end in pairwise(bounds):
        places = [place - first for place in range(first, end) if left_out[place]]
        of_part, run = ladder._runs(run, end - first, places)
        longest = max(longest, of_part)
    words = "".join("x" if one else " " for one in left_out)
    assert longest == max(map(len, words.split()), default=0)
    assert run == len(words) - len(words.rstrip("x"))


def test_more_than_a_share_of_the_records_of_late_is_our_fault() -> None:
    every_hundredth = set(range(0, 1_000, 101))
    tally = Tally()
    for _ in range(5):
        tally = after(tally, 1_000, every_hundredth)
    with pytest.raises(InvariantBroken, match="our fault"):
        process_what_can_be(Faulty(set(range(0, 1_000, 50))), batches_of([1_000]), tally)


def test_search_of_one_poll_is_bounded() -> None:
    faulty = Faulty(set(range(0, 50_000, 1_000)))
    with pytest.raises(InvariantBroken, match="our fault"):
        process_what_can_be(faulty, batches_of([50_000]), Tally(records=100_000))
    assert faulty.calls < 20 * (POLL_MAX + 1)


@pytest.mark.parametrize("failure", [BrokerUnavailable("Gone."), OSError(28, "disk full"), MemoryError()])
def test_what_infrastructure_does_is_no_records_fault(failure: Exception) -> None:
    def run(batches: Sequence[Batch], without: AbstractSet[int]) -> None:
        raise failure

    with pytest.raises(type(failure)) as raised:
        process_what_can_be(run, batches_of([4]), Tally())
    assert raised.value is failure


def test_frame_that_fails_without_its_bad_record_too_raises_what_it_raised() -> None:
    def run(batches: Sequence[Batch], without: AbstractSet[int]) -> None:
        raise KeyError("site_id")

    with pytest.raises(KeyError, match="site_id"):
        process_what_can_be(run, batches_of([1]), Tally())


def test_log_names_the_record_and_the_place_in_our_code_and_nothing_of_its_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    process_what_can_be(Faulty({4}), batches_of([3, 3]), Tally())
    (line,) = caplog.messages
    assert line.startswith("organizer.940140000385.events/1 offset 4 is left out, as INTERNAL: ValueError at ")
    assert "900101300007" not in line


def test_failure_that_was_never_raised_has_no_place() -> None:
    assert raised_at(ValueError("900101300007")) == "ValueError"
