"""Silences of organizers are those that an eye finds that goes through the hours one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from esep.buckets import Span
from esep.silences import silences_of
from tests.support.silence_histories import (
    BINS,
    HOUR_MS,
    LOW,
    MONDAY_MS,
    SLOTS,
    WEEK_MS,
    WEEKS,
    WRITTEN,
    History,
    Posting,
    histories,
    posting,
    rule_of,
    slot_ms,
)
from tests.support.silence_oracle import Licences, Silent, busy_hours, silences_by_looking

FAR_MS = MONDAY_MS + 20 * WEEK_MS
ALWAYS: Licences = {bin_: [(0, None)] for bin_ in BINS}
ends = st.integers(0, WEEKS * 7 * 24).map(lambda hours: MONDAY_MS + hours * HOUR_MS) | st.just(FAR_MS)
instants = st.integers(-1, WEEKS * 7).map(lambda days: MONDAY_MS + days * 24 * HOUR_MS + HOUR_MS // 2)
spans = st.just([(0, None)]) | st.tuples(instants, st.none() | instants).map(lambda one: [one])
numbers = st.fixed_dictionaries(
    {"usual_in": st.integers(1, 3), "hours": st.integers(1, 4), "others": st.integers(1, 2)},
    optional={"since": st.dates(date(2026, 3, 10), date(2026, 4, 2))},
)


ONE_STOPS = History(
    [
        posting(bin_, 100 * week + slot, slot_ms(week, slot))
        for bin_ in BINS
        for week in range(WEEKS)
        for slot in range(len(SLOTS))
        if bin_ != BINS[0] or week < WEEKS - 1
    ],
    [],
)


def found(
    written: dict[str, Any],
    postings: list[Posting],
    licences: Licences = ALWAYS,
    end_ms: int = FAR_MS,
    kept_ms: int | None = None,
) -> Silent:
    """Return what the code says, in the oracle's form."""
    licensed = {
        bin_: [Span(from_ms, 2**62 if to_ms is None else to_ms) for from_ms, to_ms in own]
        for bin_, own in licences.items()
    }
    kept_hour = None if kept_ms is None else kept_ms // HOUR_MS
    silences = silences_of(rule_of(written), busy_hours(postings), licensed, end_ms // HOUR_MS, kept_hour)
    return {(bin_, day): tuple(one) for bin_, own in silences.items() for day, one in own.by_day.items()}


@given(histories(), numbers, st.lists(spans, min_size=3, max_size=3), ends)
def test_silences_are_those_of_brute_force(
    history: History, lower: dict[str, Any], spans: list[list[tuple[int, int | None]]], end_ms: int
) -> None:
    """O9-4.3, O9-4.4: for any hours, corrections, licences and ends."""
    written, licences = {**LOW, **lower}, dict(zip(BINS, spans, strict=True))
    assert found(written, history.postings, licences, end_ms) == silences_by_looking(
        written, history.postings, licences, end_ms
    )


@given(histories(), st.integers(0, WEEKS * 7).map(lambda days: MONDAY_MS + days * 24 * HOUR_MS))
@example(ONE_STOPS, MONDAY_MS)
def test_what_is_decided_on_is_the_same_without_the_months_before(history: History, kept_ms: int) -> None:
    """O9-4.7: a day that rests on what was removed is not decided on, and every other one as if nothing had been."""
    whole, kept = found(LOW, history.postings), [one for one in history.postings if one["occurred_ms"] >= kept_ms]
    told = found(LOW, kept, kept_ms=kept_ms)
    assert told.items() <= whole.items()
    for (bin_, day), silence in whole.items():
        own_ms = sorted(hour * HOUR_MS for hour in busy_hours(kept).get(bin_, []))
        known_ms = next((at_ms for at_ms in own_ms if at_ms >= kept_ms + LOW["weeks"] * WEEK_MS), FAR_MS)
        if silence[0] >= known_ms + 24 * HOUR_MS:
            assert (bin_, day) in told


NOON = 12 * HOUR_MS  # Of the Monday after the eight weeks.
DAY = "2026-04-27"
EIGHT_WEEKS_MS = 8 * WEEK_MS


def every_week(bin_: str, hours: range, weeks: range = range(9)) -> list[Posting]:
    """Return a posting at each of these hours of Monday, in these weeks."""
    return [
        posting(bin_, 100 * week + hour, MONDAY_MS + week * WEEK_MS + hour * HOUR_MS)
        for week in weeks
        for hour in hours
    ]


OTHERS = [*every_week(BINS[1], range(24)), *every_week(BINS[2], range(24))]
SILENT_AT_NOON = every_week(BINS[0], range(6, 24), range(8)) + every_week(BINS[0], range(6, 12), range(8, 9))


@pytest.mark.parametrize(
    ("postings", "licences", "silence"),
    [
        pytest.param(OTHERS + SILENT_AT_NOON, ALWAYS, (NOON, None, 12), id="no word since noon"),
        pytest.param(
            [*OTHERS, *SILENT_AT_NOON, *every_week(BINS[0], range(18, 20), range(8, 9))], ALWAYS,
            (NOON, 18 * HOUR_MS, 6), id="six hours, and then a word",
        ),
        pytest.param(
            [*OTHERS, *SILENT_AT_NOON, *every_week(BINS[0], range(17, 19), range(8, 9))], ALWAYS,
            None, id="five hours twice are no silence",
        ),
        pytest.param(every_week(BINS[1], range(24)) + SILENT_AT_NOON, ALWAYS, None, id="one other alone went on"),
        pytest.param(
            OTHERS + [one for one in SILENT_AT_NOON if one["occurred_ms"] >= MONDAY_MS + 3 * WEEK_MS], ALWAYS,
            None, id="usual in five weeks only",
        ),
        pytest.param(
            OTHERS + [one for one in SILENT_AT_NOON if one["occurred_ms"] >= MONDAY_MS + 2 * WEEK_MS], ALWAYS,
            (NOON, None, 12), id="usual in six weeks",
        ),
        pytest.param(
            OTHERS + SILENT_AT_NOON, {BINS[0]: [(0, MONDAY_MS + EIGHT_WEEKS_MS + 17 * HOUR_MS)]},
            None, id="the licence ended in the evening",
        ),
        pytest.param(OTHERS + SILENT_AT_NOON, {BINS[1]: [(0, None)]}, None, id="not in the register"),
    ],
)  # fmt: skip
def test_cases_and_near_misses_by_the_numbers_of_the_file(
    postings: list[Posting], licences: Licences, silence: tuple[int, int | None, int] | None
) -> None:
    """O9-4.3, O9-4.4."""
    told = found(WRITTEN, postings, licences)
    begins = MONDAY_MS + EIGHT_WEEKS_MS
    expected = None if silence is None else (begins + silence[0], silence[1] and begins + silence[1], silence[2])
    assert told == ({} if expected is None else {(BINS[0], DAY): expected})


def test_gap_of_all_at_once_is_nobodys_silence() -> None:
    """Then it is our line that stood still, or a day on which nobody bets."""
    weeks = [one for bin_ in BINS for one in every_week(bin_, range(24), range(8))]
    assert found(WRITTEN, weeks) == {}
    others = [one for bin_ in BINS[1:] for one in every_week(bin_, range(24), range(8, 9))]
    assert found(WRITTEN, weeks + others).keys() == {(BINS[0], DAY)}


def test_hour_of_the_week_is_one_of_the_clock_in_almaty() -> None:
    """J127-17: on 1 March 2024 the clock went back by an hour, and who opens at nine opens at nine."""
    nine = [datetime(2024, month, day, hour, tzinfo=UTC) for month, day, hour in ((2, 20, 3), (2, 27, 3), (3, 5, 4))]
    ms = [round(one.timestamp() * 1000) for one in nine]
    postings = [posting(BINS[0], n, at_ms) for n, at_ms in enumerate(ms[:2])]
    postings += [posting(BINS[1], n, at_ms) for n, at_ms in enumerate([*ms, ms[2] - HOUR_MS, ms[2] + HOUR_MS])]
    assert found({**LOW, "hours": 1}, postings) == {(BINS[0], "2024-03-05"): (ms[2], None, 1)}


def test_no_hours_no_silences() -> None:
    assert found(LOW, []) == {}
