"""Days, weeks and months of Almaty, one after the other."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.buckets import DAYS_MAX, Calendar, bucket_of, first_day_of

FORMATS: dict[Calendar, str] = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
INSTANTS_MS = st.datetimes(datetime(2019, 1, 1), datetime(2031, 1, 1)).map(  # noqa: DTZ001 - made aware here
    lambda at: round(at.replace(tzinfo=UTC).timestamp() * 1000)
)
DAY_MS = 24 * 3600 * 1000


@given(st.sampled_from(["day", "week", "month"]), INSTANTS_MS, st.integers(0, 100 * DAY_MS))
def test_buckets_follow_each_other_from_that_of_the_first_instant_to_that_of_the_last(
    kind: Calendar, first_ms: int, length_ms: int
) -> None:
    found = [bucket_of(kind, first_ms)]
    while found[-1].span.end_ms <= first_ms + length_ms:
        found.append(bucket_of(kind, found[-1].span.end_ms))
    for bucket, instant_ms in ((found[0], first_ms), (found[-1], first_ms + length_ms)):
        assert bucket.span.start_ms <= instant_ms < bucket.span.end_ms
        local = datetime.fromtimestamp(instant_ms / 1000, ZoneInfo("Asia/Almaty"))
        assert bucket.name == local.strftime(FORMATS[kind])
    assert all(earlier.span.end_ms == later.span.start_ms for earlier, later in pairwise(found))
    assert all(bucket_of(kind, bucket.span.end_ms - 1) == bucket for bucket in found)
    for bucket in found:
        start = datetime.fromtimestamp(bucket.span.start_ms / 1000, ZoneInfo("Asia/Almaty"))
        assert start.time() == datetime.min.time()
        assert first_day_of(bucket.name) == start.date()
        assert bucket.span.end_ms - bucket.span.start_ms <= DAYS_MAX[kind] * DAY_MS + 3600 * 1000


@pytest.mark.parametrize(
    ("kind", "hours"), [("day", 25), ("week", 7 * 24 + 1), ("month", 29 * 24 + 1)], ids=["day", "week", "month"]
)
def test_bucket_in_which_the_country_moved_to_one_time_zone_is_an_hour_longer(kind: Calendar, hours: int) -> None:
    """Almaty went from UTC+6 to UTC+5 at midnight of 1 March 2024: 29 February lasted 25 hours."""
    at_ms = round(datetime(2024, 2, 29, 12, tzinfo=UTC).timestamp() * 1000)
    bucket = bucket_of(kind, at_ms)
    assert bucket.span.end_ms - bucket.span.start_ms == hours * 3600 * 1000
