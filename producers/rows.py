"""Rows of text to events: a mapping applied, a column at a time.

Reads     `FileRows`, a `Mapping`, the organizer, the day
Returns   `Mapped`: the events of that organizer's rows in the order of the file, and the rows that give none
Promises  no I/O and no clock; a row is rejected as a whole, with one code; the same rows, mapping, organizer and number
          of days give the same events, whatever the day (box: producers)

A row of which one event is at fault is held back with all of them: what is mended is the row, and a payout sent later
in another file would find its wager counted twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from esep.checks import check_form
from esep.clock import almaty_day
from esep.errors import MappingInvalid, UsageError
from esep.events import empty_events
from esep.producers.converters import CONVERTERS
from esep.producers.files import LINE, REJECTS, FileRows
from esep.producers.mapping import (
    EVENT_NAMES,
    LAST_BET_YESTERDAY,
    SHIFT_DAYS_MAX,
    EventName,
    Mapping,
    Source,
    optional_fields,
)
from esep.producers.row_codes import field_of
from esep.producers.synthetic import split_places, synthetic_iins

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT_SCHEMA = empty_events().schema
_NUMBERED = ("organizer_bin", "stream_id", "sequence")  # Given by `esep.producers.numbering`.
_YEAR_END = 2200  # No check lets an instant from here on pass (INSTANT_INVALID); it must not move all the others.


@dataclass(frozen=True, slots=True)
class Mapped:
    """`events`: columns of `esep.events.unified` but for the numbering, and LINE. `rejects`: columns of REJECTS.

    rows: of this organizer, rejected ones included; a row that does not say whose it is counts for each organizer.
    """

    events: pl.DataFrame
    rejects: pl.DataFrame
    rows: int
    shift_days: int


def map_rows(
    rows: FileRows, mapping: Mapping, organizer_bin: str, today: date, shift_days: int | str | None = None
) -> Mapped:
    """Return the events that the rows of one organizer become.

    today: the Almaty day, asked for by last-bet-yesterday only. shift_days: instead of the mapping's. Raises UsageError
    if the mapping does not know the organizer, or the shift is none.
    """
    table = rows.table.with_columns(_value_or_null(name, mapping.no_value) for name in mapping.columns)
    days = _days(table, mapping, mapping.shift_days if shift_days is None else shift_days, today)
    table = _of_organizer(table, mapping, organizer_bin)
    pieces = _pieces(table, mapping)
    faults = [rows.rejects, *_value_faults(table, mapping, pieces), _without_event(table, mapping)]
    readable = _first_per_line(faults)
    whole = ~table[LINE].is_in(readable[LINE].implode())
    events = pl.concat(
        _event_frame(event, table, mapping, pieces, organizer_bin, days).filter(whole & _yields(table, mapping, event))
        for event in EVENT_NAMES
        if mapping.section(event)
    )
    rejects = _first_per_line([readable, _form_faults(events)])
    passing = events.filter(~pl.col(LINE).is_in(rejects[LINE].implode())).sort(LINE, maintain_order=True)
    return Mapped(passing, rejects, table.height + rows.rejects.height, days)


def shift_to_yesterday(last: pl.Series, today: date) -> int:
    """Return the days by which an instant (a column of one) must move to fall on the day before `today` in Almaty.

    Whole days of 24 hours; where the country's clock has moved meanwhile (1 March 2024), the day is looked at again.
    """
    yesterday = today - timedelta(days=1)
    days: int = (yesterday - almaty_day(last)[0]).days
    left: int = (yesterday - almaty_day(last + timedelta(days=days))[0]).days
    return days + left


def _value_or_null(column: str, no_value: tuple[str, ...]) -> pl.Expr:
    texts = pl.col(column)
    return pl.when(~texts.is_in(["", *no_value])).then(texts)


def _days(table: pl.DataFrame, mapping: Mapping, shift_days: int | str, today: date) -> int:
    if shift_days != LAST_BET_YESTERDAY:
        return _whole_days(shift_days)
    source = next(mapping.sources(event)["occurred_at"] for event in EVENT_NAMES if mapping.section(event))
    instants = CONVERTERS["instant"](table[source.columns[0]]).drop_nulls()
    last = instants.filter(instants.dt.year() < _YEAR_END).sort().tail(1)
    return shift_to_yesterday(last, today) if len(last) else 0


def _whole_days(shift_days: int | str) -> int:
    try:
        days = int(shift_days)
    except ValueError:
        days = SHIFT_DAYS_MAX + 1
    if abs(days) > SHIFT_DAYS_MAX:
        raise UsageError(
            f"{shift_days!r} is no shift of days",
            hint=f"give a whole number of up to {SHIFT_DAYS_MAX:,}, or {LAST_BET_YESTERDAY}",
        )
    return days


def _of_organizer(table: pl.DataFrame, mapping: Mapping, organizer_bin: str) -> pl.DataFrame:
    """Return the rows of one organizer, and those that do not say whose they are."""
    if mapping.split is None:
        return table
    organizers = mapping.split.organizers
    if organizer_bin not in organizers:
        raise UsageError(
            f"the mapping knows no organizer {organizer_bin}",
            detail=f"its rows are split over {', '.join(organizers)}",
            hint="give --organizer one of these, or use a mapping without split",
        )
    place = split_places(table[mapping.split.column], len(organizers))
    return table.filter(place.is_null() | (place == organizers.index(organizer_bin)))


def _pieces(table: pl.DataFrame, mapping: Mapping) -> dict[tuple[str, str], pl.Series]:
    """Return each column that is asked for, converted once in each way in which it is."""
    asked = {
        (source.how, column)
        for event in EVENT_NAMES
        for source in mapping.sources(event).values()
        for column in source.columns
    }
    return {(how, column): _convert(how, table[column]) for how, column in asked}


def _convert(how: str, column: pl.Series) -> pl.Series:
    return synthetic_iins(column) if how == "synthetic" else CONVERTERS[how](column)


def _yields(table: pl.DataFrame, mapping: Mapping, event: EventName) -> pl.Series:
    """Return, per row, whether it yields the event."""
    section = mapping.section(event)
    if section is None:
        return pl.repeat(value=False, n=table.height, dtype=pl.Boolean, eager=True)
    if section.when is None:
        return pl.repeat(value=True, n=table.height, dtype=pl.Boolean, eager=True)
    texts = table[section.when.column]
    if section.when.one_of is None:
        return texts.is_not_null()
    return texts.is_in(section.when.one_of).fill_null(value=False)


def _value_faults(
    table: pl.DataFrame, mapping: Mapping, pieces: dict[tuple[str, str], pl.Series]
) -> Iterator[pl.DataFrame]:
    """Yield the rows with a value that is missing or unreadable, field by field of each event in its turn."""
    if mapping.split:
        yield _faults(table, table[mapping.split.column].is_null(), "VALUE_MISSING", mapping.split.column)
    for event in EVENT_NAMES:
        yields = _yields(table, mapping, event)
        for name, source in mapping.sources(event).items():
            for column in source.columns:
                absent = table[column].is_null()
                if name not in optional_fields(event):
                    yield _faults(table, yields & absent, "VALUE_MISSING", column)
                unreadable = ~absent & pieces[source.how, column].is_null()
                yield _faults(table, yields & unreadable, "VALUE_UNREADABLE", column)


def _without_event(table: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    yields = pl.DataFrame([_yields(table, mapping, event).alias(event) for event in EVENT_NAMES])
    return _faults(table, ~yields.select(pl.any_horizontal(pl.all())).to_series(), "ROW_WITHOUT_EVENT", None)


def _faults(table: pl.DataFrame, at_fault: pl.Series, code: str, field: str | None) -> pl.DataFrame:
    lines = table[LINE].filter(at_fault)
    return pl.select(lines, code=pl.lit(code, dtype=pl.String), field=pl.lit(field, dtype=pl.String)).cast(REJECTS)


def _first_per_line(faults: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the first fault of each line, by line."""
    return pl.concat(faults).unique(LINE, keep="first", maintain_order=True).sort(LINE)


def _event_frame(
    event: EventName,
    table: pl.DataFrame,
    mapping: Mapping,
    pieces: dict[tuple[str, str], pl.Series],
    organizer_bin: str,
    days: int,
) -> pl.DataFrame:
    """Return what every row would be as this event; columns and types of the unified frame."""
    sources = mapping.sources(event)
    values = {name: _values(source, pieces, organizer_bin) for name, source in sources.items()}
    values["event_type"] = pl.lit(event.upper())
    if event in {"deposit", "withdrawal"}:
        values["wager_id"] = pl.lit("")
    for name, dtype in EVENT_SCHEMA.items():
        if isinstance(dtype, pl.List):  # No cell of a table holds one.
            values[name] = pl.lit([], dtype=dtype)
    columns = [
        _as_expr(values.get(name), name, dtype, days) for name, dtype in EVENT_SCHEMA.items() if name not in _NUMBERED
    ]
    return table.select(*columns, LINE)


def _values(source: Source, pieces: dict[tuple[str, str], pl.Series], organizer_bin: str) -> pl.Expr | pl.Series:
    if source.how == "constant":
        return pl.lit(source.constant)
    if source.by_organizer is not None:
        if organizer_bin not in source.by_organizer:
            raise MappingInvalid(
                f"the mapping has no text for organizer {organizer_bin}", hint="add it to each by_organizer"
            )
        return pl.lit(source.by_organizer[organizer_bin])
    first, *others = (pieces[source.how, column] for column in source.columns)
    return sum(others, start=first)


def _as_expr(values: pl.Expr | pl.Series | None, name: str, dtype: pl.DataType, days: int) -> pl.Expr:
    expr = pl.lit(values) if values is None or isinstance(values, pl.Series) else values
    shifted = expr + pl.duration(days=days) if isinstance(dtype, pl.Datetime) and values is not None else expr
    return shifted.cast(dtype).alias(name)


def _form_faults(events: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with an event at fault in itself, type by type: the same checks as intake's."""
    faulty = events.select(LINE).with_columns(code=check_form(events)).filter(pl.col("code").is_not_null())
    fields = pl.Series("field", [field_of(code) for code in faulty["code"]], dtype=pl.String)
    return faulty.with_columns(fields).cast(REJECTS)
