"""Damaged messages among good ones: each is accounted for, and no neighbour is changed."""

from __future__ import annotations

import os
from collections import Counter

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codec import decode
from esep.events import EVENT_RECORDS
from esep.producers.simulate.fuzz import MUTATIONS, STREAM, UNKNOWN, fuzzed
from esep.producers.simulate.generator import ACCEPTED, DUPLICATE
from esep.producers.simulate.plan import Plan
from tests.producers.simulate.made import all_messages, plan
from tests.producers.simulate.test_generator import intended, verdicts_of_intake
from tests.support.examples import examples

FUZZED = int(os.environ.get("ESEP_TEST_FUZZ", "2000"))  # Mutated messages of the long test.


def _all(of: Plan, share: float) -> pl.DataFrame:
    return pl.concat(fuzzed(of, share))


def test_messages_are_the_good_ones_of_the_plan_and_mutated_ones_behind_them() -> None:
    of = plan(4_000)
    made = _all(of, 0.5)
    assert made.equals(_all(of, 0.5))
    assert made.filter(pl.col("verdict") != UNKNOWN).equals(all_messages(of))
    mutated = made.filter(pl.col("verdict") == UNKNOWN)
    assert 1_800 < mutated.height < 2_200
    assert set(mutated["kind"]) == set(MUTATIONS)
    assert set(mutated["key"]) == {STREAM.encode()}


def test_every_message_is_accounted_for_and_no_neighbour_is_changed() -> None:
    """Intake says of a good message what it would without the damaged ones, and says something of each of those."""
    of = plan(FUZZED * 2, persons=300)
    made = _all(of, 0.5)
    said, meant = verdicts_of_intake(made, of.register, 4_000), intended(made)
    assert len(said) == made.height
    assert {place: code for place, code in meant.items() if code != UNKNOWN} == {
        place: said[place] for place, code in meant.items() if code != UNKNOWN
    }
    codes = Counter(said[place] for place, code in meant.items() if code == UNKNOWN)
    assert codes["UNDECODABLE"] > codes.total() / 2
    assert codes[ACCEPTED] + codes[DUPLICATE] < codes.total() / 5


@settings(max_examples=examples(15))
@given(seed=st.integers(0, 2**32), events=st.integers(2, 60))
def test_damaged_bytes_are_read_together_as_they_are_read_alone(seed: int, events: int) -> None:
    values = _all(plan(events, 1, seed=seed), 0.7)["value"].to_list()
    together = decode(values, EVENT_RECORDS)
    for place, value in enumerate(values):
        alone = decode([value], EVENT_RECORDS)
        assert together.bad.get(place) == alone.bad.get(0)
        for schema, frame in alone.frames.items():
            row = together.frames[schema].filter(pl.col("index") == place)
            assert row.drop("index").equals(frame.drop("index"))
