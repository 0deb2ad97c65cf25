"""A report in words: the same rows in each language, codes as words, who made it beside it."""

from __future__ import annotations

from hypothesis import given, settings

from esep.sinks.clickhouse.lines import almaty
from esep.sinks.clickhouse.reports.facts import Report, plain
from esep.sinks.clickhouse.reports.forms import TABLES
from esep.sinks.clickhouse.reports.sheet import heading, section_grid, sheet_of
from esep.sinks.clickhouse.reports.words import LABELS, LANGUAGES
from tests.support.examples import examples
from tests.support.made_reports import ISSUE, reports


@settings(max_examples=examples(8))
@given(reports())
def test_every_language_says_the_same(report: Report) -> None:
    for language in LANGUAGES:
        sheet = sheet_of(report, ISSUE, language)
        head = dict(zip(LABELS, [text for _, text in sheet.head], strict=True))
        assert (head["report_id"], head["checksum"]) == (report.report_id, report.checksum)
        assert (head["officer"], head["made_at"]) == (ISSUE.officer, almaty(ISSUE.made_at))
        assert [section.name for section in sheet.sections] == [table.name for table in report.all_tables()]
        for section, table in zip(sheet.sections, report.all_tables(), strict=True):
            assert len(section.rows) == len(table.rows)
            for told, row in zip(section.rows, table.rows, strict=True):
                for column, word, value in zip(section.columns, told, row, strict=True):
                    same = column.kind != "code" or value not in sheet.words.codes
                    assert word == (value if same else sheet.words.codes[str(value)])


@settings(max_examples=examples(8))
@given(reports())
def test_section_has_its_rows_between_its_headings_and_its_notes(report: Report) -> None:
    for section in sheet_of(report, ISSUE, "kk").sections:
        cells = section_grid(section)
        assert cells[0] == [section.title]
        assert len(cells[1]) == len(TABLES[section.name].columns) == len({*map(str, cells[1])})
        assert cells[2 : 2 + len(section.rows)] == [list(row) for row in section.rows]
        below = cells[2 + len(section.rows) + (section.totals is not None) :]
        assert below == ([[], *([note] for note in section.notes)] if section.notes else [])


def test_heading_of_a_family_is_told_apart_from_the_other() -> None:
    lines = TABLES["lines"].columns
    (section,) = [one for one in sheet_of(_empty_form(), ISSUE, "ru").sections if one.name == "lines"]
    assert heading(section, 5) == "Пополнение счёта (2, 3): Сумма, тенге"
    assert heading(section, 13) == "Касса/карта: ставка (2, 3): Сумма, тенге"
    assert plain(lines[5].kind, 100) == "1.00"


def _empty_form() -> Report:
    from esep.sinks.clickhouse.reports.facts import Table
    from esep.sinks.clickhouse.reports.period import period_of

    tables = (Table("lines", (), (None,) * 18), Table("inside", ()))
    return Report("order9", "940140000385", "", period_of("2026-10-31"), None, tables, ())
