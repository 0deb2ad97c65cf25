"""A report put into the words of one language, section by section: what every kind of file writes.

Reads     a `Report`, who made it and when
Returns   `Sheet`; `section_grid`: the cells of a section, as CSV and XLSX have them
Promises  pure; the same report, issue and language give the same sheet, in whatever file (box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from esep.sinks.clickhouse.lines import almaty
from esep.sinks.clickhouse.reports.facts import LAYOUT, plain
from esep.sinks.clickhouse.reports.forms import TABLES
from esep.sinks.clickhouse.reports.words import LABELS, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from esep.sinks.clickhouse.reports.facts import Report, Row, Table, Value
    from esep.sinks.clickhouse.reports.forms import Column
    from esep.sinks.clickhouse.reports.words import Language, Words


class Issue(NamedTuple):
    """Who made a report, when (UTC) and by which version: beside the content, and no part of the checksum."""

    made_at: datetime
    version: str
    officer: str


class Section(NamedTuple):
    """A table in words. groups: of each column the heading that it shares with its neighbours, empty for none."""

    name: str
    title: str
    columns: tuple[Column, ...]
    headings: tuple[str, ...]
    groups: tuple[str, ...]
    rows: tuple[Row, ...]
    totals: Row | None
    notes: tuple[str, ...]


class Sheet(NamedTuple):
    """A report in words. head: labels and what stands beside them."""

    title: str
    head: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    words: Words


def sheet_of(report: Report, issue: Issue, language: Language) -> Sheet:
    """Return a report in the words of a language."""
    said = words(language)
    head = {
        "report_id": report.report_id,
        "basis": said.basis[report.form],
        "recipient": said.recipient,
        "organizer_bin": report.organizer_bin,
        "organizer_name": report.organizer_name if report.organizer_bin else said.everybody,
        "period": str(report.period),
        "known_at": said.everything if report.known_at is None else almaty(report.known_at),
        "made_at": almaty(issue.made_at),
        "version": f"esep {issue.version}, layout {LAYOUT}",
        "officer": issue.officer,
        "checksum": report.checksum,
    }
    return Sheet(
        said.titles[report.form],
        tuple((said.labels[name], head[name]) for name in LABELS),
        tuple(_section(table, said) for table in report.all_tables()),
        said,
    )


def _section(table: Table, said: Words) -> Section:
    columns = TABLES[table.name].columns
    return Section(
        table.name,
        said.tables[table.name],
        columns,
        tuple(said.columns[column.name] for column in columns),
        tuple(said.groups.get(column.group, "") for column in columns),
        tuple(_in_words(row, columns, said) for row in table.rows),
        None if table.totals is None else (said.total, *table.totals[1:]),
        said.notes[table.name],
    )


def _in_words(row: Row, columns: tuple[Column, ...], said: Words) -> Row:
    """A code that we have no word for stands as it is: a newer organizer's, in an older program."""
    return tuple(
        said.codes.get(str(value), value) if column.kind == "code" else value
        for column, value in zip(columns, row, strict=True)
    )


def heading(section: Section, place: int) -> str:
    """Return the heading of a column where it stands alone, its group before it.

    A group says what a column of the same name means here: without it deposits and stakes would read alike.
    """
    group = section.groups[place]
    return f"{group}: {section.headings[place]}" if group else section.headings[place]


def section_grid(section: Section) -> list[list[Value]]:
    """Return the cells of one section: its title, its headings, its rows, its totals, its notes behind a blank row."""
    rows: list[list[Value]] = [[section.title], [heading(section, place) for place in range(len(section.columns))]]
    rows += map(list, section.rows)
    if section.totals is not None:
        rows.append(list(section.totals))
    if section.notes:
        rows += [[], *_alone(section.notes)]
    return rows


def _alone(texts: Iterable[str]) -> Iterator[list[Value]]:
    for text in texts:
        yield [text]


def text_of(column: Column, value: Value) -> str:
    """Return the plain text of a cell; the word in the totals' first cell stands for no number."""
    return value if isinstance(value, str) else plain(column.kind, value)
