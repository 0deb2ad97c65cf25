"""An extract in words: what XLSX and paper show.

Reads     an `Approved` extract, its sums, its postings as a frame
Returns   the `Sheet` of a report, which XLSX and PDF are written from
Promises  pure; every value of the frame is in the sheet but fractions of a second, and on paper the columns ON_PAPER
          (O114-3; box: sinks/clickhouse)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from esep.sinks.clickhouse.extracts.layout import COLUMNS_OF, COVERAGE, ON_PAPER, POSTINGS, SUMS
from esep.sinks.clickhouse.extracts.words import LABELS, extract_words
from esep.sinks.clickhouse.lines import almaty
from esep.sinks.clickhouse.reports.sheet import Section, Sheet
from esep.sinks.clickhouse.reports.words import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl

    from esep.sinks.clickhouse.extracts.look import Sums
    from esep.sinks.clickhouse.extracts.requests import Standing, Step
    from esep.sinks.clickhouse.extracts.words import ExtractWords
    from esep.sinks.clickhouse.reports.facts import Lane, Row
    from esep.sinks.clickhouse.reports.words import Language, Words


@dataclass(frozen=True, slots=True)
class Taken:
    """An approved request and what was taken for it. removed: months that retention has removed; at: UTC."""

    standing: Standing
    officer: str
    at: datetime
    version: str
    lanes: tuple[Lane, ...]
    removed: tuple[int, ...]
    sums: Sums
    checksum: str


def sheet_of_extract(taken: Taken, postings: pl.DataFrame, language: Language, *, is_paper: bool = False) -> Sheet:
    """Return an extract in the words of a language. is_paper: with the columns that fit on paper."""
    said, common = extract_words(language), words(language)
    names = ON_PAPER if is_paper else tuple(column.name for column in COLUMNS_OF[POSTINGS])
    sections = (
        _section(SUMS, taken.sums, said, common),
        _section(POSTINGS, postings.select(names).iter_rows(), said, common, names),
        _section(COVERAGE, (lane.row() for lane in taken.lanes), said, common),
    )
    head = _head(taken, said)
    labels = tuple((said.labels[name], head[name]) for name in LABELS)
    return Sheet(said.title, labels, sections, common.model_copy(update={"sheets": said.sheets}))


def _head(taken: Taken, said: ExtractWords) -> dict[str, str]:
    asked, approved = taken.standing.asked, taken.standing.approved
    months = ", ".join(f"{month // 100}-{month % 100:02}" for month in taken.removed)
    return {
        "request_id": taken.standing.request_id,
        "law": said.law,
        "asker": asked.asker,
        "basis": asked.basis,
        "case_number": asked.case_number,
        "iin": asked.iin or said.nobody,
        "organizer_bin": asked.organizer_bin or said.everybody,
        "period": f"{asked.first_day:%d.%m.%Y} – {asked.last_day:%d.%m.%Y}",
        "known_at": said.everything if asked.known_at is None else almaty(asked.known_at),
        "entered": _by(taken.standing.entered),
        "approved": "" if approved is None else _by(approved),
        "extracted": f"{taken.officer}, {almaty(taken.at)}",
        "version": taken.version,
        "removed": said.removed.format(months=months) if months else said.complete,
        "checksum": taken.checksum,
    }


def _by(step: Step) -> str:
    return f"{step.officer}, {almaty(step.noted_at)}"


def _section(
    name: str, rows: Iterable[Sequence[Any]], said: ExtractWords, common: Words, names: tuple[str, ...] = ()
) -> Section:
    columns = tuple(column for column in COLUMNS_OF[name] if not names or column.name in names)
    codes = {**common.codes, **said.codes}
    is_code = [column.kind == "code" for column in columns]
    return Section(
        name,
        said.tables[name],
        columns,
        tuple(said.columns.get(column.name) or common.columns[column.name] for column in columns),
        ("",) * len(columns),
        tuple(_in_words(row, is_code, codes) for row in rows),
        None,
        (said.notes[name],),
    )


def _in_words(row: Sequence[Any], is_code: Sequence[bool], codes: dict[str, str]) -> Row:
    """A code that we have no word for stands as it is."""
    return tuple(
        codes.get(str(value), value)
        if coded
        else value.replace(microsecond=0)
        if isinstance(value, datetime)
        else value
        for value, coded in zip(row, is_code, strict=True)
    )
