"""Silences by brute force: hour by hour, in the words of the file, from postings and not from a roll-up.

Reads     postings as dicts; a silence's rule as it is written; spans of licences
Returns   `silences_by_looking`; `stripped`: what the code under test says, in the same form
Promises  shares no code with esep, but for the name of the time zone
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Silent = dict[tuple[str, str], tuple[int, int | None, int]]
Licences = dict[str, list[tuple[int, int | None]]]
HOUR_MS = 3_600_000
ZONE = ZoneInfo("Asia/Almaty")


def silences_by_looking(
    written: Mapping[str, Any], postings: Iterable[Mapping[str, Any]], licences: Licences, end_ms: int
) -> Silent:
    """Return by organizer and Almaty day when a silence began, when it ended, and how many hours of it count."""
    in_force: Counter[tuple[str, int]] = Counter()
    for one in postings:
        in_force[one["organizer_bin"], one["occurred_ms"] // HOUR_MS * HOUR_MS] += one["leg"]
    busy = {place for place, count in in_force.items() if count > 0 and place[1] + HOUR_MS <= end_ms}
    on_clock = {(bin_, on_the_clock(at_ms)) for bin_, at_ms in busy}
    others = Counter(at_ms for _, at_ms in busy)
    found: Silent = {}
    for bin_, spans in licences.items():
        missed: list[int] = []
        for at_ms in [*sorted(others), None]:
            if at_ms is not None and (bin_, at_ms) not in busy:
                here = on_the_clock(at_ms)
                usual = sum((bin_, here - timedelta(weeks=week)) in on_clock for week in range(1, written["weeks"] + 1))
                licensed = any(from_ms <= at_ms and (not to_ms or at_ms + HOUR_MS <= to_ms) for from_ms, to_ms in spans)
                begun = not written.get("since") or here.date() >= written["since"]
                if others[at_ms] >= written["others"] and usual >= written["usual_in"] and licensed and begun:
                    missed.append(at_ms)
                continue
            if len(missed) >= written["hours"]:
                place = bin_, on_the_clock(missed[0]).date().isoformat()
                if place not in found or len(missed) > found[place][2]:
                    found[place] = missed[0], at_ms, len(missed)
            missed = []
    return found


def on_the_clock(at_ms: int) -> datetime:
    """Return what a clock in Almaty shows."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZONE).replace(tzinfo=None)


def busy_hours(postings: Iterable[Mapping[str, Any]]) -> dict[str, Sequence[int]]:
    """Return the hours of each organizer that have postings in force, by number."""
    in_force: dict[str, Counter[int]] = {}
    for one in postings:
        in_force.setdefault(one["organizer_bin"], Counter())[one["occurred_ms"] // HOUR_MS] += one["leg"]
    return {bin_: [hour for hour, count in hours.items() if count > 0] for bin_, hours in in_force.items()}
