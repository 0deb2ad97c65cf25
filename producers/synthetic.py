"""Synthetic IINs for data whose players are known by a name only: well-formed, adult, the same for ever.

Reads     a column of names
Returns   per name an IIN; per name a place in a list (for splitting players over organizers)
Promises  deterministic, on any machine; nobody is meant: a number may by chance be somebody's, so data made with these
          never go to a real authority (box: producers)

The number is cut from SHA-256 of the name: a birth date from 1950 to 1999, so that all are 21 or older at any bet from
2021 on (LEGAL, betting age), sex, four digits of serial, then the control digit; a serial whose control digit does not
exist is passed over. Layout and control digit: LEGAL, "IIN and BIN".
"""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import sha256

import polars as pl

from esep.identifiers import control_digit

BORN_FIRST, BORN_LAST = date(1950, 1, 1), date(1999, 12, 31)  # All of the 1900s: the seventh digit is 3 or 4.
_BIRTH_DAYS = (BORN_LAST - BORN_FIRST).days + 1
_SERIALS = 10_000
_IIN_PURPOSE, _SPLIT_PURPOSE = b"esep/synthetic-iin/1\x00", b"esep/split/1\x00"  # Independent hashes of one name.


def synthetic_iins(names: pl.Series) -> pl.Series:
    """Return an IIN per name, null for null; equal names have equal IINs.

    >>> synthetic_iins(pl.Series(["rsf", "rsf", None])).to_list()
    ['510705362762', '510705362762', None]
    """
    return _per_distinct(names, synthetic_iin, pl.String)


def split_places(names: pl.Series, count: int) -> pl.Series:
    """Return per name a place from 0 to count - 1 (UInt32), null for null; equal names have equal places."""
    return _per_distinct(names, lambda name: _number(_SPLIT_PURPOSE, name) % count, pl.UInt32)


def synthetic_iin(name: str) -> str:
    """Return the IIN that stands for a name."""
    number = _number(_IIN_PURPOSE, name)
    number, birth = divmod(number, _BIRTH_DAYS)
    number, woman = divmod(number, 2)
    head = f"{BORN_FIRST + timedelta(days=birth):%y%m%d}{3 + woman}"
    for step in range(_SERIALS):
        digits = f"{head}{(number + step) % _SERIALS:04d}"
        control = control_digit(digits)
        if control is not None:
            return f"{digits}{control}"
    raise AssertionError("every serial of a day lacks a control digit, which cannot be")


def _number(purpose: bytes, name: str) -> int:
    return int.from_bytes(sha256(purpose + name.encode("utf-8")).digest(), "big")


def _per_distinct(names: pl.Series, of_one: object, dtype: type[pl.DataType]) -> pl.Series:
    known = {name: of_one(name) for name in names.unique() if name is not None}  # type: ignore[operator]
    return pl.Series(names.name, [known.get(name) for name in names], dtype=dtype)
