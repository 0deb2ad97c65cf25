"""Whatever order faults are noted in, the code that stands first is the answer."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codes import REJECT_CODES
from esep.precedence import PASSED, all_passed, fault, places

CODES = [code.code for code in REJECT_CODES]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(CODES), st.lists(st.booleans(), min_size=5, max_size=5)), max_size=6))
def test_first_code_in_the_declared_order_wins(noted: list[tuple[str, list[bool]]]) -> None:
    verdicts = all_passed(5)
    for code, at_fault in noted:
        fault(verdicts, np.array(at_fault), code)
    for place, verdict in enumerate(verdicts):
        expected = [code for code in CODES if any(code == one and mask[place] for one, mask in noted)]
        assert verdict == (CODES.index(expected[0]) if expected else PASSED)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.sampled_from(CODES))))
def test_places_are_those_of_the_declaration(codes: list[str | None]) -> None:
    found = places(pl.Series(codes, dtype=pl.String))
    assert found.dtype == all_passed(0).dtype
    assert found.tolist() == [PASSED if code is None else CODES.index(code) for code in codes]
