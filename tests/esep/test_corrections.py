"""What a correction's own check says beyond its form: its times, and how its right values stand with the register."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.codec import empty_frame
from esep.codes import PRECEDENCE, REJECT_CODES
from esep.corrections import check_alone
from esep.precedence import PASSED
from esep.schemas import newest
from tests.esep.test_checks import CORRECTION, NOON, WAGER, values

NEVER = "LICENCE_NOT_IN_FORCE"


def verdicts(*changes: dict[str, Any], received_at: datetime = NOON, licensed: bool = True) -> list[str | None]:
    frame = pl.DataFrame([CORRECTION | change for change in changes], schema=empty_frame(newest("correction")).schema)
    received = pl.lit(received_at).cast(pl.Datetime("ms", "UTC")).alias("received_at")

    def standing(events: pl.DataFrame) -> np.ndarray:
        return np.full(events.height, PASSED if licensed else PRECEDENCE[NEVER], np.int16)

    found = check_alone(frame.with_columns(received), standing)
    return [None if verdict == PASSED else REJECT_CODES[verdict].code for verdict in found.tolist()]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"corrected_at": NOON + timedelta(minutes=5)}, None),
        ({"corrected_at": NOON + timedelta(minutes=5, milliseconds=1)}, "INSTANT_AHEAD"),
        ({"now": values(WAGER, occurred_at=NOON + timedelta(minutes=6))}, "INSTANT_AHEAD"),
        ({"now": values(WAGER, occurred_at=datetime(2015, 1, 1, tzinfo=UTC))}, "INSTANT_EXPIRED"),
        ({"now": values(WAGER, site_id="", occurred_at=NOON + timedelta(minutes=6))}, "SITE_INVALID"),
        ({"was": values(WAGER, occurred_at=datetime(2015, 1, 1, tzinfo=UTC)), "now": None}, None),
    ],
)
def test_times_are_judged_by_the_time_of_receipt(change: dict[str, Any], code: str | None) -> None:
    """Clauses O9-L2, O9-4.7; what was booked then may be taken back."""
    assert verdicts({}, change, {}) == [None, code, None]


@given(st.lists(st.booleans(), min_size=1, max_size=5))
def test_right_values_need_a_licence_and_a_void_needs_none(has_values: list[bool]) -> None:
    """Clause O9-3."""
    changes = [{} if there else {"now": None} for there in has_values]
    assert verdicts(*changes, licensed=False) == [NEVER if there else None for there in has_values]
