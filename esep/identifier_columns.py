"""IIN and BIN in columns: form, control digit, and what an IIN hints at.

Reads     columns of text
Returns   per row whether the number is well-formed; hints
Promises  what `esep.identifiers` promises, of which this is the fast way for many; hints never decide anything (LEGAL,
          "IIN and BIN")
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

_WEIGHTS = np.array(  # First and second pass; floats, which numpy multiplies ten times faster, and exact below 2**24.
    [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]], dtype=np.float32
).T
_TWELVE_DIGITS = r"^[0-9]{12}$"
_SEX = {"1": "M", "3": "M", "5": "M", "2": "F", "4": "F", "6": "F"}
_CENTURY_START = np.array([0, 1800, 1800, 1900, 1900, 2000, 2000, 0, 0, 0], dtype=np.int32)


def valid_iin(numbers: pl.Series) -> pl.Series:
    """Return, per row, whether the text is a well-formed IIN; null counts as not.

    >>> valid_iin(pl.Series(["900101300007", "000813159890", "9001013", None])).to_list()
    [True, False, False, False]
    """
    return _valid(numbers, _iin_form)


def valid_bin(numbers: pl.Series) -> pl.Series:
    """Return, per row, whether the text is a well-formed BIN; null counts as not.

    >>> valid_bin(pl.Series(["940140000385", "900101300007"])).to_list()
    [True, False]
    """
    return _valid(numbers, _bin_form)


def birth_year_hints(iins: pl.Series) -> pl.Series:
    """Return, per valid IIN, the year of birth that its digits name (Int32); null without a century, month or day.

    A hint: the birth date inside an IIN is not authoritative (LEGAL, facts around the law).

    >>> birth_year_hints(pl.Series(["900101300007", "061211600012"])).to_list()
    [1990, 2006]
    """
    if iins.is_empty():
        return pl.Series([], dtype=pl.Int32)
    digits = _digits(iins)
    century = _CENTURY_START[digits[:, 6]]
    month, day = digits[:, 2] * 10 + digits[:, 3], digits[:, 4] * 10 + digits[:, 5]
    year = century + digits[:, 0] * 10 + digits[:, 1]
    named = (century > 0) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return pl.Series(year.astype(np.int32)).set(pl.Series(~named), None)


def sex_hints(iins: pl.Series) -> pl.Series:
    """Return, per valid IIN, M or F as its seventh digit says, or null for digit 0.

    >>> sex_hints(pl.Series(["900101300007", "061211600012"])).to_list()
    ['M', 'F']
    """
    return pl.Series([_SEX.get(seventh) for seventh in "".join(iins.to_list())[6::12]], dtype=pl.String)


def _valid(numbers: pl.Series, form: Callable[[np.ndarray], np.ndarray]) -> pl.Series:
    texts = numbers.cast(pl.String)
    ok = _twelve_digits(texts)
    if ok.any():
        digits = _digits(texts if ok.all() else texts.filter(pl.Series(ok)))
        ok[ok] = (_control(digits[:, :11]) == digits[:, 11]) & form(digits)
    return pl.Series(numbers.name, ok, dtype=pl.Boolean)


def _twelve_digits(texts: pl.Series) -> np.ndarray:
    """Return which texts are twelve digits; nearly always all are, which is seen of them joined."""
    if not texts.null_count() and set(map(len, listed := texts.to_list())) == {12}:
        joined = "".join(listed)
        if joined.isascii() and joined.isdigit():
            return np.ones(len(texts), np.bool_)
    return texts.str.contains(_TWELVE_DIGITS).fill_null(value=False).to_numpy().copy()


def _iin_form(digits: np.ndarray) -> np.ndarray:
    return (digits[:, 4] <= 3) & (digits[:, 6] <= 6)


def _bin_form(digits: np.ndarray) -> np.ndarray:
    return (digits[:, 4] >= 4) & (digits[:, 4] <= 6)


def _control(eleven: np.ndarray) -> np.ndarray:
    passes: np.ndarray = (eleven.astype(np.float32) @ _WEIGHTS).astype(np.uint16) % 11
    return np.where(passes[:, 0] == 10, passes[:, 1], passes[:, 0])


def _digits(texts: pl.Series) -> np.ndarray:
    """Return the digits (uint8) of texts of twelve digits, one row each."""
    joined = "".join(texts.to_list()).encode("ascii")
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, 12) - ord("0")
