"""Reports as Hypothesis draws them, with every kind of value at its edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from esep.codes import PAYMENT_METHODS
from esep.sinks.clickhouse.reports.facts import Lane, Report, Table
from esep.sinks.clickhouse.reports.forms import FORMS, TABLES, Column
from esep.sinks.clickhouse.reports.period import period_of
from esep.sinks.clickhouse.reports.sheet import Issue
from esep.sinks.clickhouse.reports.words import CODES
from tests.sinks.line import BINS

ISSUE = Issue(datetime(2026, 11, 28, 12, tzinfo=UTC), "0.1.0", "a.serikova")
SECONDS = st.integers(0, 2_000_000_000).map(lambda s: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
# Texts of an organizer's: what a spreadsheet might take for a formula, a number, a link; commas, quotes, our letters.
TEXTS = st.sampled_from(
    ["=1+1", "007", "http://x", 'ЖШС «Бәс, "7"»', "+7", "-1", "@a", "1.50", "ӘҒҚҢӨҰҮҺІ"]
) | st.from_regex(r"[A-Za-zА-я0-9]{1,12}(,? [A-Za-z0-9]{1,6}){0,2}", fullmatch=True)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "code": st.sampled_from(sorted(CODES)) | st.just("NEW_WAY"),
    "count": st.integers(0, 10**12),
    "tiyn": st.sampled_from([0, 1, -1, 10**15 - 1, 10**15, 4 * 10**18, -(10**15) + 1])
    | st.integers(-(10**16), 4 * 10**18),
    "share": st.none() | st.integers(-1000, 10**9),
    "instant": st.none() | SECONDS,
}
LANES = st.builds(Lane, *[st.integers(0, 10**14)] * 7, SECONDS)


@st.composite
def rows(draw: st.DrawFn, columns: tuple[Column, ...]) -> tuple[Any, ...]:
    return tuple(draw(VALUES[column.kind]) for column in columns)


@st.composite
def reports(draw: st.DrawFn, form: str | None = None) -> Report:
    form = form or draw(st.sampled_from(sorted(FORMS)))
    tables = []
    for name in FORMS[form][:-1]:
        if name == "movements" and draw(st.booleans()):
            continue
        columns = TABLES[name].columns
        found = tuple(draw(st.lists(rows(columns), max_size=3)))
        totals = (None, *draw(rows(columns[1:]))) if TABLES[name].has_totals else None
        tables.append(Table(name, found, totals))
    bin_ = draw(st.sampled_from(["", *BINS]))
    return Report(
        form,
        bin_,
        draw(TEXTS) if bin_ else "",
        period_of(draw(st.sampled_from(["2026-10-31", "2026-10", "2026-H2", "2025"]))),
        draw(st.none() | SECONDS),
        tuple(tables),
        tuple(draw(st.lists(LANES, max_size=3))),
    )


assert set(PAYMENT_METHODS) <= CODES
