"""IIN and BIN: form, control digit, what an IIN hints at, and the key that stands for a person.

Reads     columns of text, or one text
Returns   per row whether the number is well-formed; hints; `PersonKeys`
Promises  no number ever enters an error text; digits are ASCII only; hints never decide anything (LEGAL, "IIN and BIN")

The rule of the control digit: k = Σ a[i]·w[i] mod 11 with w = 1..11; if k = 10, again with w = 3..11, 1, 2; if 10
again, the number is not in use.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from hashlib import sha256

import numpy as np
import polars as pl

_WEIGHTS = np.array(  # First and second pass; floats, which numpy multiplies ten times faster, and exact below 2**24.
    [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]], dtype=np.float32
).T
_TWELVE_DIGITS = r"^[0-9]{12}$"
_CENTURY_START = np.array([0, 1800, 1800, 1900, 1900, 2000, 2000, 0, 0, 0], dtype=np.int32)
_PERSON_KEY_BYTES = 16  # 128 bits: no two of 20 million people collide in practice (about 6e-25).
_PERSON_KEYS_MAX = 4_000_000  # Entries kept in the cache, about 700 MB at the very worst; then it starts anew.


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


def is_iin(number: str) -> bool:
    """Return whether one text is a well-formed IIN."""
    return bool(valid_iin(pl.Series([number], dtype=pl.String))[0])


def is_bin(number: str) -> bool:
    """Return whether one text is a well-formed BIN."""
    return bool(valid_bin(pl.Series([number], dtype=pl.String))[0])


def masked(stream_id: str) -> str:
    """Return a stream id with stars for whatever twelve digits in it are an IIN: its name is the organizer's choice.

    >>> masked("desk-900101300007.1"), masked("940140000385-desk")
    ('desk-************.1', '940140000385-desk')
    """
    letters = list(stream_id)
    for found in re.finditer(r"(?=([0-9]{12}))", stream_id):
        if is_iin(found.group(1)):
            letters[found.start() : found.start() + 12] = "*" * 12
    return "".join(letters)


def control_digit(eleven_digits: str) -> int | None:
    """Return the twelfth digit for the first eleven, or None where the number is not in use.

    >>> control_digit("90010130000")
    7
    """
    digits = np.frombuffer(eleven_digits.encode("ascii"), dtype=np.uint8).reshape(1, 11) - ord("0")
    control = int(_control(digits)[0])
    return None if control == 10 else control


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
    seventh = iins.str.slice(6, 1)
    return seventh.replace_strict(
        {"1": "M", "3": "M", "5": "M", "2": "F", "4": "F", "6": "F"}, default=None, return_dtype=pl.String
    )


class PersonKeys:
    """IIN → person_key, the only name of a person outside a body (DESIGN §3), with a bounded cache.

    person_key = the first 16 bytes of HMAC-SHA256(routing key, IIN). The routing key never changes: partitions
    hang on it.
    """

    def __init__(self, routing_key: bytes) -> None:
        self._routing_key = routing_key
        self._known: dict[str, bytes] = {}

    def __call__(self, iins: list[str]) -> list[bytes]:
        """Return the 16-byte key of each IIN, in order."""
        known = self._known
        try:
            return [known[iin] for iin in iins]
        except KeyError:
            if len(known) + len(iins) > _PERSON_KEYS_MAX:
                known.clear()
            for iin in set(iins).difference(known):
                known[iin] = hmac.digest(self._routing_key, iin.encode(), sha256)[:_PERSON_KEY_BYTES]
            return [known[iin] for iin in iins]


def _valid(numbers: pl.Series, form: Callable[[np.ndarray], np.ndarray]) -> pl.Series:
    texts = numbers.cast(pl.String)
    twelve = texts.str.contains(_TWELVE_DIGITS).fill_null(value=False)
    ok = twelve.to_numpy().copy()
    if ok.any():
        digits = _digits(texts.filter(twelve))
        ok[ok] = (_control(digits[:, :11]) == digits[:, 11]) & form(digits)
    return pl.Series(numbers.name, ok, dtype=pl.Boolean)


def _iin_form(digits: np.ndarray) -> np.ndarray:
    return (digits[:, 4] <= 3) & (digits[:, 6] <= 6)


def _bin_form(digits: np.ndarray) -> np.ndarray:
    return (digits[:, 4] >= 4) & (digits[:, 4] <= 6)


def _control(eleven: np.ndarray) -> np.ndarray:
    passes: np.ndarray = (eleven.astype(np.float32) @ _WEIGHTS).astype(np.uint16) % 11
    return np.where(passes[:, 0] == 10, passes[:, 1], passes[:, 0])


def _digits(texts: pl.Series) -> np.ndarray:
    """Return the digits (uint8) of texts of twelve digits, one row each."""
    joined = texts.str.join("").item().encode("ascii")
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, 12) - ord("0")
