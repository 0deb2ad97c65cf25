"""Lists of restricted persons: the arrays against a naive list, files as a whole, and never an IIN in a text."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.clock import to_ms
from esep.errors import FileUnusable
from esep.flags import FLAGS
from esep.restrictions import COLUMNS, LISTS, Entries, Restrictions, entries_in, entries_of, read_persons, records_of

IINS = ("900101300007", "900101300811", "061211600012", "830717350867")
FIRST = date(2026, 1, 1)
DAY = timedelta(days=1)


class Person(NamedTuple):
    """One line of a file."""

    list: str
    iin: str
    valid_from: date
    valid_to: date | None


def days() -> st.SearchStrategy[date]:
    return st.integers(0, 4).map(lambda number: FIRST + number * DAY)


def lists_of_persons() -> st.SearchStrategy[list[Person]]:
    """A load: distinct in list, person and first day."""
    person = st.builds(
        lambda name, iin, since, length: Person(name, iin, since, None if length is None else since + length * DAY),
        st.sampled_from(sorted(LISTS)),
        st.sampled_from(IINS),
        days(),
        st.none() | st.integers(0, 3),
    )
    return st.lists(person, max_size=8, unique_by=lambda one: one[:3])


def frame(persons: list[Person]) -> pl.DataFrame:
    return pl.DataFrame(
        persons, schema={"list": pl.String, "iin": pl.String, "valid_from": pl.Date, "valid_to": pl.Date}, orient="row"
    )


def published(loads: list[list[Person]], block: int = 3) -> Restrictions:
    restrictions = Restrictions()
    for place, load in enumerate(loads):
        restrictions.publish(place, Entries(entries_of(frame(load)).iter_slices(block)))
    return restrictions


def naive_flags(loads: list[list[Person]], iin: str, occurred_at: datetime, counted: int) -> int:
    """The flags by reading line after line; Almaty is five hours ahead."""
    latest = {one[:3]: one for load in loads[:counted] for one in load}
    day = (occurred_at + timedelta(hours=5)).date()
    flags = 0
    for one in latest.values():
        if one.iin == iin and one.valid_from <= day and (one.valid_to is None or day < one.valid_to):
            flags |= FLAGS[LISTS[one.list]]
    return flags


QUESTION = st.tuples(
    st.sampled_from([*IINS, "070101500008"]),
    st.datetimes(datetime(2025, 12, 30), datetime(2026, 1, 9)).map(lambda at: at.replace(tzinfo=UTC)),  # noqa: DTZ001 - hypothesis wants them so
    st.integers(0, 6),
)


@given(st.lists(lists_of_persons(), max_size=6), st.lists(QUESTION, max_size=12))
def test_flags_are_those_that_reading_line_after_line_gives(
    loads: list[list[Person]], questions: list[tuple[str, datetime, int]]
) -> None:
    """As of when it occurred, by what was published, whatever superseded what since."""
    flags = published(loads).flags(
        pl.Series([iin for iin, _, _ in questions], dtype=pl.String),
        np.array([to_ms(at) for _, at, _ in questions], np.int64),
        np.array([counted for _, _, counted in questions], np.int64),
    )
    assert flags.tolist() == [naive_flags(loads, *question) for question in questions]


@given(st.lists(lists_of_persons(), max_size=5), lists_of_persons())
def test_new_is_what_is_not_published_as_it_is(loads: list[list[Person]], load: list[Person]) -> None:
    restrictions = published(loads)
    latest = {one[:3]: one for earlier in loads for one in earlier}
    wanted = [one for one in load if latest.get(one[:3]) != one]
    new = restrictions.new_among(entries_of(frame(load)))
    assert new.equals(entries_of(frame(wanted)))
    superseding = {name: sum(one[:3] in latest for one in wanted if one.list == name) for name in LISTS}
    assert restrictions.new_by_list(new) == {
        name: (sum(one.list == name for one in wanted) - count, count) for name, count in superseding.items()
    }
    restrictions.publish(len(loads), Entries([new]))
    assert restrictions.new_among(entries_of(frame(load))).is_empty(), "loading again changes nothing"
    latest |= {one[:3]: one for one in load}
    assert restrictions.counts() == {name: sum(one.list == name for one in latest.values()) for name in LISTS}


@given(lists_of_persons())
def test_records_of_entries_give_the_same_entries(load: list[Person]) -> None:
    entries = entries_of(frame(load))
    records = records_of(entries)
    assert entries_in(records).equals(entries)
    assert sorted(records["iin"]) == sorted(one.iin for one in load)


def test_many_small_loads_leave_few_arrays_to_search() -> None:
    loads = [[Person("DEBTOR", IINS[n % 4], FIRST + n * DAY, None)] for n in range(200)]
    assert len(published(loads)._tiers) <= 9


def test_day_begins_and_ends_at_midnight_in_almaty() -> None:
    entries = entries_of(frame([Person("OFFICIAL", IINS[0], date(2026, 1, 1), date(2026, 1, 2))]))
    begins = int(datetime(2025, 12, 31, 19, tzinfo=UTC).timestamp())
    assert entries.rows() == [(int(IINS[0]) * 256 + list(LISTS).index("OFFICIAL"), begins, begins + 24 * 3600)]


GOOD = (
    "list,iin,valid_from,valid_to\nSELF_EXCLUDED,900101300007,2026-01-01,2027-01-01\nDEBTOR,061211600012,2025-06-01,\n"
)


def test_same_list_is_read_from_either_kind_of_file_whatever_the_order_of_columns(tmp_path: Path) -> None:
    csv, parquet = tmp_path / "list.csv", tmp_path / "list.parquet"
    csv.write_text(GOOD)
    persons = read_persons(csv)
    persons.select(reversed(COLUMNS)).write_parquet(parquet)
    assert read_persons(parquet).equals(persons)
    assert persons["valid_to"].to_list() == [date(2027, 1, 1), None]
    assert persons["iin"].to_list() == ["900101300007", "061211600012"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("DEBTOR,900101300008,2025-06-01,", "no IIN"),
        ("DEBTOR,,2025-06-01,", "no IIN"),
        ("GAMBLER,900101300811,2025-06-01,", "list is none of"),
        (",900101300811,2025-06-01,", "list is none of"),
        ("DEBTOR,900101300811,01.06.2025,", "YYYY-MM-DD"),
        ("DEBTOR,900101300811,,", "YYYY-MM-DD"),
        ("DEBTOR,900101300811,2025-06-01,2025-02-30", "YYYY-MM-DD"),
        ("DEBTOR,900101300811,1999-12-31,", "years 2000 to 2100"),
        ("DEBTOR,900101300811,2025-06-01,2101-01-01", "years 2000 to 2100"),
        ("DEBTOR,900101300811,2025-06-01,2025-05-31", "ends before it begins"),
        ("SELF_EXCLUDED,900101300007,2026-01-01,", "stand here before"),
    ],
)
def test_one_wrong_line_refuses_the_whole_file_and_names_no_person(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(GOOD + line + "\n")
    with pytest.raises(FileUnusable) as caught:
        read_persons(path)
    assert "1 places" in str(caught.value)
    assert "line 4: " in caught.value.detail
    assert why in caught.value.detail
    assert not [iin for iin in (*IINS, "900101300008") if iin in str(caught.value)]


@pytest.mark.parametrize(
    "content", ["iin\n900101300007\n", "list,iin,valid_from,valid_to\nDEBTOR,900101300007,1,2,3\n", ""]
)
def test_file_of_another_shape_is_refused_without_quoting_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(content)
    with pytest.raises(FileUnusable) as caught:
        read_persons(path)
    assert "900101300007" not in str(caught.value)


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match=r"nosuch\.csv"):
        read_persons(tmp_path / "nosuch.csv")
