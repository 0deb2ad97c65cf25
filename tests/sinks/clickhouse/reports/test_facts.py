"""What a report says is what is hashed: the same for the same facts, another for any other (O9-F, D934-7..11)."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from esep.money import tiyn_from_text
from esep.sinks.clickhouse.reports.facts import Report, instant, plain, share
from esep.sinks.clickhouse.reports.forms import TABLES
from tests.support.examples import examples
from tests.support.made_reports import reports


@settings(max_examples=examples(8))
@given(reports(), reports())
def test_other_facts_have_another_checksum_and_number(one: Report, other: Report) -> None:
    same = one.content == other.content
    assert (one.checksum == other.checksum) == (one.report_id == other.report_id) == same
    assert replace(one).checksum == one.checksum
    assert one.report_id.startswith(f"{one.form}-{one.organizer_bin or 'all'}-")
    assert one.report_id.endswith(one.checksum[:16])


@settings(max_examples=examples(8))
@given(reports(), st.data())
def test_every_cell_counts(report: Report, data: st.DataObject) -> None:
    """One sum that is a tiyn larger is another report."""
    places = [
        (at, number, place)
        for at, table in enumerate(report.tables)
        for number, row in enumerate(table.rows)
        for place, column in enumerate(TABLES[table.name].columns)
        if column.kind == "tiyn" and isinstance(row[place], int)
    ]
    if places:
        at, number, place = data.draw(st.sampled_from(places))
        table = report.tables[at]
        row = list(table.rows[number])
        row[place] = int(row[place]) + 1  # type: ignore[arg-type]
        changed = replace(table, rows=(*table.rows[:number], tuple(row), *table.rows[number + 1 :]))
        tables = (*report.tables[:at], changed, *report.tables[at + 1 :])
        assert replace(report, tables=tables).checksum != report.checksum


@settings(max_examples=examples(8))
@given(reports())
def test_content_names_what_it_covers(report: Report) -> None:
    told = json.loads(report.content)["tables"]["coverage"]
    assert [int(cell) for row in told for cell in row[:7]] == [
        value for lane in report.lanes for value in lane.row()[:7]
    ]


@given(st.integers(-(10**19), 10**19))
def test_sum_is_written_with_all_its_digits(tiyn: int) -> None:
    text = plain("tiyn", tiyn)
    assert tiyn_from_text(text) == tiyn
    assert text.partition(".")[2] == f"{abs(tiyn) % 100:02d}"
    assert Decimal(plain("share", tiyn)) * 10 == tiyn


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**12))
def test_share_is_rounded_to_the_nearest_tenth(part: int, whole: int) -> None:
    tenths = share(part, whole)
    assert tenths is not None
    assert 2 * abs(tenths * whole - 1000 * part) <= whole


@given(st.integers(0, 4 * 10**12))
def test_instant_loses_fractions_of_a_second_and_nothing_else(ms: int) -> None:
    assert instant(ms).timestamp() == ms // 1000
