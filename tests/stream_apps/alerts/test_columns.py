"""Postings one by one and in columns."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.rules import DAY_MS
from esep.stream_apps.alerts.columns import (
    Posting,
    columns_of,
    day_of,
    days_of,
    ending_with_market,
    persons_of,
    slots_of,
)
from esep.stream_apps.poll import person_words

PERSONS = st.binary(min_size=16, max_size=16)
POSTINGS = st.builds(
    lambda occurred_ms, entry_id, revision, leg, amount, *others: Posting(
        occurred_ms, entry_id, revision, leg, leg * amount, *others[:-1], 0, *others[-1]
    ),
    st.integers(0, 2 * 10**12), st.sampled_from(["940140000385/desk-1/1", "070941024691/касса-2/10", "a/b/9"]),
    st.integers(0, 9), st.sampled_from([1, -1]), st.integers(1, 10**13), st.integers(0, 10**12),
    st.integers(0, 63), st.sampled_from([0, 1000, 2**31 - 1]), st.integers(0, 31), st.text("w\0ә7", max_size=3),
    st.sampled_from(["", "ab" * 32]), st.just(("", "")) | st.tuples(st.text("m\0ә7", min_size=1), st.text("o\0ә7")),
)  # fmt: skip
PAIRS = st.lists(st.tuples(PERSONS, POSTINGS), max_size=8)


@settings(deadline=None)
@given(PAIRS, st.data())
def test_columns_hold_the_same_postings(pairs: list[tuple[bytes, Posting]], data: st.DataObject) -> None:
    columns = columns_of([person for person, _ in pairs], [posting for _, posting in pairs])
    places = data.draw(st.lists(st.integers(0, len(pairs) - 1), unique=True).map(sorted)) if pairs else []
    for part, chosen in ((columns, pairs), (columns.taken(np.array(places, np.int64)), [pairs[at] for at in places])):
        assert part.postings() == [posting for _, posting in chosen]
        assert persons_of(part.slots) == [person for person, _ in chosen]
        assert days_of(part.slots).tolist() == [day_of(posting.occurred_ms) for _, posting in chosen]


@given(st.lists(st.tuples(st.sampled_from(["", "ab" * 32]), st.text("m\0ә7", min_size=1) | st.none(), st.text("o\0ә"))))
def test_ending_is_the_same_from_a_frame_and_from_a_posting(told: list[tuple[str, str | None, str]]) -> None:
    frame = pl.DataFrame(told, schema={"linked": pl.String, "market": pl.String, "outcome": pl.String}, orient="row")
    endings = frame.select(ending_with_market(pl.col("linked"))).to_series().cast(pl.Binary).to_list()
    postings = [
        Posting(0, "", 0, 1, 1, 0, linked=linked, market=market or "", outcome=outcome if market else "")
        for linked, market, outcome in told
    ]
    columns = columns_of([bytes(16)] * len(postings), postings)
    assert columns.own_texts() == endings
    assert columns.postings() == postings


@settings(deadline=None)
@given(st.lists(POSTINGS))
def test_order_is_by_instant_entry_revision_and_leg(postings: list[Posting]) -> None:
    keys = [(one.occurred_ms, one.entry_id, one.revision, one.leg) for one in sorted(postings)]
    assert keys == sorted(keys)


@settings(deadline=None)
@given(st.lists(st.tuples(PERSONS, st.integers(0, 40_000)), min_size=1))
def test_slots_name_person_and_day(pairs: list[tuple[bytes, int]]) -> None:
    persons, days = [person for person, _ in pairs], np.array([day for _, day in pairs])
    slots = slots_of(person_words(persons), days)
    assert (persons_of(slots), days_of(slots).tolist()) == (persons, days.tolist())


def test_day_begins_at_19_utc() -> None:
    begins = 19 * 3600 * 1000
    assert [day_of(begins - 1), day_of(begins), day_of(begins + DAY_MS - 1)] == [0, 1, 1]
    assert day_of(np.array([begins - 1, begins])).tolist() == [0, 1]
