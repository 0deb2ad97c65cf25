"""Verdicts on many records at once: the place of a code in the order of precedence, so that the first fault is the min.

Reads     columns of reject codes, or masks
Returns   arrays of places in `esep.codes.REJECT_CODES`; PASSED stands for no fault
Promises  whatever order the checks run in, the least place wins, and that is the code that stands first (DESIGN §4;
          boxes: producers, intake)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from esep.codes import PRECEDENCE, REJECT_CODES

if TYPE_CHECKING:
    import polars as pl

PASSED = len(REJECT_CODES)  # Behind every code.


def all_passed(count: int) -> np.ndarray:
    """Return the verdicts on `count` records without a fault (int16)."""
    return np.full(count, PASSED, np.int16)


def places(codes: pl.Series) -> np.ndarray:
    """Return the place of each code (text, null: none).

    >>> import polars as pl
    >>> places(pl.Series(["EMPTY", None])).tolist() == [0, PASSED]
    True
    """
    if codes.null_count() == len(codes):
        return all_passed(len(codes))
    found = codes.replace_strict(PRECEDENCE, default=PASSED)
    return found.to_numpy().astype(np.int16)


def fault(verdicts: np.ndarray, at_fault: np.ndarray, code: str) -> None:
    """Note a code in `verdicts` for the records at fault, unless a code that stands before it is there already."""
    place = PRECEDENCE[code]
    verdicts[at_fault & (verdicts > place)] = place
