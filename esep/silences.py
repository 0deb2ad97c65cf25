"""Which organizers were silent in hours in which they usually are not.

Reads     the hours of each organizer that have postings in force; spans in which it is licensed; a `SilenceRule`
Returns   `Silences` of each organizer: the longest of each Almaty day on which one began
Promises  pure: the same hours give the same silences, in whatever order their postings came; what retention removed
          counts neither for nor against anybody (DESIGN §7; clauses O9-4.3, O9-4.4)

Hours are whole ones since 1970, UTC, by number. An hour of the week is one of Almaty's clock.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from esep.buckets import bucket_of
from esep.clock import ALMATY
from esep.rules import HOUR_MS
from esep.settling import Silence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from esep.buckets import Span
    from esep.rules import SilenceRule

WEEK_HOURS = 7 * 24


class Silences(NamedTuple):
    """An organizer's silences by the day on which each began. from_ms: days that begin before it are not decided on."""

    by_day: dict[str, Silence]
    from_ms: int


class _Own(NamedTuple):
    """One organizer's hours, from the first of all on: with a posting, and without one though that counts."""

    busy: np.ndarray
    counts: np.ndarray


def silences_of(
    rule: SilenceRule,
    busy: Mapping[str, Sequence[int]],
    licensed: Mapping[str, Sequence[Span]],
    end_hour: int,
    kept_hour: int | None = None,
) -> dict[str, Silences]:
    """Return the silences of each organizer that is licensed at any time, as they are before an hour.

    busy: hours with postings in force. kept_hour: from which hour on nothing was removed; None: nothing ever was.
    """
    first_hour = min((min(hours) for hours in busy.values() if len(hours)), default=end_hour)
    hours = np.arange(first_hour, max(end_hour, first_hour))
    active = {bin_: _among(hours, own) for bin_, own in busy.items()}
    active_count = sum(active.values(), start=np.zeros(len(hours), np.int64))
    may_count = (active_count >= rule.others) & (hours >= rule.since_ms // HOUR_MS)
    local = _local(hours)
    found = {}
    for bin_, spans in licensed.items():
        own = active.get(bin_, np.zeros(len(hours), bool))
        counts = may_count & ~own & _within(hours, spans) & _usual(rule, own, local)
        from_ms = _decided_from_ms(rule, hours[own], kept_hour)
        found[bin_] = Silences(_longest_of_days(rule, hours, _Own(own, counts), from_ms), from_ms)
    return found


def _among(hours: np.ndarray, some: Sequence[int]) -> np.ndarray:
    """Return whether each hour is among some."""
    return np.isin(hours, np.asarray(some, np.int64))


def _within(hours: np.ndarray, spans: Sequence[Span]) -> np.ndarray:
    """Return whether each hour lies in one of the spans, all of it."""
    begins_ms, within = hours * HOUR_MS, np.zeros(len(hours), bool)
    for span in spans:
        within |= (begins_ms >= span.start_ms) & (begins_ms + HOUR_MS <= span.end_ms)
    return within


def _local(hours: np.ndarray) -> np.ndarray:
    """Return the hours of Almaty's clock, by number as well."""
    zone = ZoneInfo(ALMATY)
    offsets = [datetime.fromtimestamp(hour * 3600, UTC).astimezone(zone).utcoffset() for hour in hours.tolist()]
    return hours + np.array([offset.total_seconds() // 3600 for offset in offsets if offset is not None], np.int64)


def _usual(rule: SilenceRule, busy: np.ndarray, local: np.ndarray) -> np.ndarray:
    """Return whether each hour had postings in enough of the weeks before it."""
    if not len(local):
        return busy
    low = int(local.min())
    on_clock = np.zeros(int(local.max()) - low + 1, np.int64)
    on_clock[local[busy] - low] = 1
    weeks = np.zeros(len(local), np.int64)
    for week in range(1, rule.weeks + 1):
        place = local - low - week * WEEK_HOURS
        weeks += np.where(place >= 0, on_clock[np.maximum(place, 0)], 0)
    usual: np.ndarray = weeks >= rule.usual_in
    return usual


def _decided_from_ms(rule: SilenceRule, busy_hours: np.ndarray, kept_hour: int | None) -> int:
    """Return from when on all is known that says what is usual, and where a silence began: a day's beginning."""
    if kept_hour is None:
        return -(2**62)
    known = busy_hours[busy_hours >= kept_hour + rule.weeks * WEEK_HOURS]
    if not len(known):
        return 2**62
    span = bucket_of("day", int(known[0]) * HOUR_MS).span
    return span.start_ms if span.start_ms == known[0] * HOUR_MS else span.end_ms


def _longest_of_days(rule: SilenceRule, hours: np.ndarray, own: _Own, from_ms: int) -> dict[str, Silence]:
    longest: dict[str, Silence] = {}
    for silence in _runs(hours, own):
        day = bucket_of("day", silence.from_ms)
        if silence.hours < rule.hours or day.span.start_ms < from_ms:
            continue
        if day.name not in longest or silence.hours > longest[day.name].hours:
            longest[day.name] = silence
    return longest


def _runs(hours: np.ndarray, own: _Own) -> Iterator[Silence]:
    """Yield what lies between two hours with postings and has hours that count, in order."""
    postings_before = np.cumsum(own.busy)
    busy_hours, counting = hours[own.busy], np.flatnonzero(own.counts)
    runs, firsts, counts = np.unique(postings_before[counting], return_index=True, return_counts=True)
    for run, first, count in zip(runs.tolist(), firsts.tolist(), counts.tolist(), strict=True):
        until_ms = int(busy_hours[run]) * HOUR_MS if run < len(busy_hours) else None
        yield Silence(int(hours[counting[first]]) * HOUR_MS, until_ms, count)
