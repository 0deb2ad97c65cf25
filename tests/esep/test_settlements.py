"""A settlement as a record and back, and what follows it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from esep.codec import decode_one, encode_one
from esep.schemas import schema
from esep.settlements import Settlement, settlement_of

INSTANTS = st.integers(0, 4_000_000_000_000)
ROWS = st.dictionaries(st.integers(0, 500), st.integers(1, 2**40), max_size=4)
WRITTEN = st.dictionaries(
    st.tuples(st.sampled_from(["STAKE_JUMP", "WIN_JUST"]), st.integers(1, 9), st.sampled_from(["OPEN", "UPDATED"])),
    st.integers(1, 10**9),
    max_size=4,
)
SETTLEMENTS = st.builds(Settlement, st.integers(1, 10**6), INSTANTS, INSTANTS, ROWS, WRITTEN)


@given(SETTLEMENTS)
def test_record_says_all_of_a_settlement(one: Settlement) -> None:
    assert settlement_of(decode_one(encode_one(one.record(), schema("settlement")), schema("settlement"))) == one


@given(SETTLEMENTS, INSTANTS, ROWS)
def test_next_one_begins_where_this_one_ends_and_forgets_no_lane(
    one: Settlement, until_ms: int, rows: dict[int, int]
) -> None:
    after = one.followed(until_ms, rows, {})
    assert (after.number, after.from_ms, after.until_ms) == (one.number + 1, one.until_ms, until_ms)
    assert after.rows == {partition: rows.get(partition, one.rows.get(partition)) for partition in {*one.rows, *rows}}


def test_key_and_headers_name_the_span() -> None:
    one = Settlement(3, 0, 1_700_000_000_000)
    assert one.key == b"1970-01-01T00:00:00.000Z/2023-11-14T22:13:20.000Z"
    assert dict(one.headers())["ce_subject"] == one.key
    assert dict(one.headers())["ce_id"] == b"3"
