"""Facts of a day as Hypothesis draws them, with persons' numbers where an organizer might have put them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from esep.calendar import load_holidays
from esep.codes import REJECT_CODES
from esep.identifiers import is_iin
from esep.sinks.clickhouse.notices.facts import (
    Late,
    Notice,
    Place,
    RejectLine,
    Silence,
    due_at,
    gaps_of,
    outages_of,
)

BINS = ["940140000385", "950341000052", "961141000023", "070941024691"]
IINS = ["900101300007", "900101300811", "061211600012", "830717350867"]
HOLIDAYS = load_holidays()
DAYS = st.dates(date(HOLIDAYS.first_year, 1, 1), date(HOLIDAYS.last_year, 12, 20))
INSTANTS = st.integers(0, 2 * 86_400_000).map(
    lambda ms: datetime(2026, 11, 19, tzinfo=UTC) + timedelta(milliseconds=ms)
)
COUNTS = st.integers(1, 10**9)
STREAM_IDS = st.one_of(
    st.from_regex(r"[A-Za-z0-9._+-]{1,30}", fullmatch=True),
    st.tuples(
        st.sampled_from(["", "desk-", "7", "site.1_"]), st.sampled_from(IINS), st.sampled_from(["", "0", "-a"])
    ).map("".join),
)
PLACES = st.builds(Place, st.integers(0, 15), st.integers(0, 10**10))


@st.composite
def missing(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Draw ascending ranges of sequences that do not touch."""
    ranges, at = [], 1
    for before, length in draw(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 1000)), max_size=25)):
        ranges.append((at + before, at + before + length))
        at = ranges[-1][1] + 1
    return ranges


ACCOUNTS = st.dictionaries(st.tuples(st.integers(0, 15), STREAM_IDS), missing(), max_size=8)
LATE = st.builds(
    lambda at, wait_s, count: Late(at, at + timedelta(seconds=wait_s), count),
    INSTANTS,
    st.integers(301, 90_000),
    COUNTS,
)


@st.composite
def reject_lines(draw: st.DrawFn) -> tuple[RejectLine, ...]:
    """Draw a line per code."""
    lines = []
    for code in sorted(draw(st.sets(st.sampled_from([code.code for code in REJECT_CODES]), max_size=5))):
        first, last = sorted([draw(INSTANTS), draw(INSTANTS)])
        examples = draw(st.lists(PLACES, min_size=1, max_size=2))
        lines.append(RejectLine(code, draw(COUNTS), first, last, tuple(examples)))
    return tuple(lines)


@st.composite
def notices(draw: st.DrawFn) -> Notice:
    """Draw a notice with any of its parts."""
    day = draw(DAYS)
    silence = draw(st.none() | st.builds(Silence, INSTANTS))
    return Notice(
        draw(st.sampled_from(BINS)),
        day,
        due_at(day, HOLIDAYS),
        draw(reject_lines()),
        gaps_of(draw(ACCOUNTS)),
        silence,
        outages_of(draw(st.lists(LATE, max_size=4))),
    )


def persons_in(text: str, organizer_bin: str) -> list[str]:
    """Return the IINs in a text, be they part of a longer word; the hash in an id is no person's, nor is a BIN."""
    told = re.sub(rf"{organizer_bin}-[0-9]{{8}}-[0-9a-f]{{16}}", "", text)
    return [number for number in re.findall(r"(?=([0-9]{12}))", told) if is_iin(number)]
