"""Kinds of bad data: one at least for each code that an organizer can cause."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.checks import check_form, check_identity
from esep.codec import decode, encode_one
from esep.codes import BY_CODE
from esep.events import EVENT_RECORDS
from esep.producers.simulate.kinds import KINDS, spoilt_fields
from esep.schemas import schema
from tests.producers.simulate.test_bets import some_blocks
from tests.support.records import wagers

WAGER = schema("wager")


def test_every_code_that_an_organizer_can_cause_has_a_kind() -> None:
    without = {"INTERNAL", "ORGANIZER_UNKNOWN", "CORRECTION_NOT_HELD"}
    assert {kind.code for kind in KINDS.values()} == set(BY_CODE) - without


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.spoil])
@given(record=wagers(), number=st.integers(0, 2**31))
def test_spoilt_bytes_get_their_code_and_leave_the_neighbour_alone(name: str, record: dict, number: int) -> None:  # type: ignore[type-arg]
    good = encode_one(record, WAGER)
    spoil = KINDS[name].spoil
    assert spoil is not None
    decoded = decode([good, spoil(good, number), good], EVENT_RECORDS)
    assert decoded.bad == {1: KINDS[name].code}
    assert decoded.frames[WAGER]["index"].to_list() == [0, 2]


@pytest.mark.parametrize(
    "name", [name for name, kind in KINDS.items() if kind.fields and BY_CODE[kind.code].needs == "form"]
)
def test_spoilt_fields_get_their_code_from_the_checks_of_form(name: str) -> None:
    events = some_blocks(3, 1).filter(pl.col("event_type") == (KINDS[name].of or pl.col("event_type"))).tail(200)
    numbered = events.with_columns(stream_id=pl.lit("desk-7"), sequence=pl.int_range(1, pl.len() + 1))
    spoilt = spoilt_fields(numbered, pl.repeat(name, numbered.height, eager=True))
    codes = pl.select(pl.coalesce(check_identity(spoilt), check_form(spoilt))).to_series()
    assert set(codes) == {KINDS[name].code}
