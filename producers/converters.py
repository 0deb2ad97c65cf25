"""Texts of a file to values of an event, a column at a time, exactly.

Reads     a column of texts (String), null where there is no value
Returns   a column of values, null where there is no value or the text is not of the kind
Promises  exact or null: an amount is never rounded, an instant without a zone is never guessed (box: producers)
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

from esep.money import tiyn_from_text

if TYPE_CHECKING:
    from collections.abc import Callable

# At most 26 digits, so that decimal arithmetic (28 digits) is exact; ASCII only; exponents as in 1.15e+06.
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,14}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(?:[eE][+-]?[0-9]{1,2})?")
_TIYN_MAX = 10**17  # Ten thousand times more than any amount: what is larger is no amount; sums of a few stay < 2**63.
_ODDS_MILLI_MAX = 2**31 - 1
_INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$"


def texts(column: pl.Series) -> pl.Series:
    """Return the texts as they are."""
    return column


def tiyn(column: pl.Series) -> pl.Series:
    """Return amounts in tenge as tiyn (Int64); null for a fraction of a tiyn.

    >>> tiyn(pl.Series(["1.15e+06", "0.53", "-3", "0.005", "1 000", None])).to_list()
    [115000000, 53, -300, None, None, None]
    """
    return _per_distinct(column, _tiyn, pl.Int64())


def odds_milli(column: pl.Series) -> pl.Series:
    """Return decimal odds in thousandths (Int32); null for a finer fraction.

    >>> odds_milli(pl.Series(["1.85", "2", "1.8505", "NA"])).to_list()
    [1850, 2000, None, None]
    """
    return _per_distinct(column, _odds_milli, pl.Int32())


def instants(column: pl.Series) -> pl.Series:
    """Return ISO-8601 instants as UTC (Datetime, ms; a finer fraction is cut); null without Z or an offset.

    >>> instants(pl.Series(["2021-10-31T15:38:55Z", "2021-10-31T20:38:55.250+05:00", "2021-10-31"])).to_list()[1:]
    [datetime.datetime(2021, 10, 31, 15, 38, 55, 250000, tzinfo=zoneinfo.ZoneInfo(key='UTC')), None]
    """
    whole = pl.when(column.str.contains(_INSTANT)).then(column)
    offset = whole.str.replace("Z$", "+00:00").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="ms", strict=False)
    return pl.select(offset.alias(column.name)).to_series()


CONVERTERS: dict[str, Callable[[pl.Series], pl.Series]] = {
    "text": texts,
    "tenge": tiyn,
    "odds": odds_milli,
    "instant": instants,
}


def _tiyn(text: str) -> int | None:
    value = tiyn_from_text(text) if _DECIMAL.fullmatch(text) else None
    return value if value is not None and abs(value) <= _TIYN_MAX else None


def _odds_milli(text: str) -> int | None:
    if not _DECIMAL.fullmatch(text):
        return None
    thousandths = Decimal(text).scaleb(3)
    whole = thousandths == thousandths.to_integral_value() and abs(thousandths) <= _ODDS_MILLI_MAX
    return int(thousandths) if whole else None


def _per_distinct(column: pl.Series, of_one: Callable[[str], int | None], dtype: pl.DataType) -> pl.Series:
    known = {text: of_one(text) for text in column.unique() if text is not None}
    return pl.Series(column.name, [known.get(text) for text in column], dtype=dtype)
