"""Persons restricted in gambling: lists of self-exclusions, debtors and officials, as sorted arrays.

Reads     a CSV or Parquet file; entries as they were published, load by load
Returns   the entries of a file; `Restrictions`: the flags of many events at once, what of a file is new, counts
Promises  four million entries take less than 200 MB and a look-up less than 1 µs; no IIN in any error text; an entry
          is superseded by a later one of its list, person and first day, never removed (LEGAL, facts around the law;
          DESIGN §4 "Enrich"; decision 0015)

An entry is in force from the beginning of `valid_from` until before the beginning of `valid_to`, days in Almaty; one
that ends where it begins was withdrawn. In arrays a person's number takes 40 bits; with the list it is the key that
everything is sorted by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path

import numpy as np
import polars as pl

from esep.clock import ALMATY
from esep.errors import FileUnusable
from esep.flags import FLAGS
from esep.identifier_columns import valid_iin

LISTS = {"SELF_EXCLUDED": "RESTRICTED", "DEBTOR": "DEBTOR", "OFFICIAL": "OFFICIAL"}  # List → flag.
COLUMNS = ("list", "iin", "valid_from", "valid_to")
YEAR_MIN, YEAR_MAX = 2000, 2100  # Of the days of an entry; seconds of these years fit 32 bits.
_FAULTS_MAX = 10  # Told of a file; the rest is counted.
_LIST_BITS = 8
_NEVER = np.iinfo(np.uint32).max
_MASKS = np.array([FLAGS[flag] for flag in LISTS.values()], np.int64)
_ENTRY = {"key": pl.UInt64, "since_s": pl.UInt32, "until_s": pl.UInt32}


@dataclass(slots=True)
class _Tier:
    """Entries sorted by key. loads: the place of the load that brought each; superseded: of the one that replaced it.

    keys: number of the person << 8 | number of the list. since_s, until_s: seconds since 1970, UTC.
    """

    keys: np.ndarray
    since_s: np.ndarray
    until_s: np.ndarray
    loads: np.ndarray
    superseded: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)

    def columns(self) -> tuple[np.ndarray, ...]:
        """Return all columns, in the order of the fields."""
        return self.keys, self.since_s, self.until_s, self.loads, self.superseded

    def of_persons(self, numbers: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield pairs of places in `numbers` (ascending) and rows of the same person, until all were paired."""
        rows = np.searchsorted(self.keys, numbers << _LIST_BITS)
        at = np.arange(len(numbers))
        while True:
            at = at[rows[at] < len(self)]
            at = at[self.keys[rows[at]] >> _LIST_BITS == numbers[at]]
            if not len(at):
                return
            yield at, rows[at]
            rows[at] += 1


class Entries:
    """Entries on their way: columns that grow in place, since millions of them come in blocks.

    Over all blocks ascending by key, and distinct in list, person and first day.
    """

    def __init__(self, blocks: Iterable[pl.DataFrame] = ()) -> None:
        self._count = 0
        self._columns = _empty_columns()
        for block in blocks:
            self.add(block)

    def add(self, block: pl.DataFrame) -> None:
        """Add a block of `entries_of` or `entries_in`."""
        end = self._count + block.height
        for column, name in zip(self._columns, _ENTRY, strict=True):
            if end > len(column):
                column.resize(end + end // 4, refcheck=False)
            column[self._count : end] = block[name].to_numpy()
        self._count = end

    def take(self) -> list[np.ndarray]:
        """Return the columns of `entries_of`; none are left."""
        columns, count = self._columns, self._count
        self._columns, self._count = _empty_columns(), 0
        for column in columns:
            column.resize(count, refcheck=False)
        return columns


class Restrictions:
    """All entries that were published. Tiers are merged as they grow, so that there are few however many loads came."""

    def __init__(self) -> None:
        self._tiers: list[_Tier] = []

    def publish(self, load: int, entries: Entries) -> None:
        """Add the entries of a load, which are taken away. load: its place, higher than any before."""
        keys, since_s, until_s = entries.take()
        count = len(keys)
        if not count:
            return
        new = _Tier(keys, since_s, until_s, np.full(count, load, np.uint32), np.full(count, _NEVER, np.uint32))
        for tier in self._tiers:
            _supersede(tier, new, load)
        self._tiers.append(new)
        while len(self._tiers) > 1 and 2 * len(self._tiers[-1]) > len(self._tiers[-2]):
            self._tiers[-2:] = [_merged(*self._tiers[-2:])]

    def flags(self, iins: pl.Series, occurred_ms: np.ndarray, counted: np.ndarray) -> np.ndarray:
        """Return the flags (int64) of each event as of when it occurred. counted: how many loads count for it."""
        flags = np.zeros(len(iins), np.int64)
        if not self._tiers or not len(iins):
            return flags
        numbers = iins.cast(pl.UInt64).to_numpy()
        order = np.argsort(numbers)  # Neighbours are found where the one before was: four times quicker (measured).
        numbers = numbers[order]
        found = np.zeros(len(iins), np.int64)
        for tier in self._tiers:
            for at, rows in tier.of_persons(numbers):
                of, second = order[at], occurred_ms[order[at]] // 1000
                published = (tier.loads[rows] < counted[of]) & (counted[of] <= tier.superseded[rows])
                in_force = published & (tier.since_s[rows] <= second) & (second < tier.until_s[rows])
                found[at] |= np.where(in_force, _MASKS[tier.keys[rows] & (2**_LIST_BITS - 1)], 0)
        flags[order] = found
        return flags

    def new_among(self, entries: pl.DataFrame) -> pl.DataFrame:
        """Return those entries that are not published as they are."""
        return entries.join(self._latest(), on=list(_ENTRY), how="anti", maintain_order="left")

    def new_by_list(self, new: pl.DataFrame) -> dict[str, tuple[int, int]]:
        """Return by list how many of these new entries have no predecessor, and how many supersede one."""
        superseding = new.join(self._latest(), on=["key", "since_s"], how="semi")
        both = [_count_by_list(part["key"].to_numpy()) for part in (new, superseding)]
        return {name: (both[0][name] - both[1][name], both[1][name]) for name in LISTS}

    def counts(self) -> dict[str, int]:
        """Return by list how many entries nothing has superseded."""
        return _count_by_list(self._latest()["key"].to_numpy())

    def _latest(self) -> pl.DataFrame:
        parts = [pl.DataFrame(schema=_ENTRY)]
        for tier in self._tiers:
            columns = dict(zip(_ENTRY, tier.columns(), strict=False))
            parts.append(pl.DataFrame(columns).filter(pl.Series(tier.superseded == _NEVER)))
        return pl.concat(parts)


def entries_of(persons: pl.DataFrame) -> pl.DataFrame:
    """Return persons as entries, ascending: key, since_s, until_s. persons: the columns of `COLUMNS`, right ones."""
    return persons.select(
        key=_key(),
        since_s=_second(pl.col("valid_from")),
        until_s=_second(pl.col("valid_to")).fill_null(_NEVER),
    ).sort("key", "since_s")


def records_of(entries: pl.DataFrame) -> pl.DataFrame:
    """Return entries as they stand in schema `reference_fact`: list, iin, begins_at, ends_at."""
    key, until_s = pl.col("key"), pl.col("until_s")
    return entries.select(
        list=(key % 2**_LIST_BITS).replace_strict(list(range(len(LISTS))), list(LISTS), return_dtype=pl.String),
        iin=(key // 2**_LIST_BITS).cast(pl.String).str.zfill(12),
        begins_at=_instant(pl.col("since_s")),
        ends_at=pl.when(until_s != _NEVER).then(_instant(until_s)),
    )


def entries_in(records: pl.DataFrame) -> pl.DataFrame:
    """Return the entries of which `records_of` made these records."""
    return records.select(
        key=_key(),
        since_s=pl.col("begins_at").dt.epoch("s").cast(pl.UInt32),
        until_s=pl.col("ends_at").dt.epoch("s").cast(pl.UInt32).fill_null(_NEVER),
    )


def read_persons(path: Path) -> pl.DataFrame:
    """Return the persons in a CSV or Parquet file, with the columns of `COLUMNS`; FileUnusable says what is wrong.

    iin: text, 12 digits. list: one of `LISTS`. valid_from, valid_to: days as YYYY-MM-DD; without a valid_to it is open.
    """
    try:
        read = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
    except OSError as error:
        raise FileUnusable(f"the list {path} cannot be read", detail=error.strerror or "") from error
    except pl.exceptions.PolarsError as error:  # Its text may quote a line of the file.
        raise FileUnusable(f"the list {path} is no table", detail=type(error).__name__) from error
    if set(read.columns) != set(COLUMNS):
        wanted = ", ".join(COLUMNS)
        raise FileUnusable(f"the list {path} has other columns", hint=f"give it these, by name: {wanted}")
    texts = read.select(pl.col(COLUMNS).cast(pl.String))
    days = {name: pl.col(name).str.to_date("%Y-%m-%d", strict=False) for name in COLUMNS[2:]}
    persons = texts.with_columns(**days)
    faults = _faults(texts, persons)
    if faults:
        detail = "; ".join(starmap("line {}: {}".format, faults[:_FAULTS_MAX]))
        raise FileUnusable(f"the list {path} is wrong in {len(faults)} places", detail=detail)
    return persons


def _faults(texts: pl.DataFrame, persons: pl.DataFrame) -> list[tuple[int, str]]:
    """Return the lines that are wrong, the header being line 1, and why."""
    since, until = pl.col("valid_from"), pl.col("valid_to")
    in_years = pl.all_horizontal(
        day.dt.year().is_between(YEAR_MIN, YEAR_MAX).fill_null(value=True) for day in (since, until)
    )
    unread = texts["valid_to"].is_not_null() & (texts["valid_to"] != "") & persons["valid_to"].is_null()
    checked = persons.select(
        pl.when(~valid_iin(persons["iin"]))
        .then(pl.lit("iin is no IIN"))
        .when(~pl.col("list").is_in(list(LISTS)).fill_null(value=False))
        .then(pl.lit(f"list is none of {', '.join(LISTS)}"))
        .when(since.is_null() | unread)
        .then(pl.lit("a day is not written YYYY-MM-DD"))
        .when(~in_years)
        .then(pl.lit(f"a day is not in the years {YEAR_MIN} to {YEAR_MAX}"))
        .when(until < since)
        .then(pl.lit("ends before it begins"))
        .when(~pl.struct(COLUMNS[:3]).is_first_distinct())
        .then(pl.lit("the same list, person and first day stand here before"))
        .alias("fault")
    )
    found = checked.with_row_index("line", offset=2).drop_nulls()
    return [(line, fault) for line, fault in found.iter_rows()]


def _empty_columns() -> list[np.ndarray]:
    return [np.empty(0, np.uint64), np.empty(0, np.uint32), np.empty(0, np.uint32)]


def _count_by_list(keys: np.ndarray) -> dict[str, int]:
    lists = keys & np.uint64(2**_LIST_BITS - 1)
    return {name: int((lists == place).sum()) for place, name in enumerate(LISTS)}


def _key() -> pl.Expr:
    numbers = pl.col("list").replace_strict(list(LISTS), list(range(len(LISTS))), return_dtype=pl.UInt64)
    key: pl.Expr = pl.col("iin").cast(pl.UInt64) * 2**_LIST_BITS + numbers
    return key


def _instant(second: pl.Expr) -> pl.Expr:
    return (second.cast(pl.Int64) * 1000).cast(pl.Datetime("ms", "UTC"))


def _second(day: pl.Expr) -> pl.Expr:
    """Return the second, since 1970 UTC, at which a day begins in Almaty; the country has no midnight that is not."""
    midnight = day.cast(pl.Datetime("ms")).dt.replace_time_zone(ALMATY)
    second: pl.Expr = midnight.dt.epoch("s").cast(pl.UInt32)
    return second


def _supersede(tier: _Tier, new: _Tier, load: int) -> None:
    """Note in a tier which of its entries a load replaces."""
    for at, rows in tier.of_persons(new.keys >> _LIST_BITS):
        same = (tier.keys[rows] == new.keys[at]) & (tier.since_s[rows] == new.since_s[at])
        replaced = rows[same & (tier.superseded[rows] == _NEVER)]
        tier.superseded[replaced] = load


def _merged(one: _Tier, other: _Tier) -> _Tier:
    order = np.argsort(np.concatenate([one.keys, other.keys]), kind="stable")
    columns = zip(one.columns(), other.columns(), strict=True)
    return _Tier(*(np.concatenate(pair)[order] for pair in columns))
