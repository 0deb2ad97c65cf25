"""What a notice says: counted once, due on a working day, the same for the same facts, and without persons (O9-5.3)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from esep.calendar import is_working_day
from esep.clock import almaty_day_of, to_ms
from esep.sinks.clickhouse.notices.facts import (
    GAPS_MAX,
    RANGES_MAX,
    SILENT_DAYS_MAX,
    USUAL_DAYS,
    Late,
    Notice,
    due_at,
    gaps_of,
    outages_of,
    silence_of,
)
from tests.support.notices import ACCOUNTS, DAYS, HOLIDAYS, LATE, notices, persons_in

DAY, NOON = date(2026, 11, 20), datetime(2026, 11, 20, 7, tzinfo=UTC)


@given(DAYS)
def test_term_ends_with_the_next_working_day(day: date) -> None:
    told_until = almaty_day_of(to_ms(due_at(day, HOLIDAYS)))
    assert told_until > day
    assert is_working_day(told_until, HOLIDAYS)
    assert not any(is_working_day(day + timedelta(days=n), HOLIDAYS) for n in range(1, (told_until - day).days))
    assert almaty_day_of(to_ms(due_at(day, HOLIDAYS)) + 1) == told_until + timedelta(days=1)


@given(ACCOUNTS, st.randoms())
def test_every_missing_sequence_is_counted_once_in_whatever_order_streams_come(
    accounts: dict[tuple[int, str], list[tuple[int, int]]], random: Random
) -> None:
    gaps = gaps_of(accounts)
    lacking = {key: sum(last - first + 1 for first, last in ranges) for key, ranges in accounts.items() if ranges}
    if gaps is None:
        assert not lacking
        return
    assert (gaps.stream_count, gaps.missing_count) == (len(lacking), sum(lacking.values()))
    assert sum(gap.missing_count for gap in gaps.streams) == gaps.missing_count
    shuffled = list(accounts.items())
    random.shuffle(shuffled)
    assert gaps_of(dict(shuffled)) == gaps


def test_what_is_written_out_is_bounded_and_the_totals_are_not() -> None:
    ranges = [(n, n) for n in range(2, 4 * RANGES_MAX, 2)]
    gaps = gaps_of({(0, f"desk-{n}"): ranges[n % 2 :] for n in range(GAPS_MAX + 7)})
    assert gaps is not None
    assert (gaps.stream_count, len(gaps.streams)) == (GAPS_MAX + 7, GAPS_MAX)
    assert {len(gap.ranges) for gap in gaps.streams} == {RANGES_MAX}
    assert gaps.missing_count == sum(len(ranges) - n % 2 for n in range(GAPS_MAX + 7))
    assert gaps.streams[0].missing_count >= gaps.streams[-1].missing_count


@given(st.lists(LATE, max_size=6), st.randoms())
def test_outages_cover_every_late_receipt_once_and_do_not_touch(late: list[Late], random: Random) -> None:
    outages = outages_of(late)
    assert sum(outage.message_count for outage in outages) == sum(one.message_count for one in late)
    for one in late:
        assert sum(outage.from_at <= one.received_at and one.issued_at <= outage.to_at for outage in outages) == 1
    assert all(earlier.to_at < later.from_at for earlier, later in pairwise(outages))
    random.shuffle(late)
    assert outages_of(late) == outages


def _days(before: date, count: int) -> dict[date, datetime]:
    return {before - timedelta(days=n): NOON - timedelta(days=(DAY - before).days + n) for n in range(count)}


@given(st.integers(0, SILENT_DAYS_MAX + 3), st.integers(0, USUAL_DAYS + 5))
def test_silence_is_told_on_each_of_its_days_when_events_were_usual_before(silent: int, usual: int) -> None:
    last = DAY - timedelta(days=silent)
    told = silence_of(DAY, _days(last, usual))
    if 1 <= silent <= SILENT_DAYS_MAX and usual >= USUAL_DAYS:
        assert told is not None
        assert told.since == NOON - timedelta(days=silent)
    else:
        assert told is None


def test_who_does_not_report_every_day_is_not_silent() -> None:
    days = _days(DAY - timedelta(days=1), USUAL_DAYS + 5)
    del days[DAY - timedelta(days=9)]
    assert silence_of(DAY, days) is None


@given(notices(), notices())
def test_id_is_that_of_the_facts(one: Notice, other: Notice) -> None:
    assert replace(one).notice_id == one.notice_id
    assert replace(one, due_at=one.due_at + timedelta(days=1)).notice_id == one.notice_id
    assert (one.notice_id == other.notice_id) == (one == other)


@given(notices())
def test_json_has_every_fact_and_no_person(notice: Notice) -> None:
    told = json.loads(json.dumps(notice.to_json()))
    assert sum(line["count"] for line in told["rejects"]) == sum(line.count for line in notice.rejects)
    assert len({line["reject_code"] for line in told["rejects"]}) == len(notice.rejects)
    assert persons_in(json.dumps(told).replace(notice.organizer_bin, ""), notice.organizer_bin) == []
