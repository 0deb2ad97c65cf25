"""What of a poll the rules look at."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import InvariantBroken
from esep.stream_apps.alerts.looked import looked_at
from esep.stream_apps.alerts.program import compile_rules
from esep.stream_apps.poll import read_poll
from tests.support.examples import examples
from tests.support.rule_histories import REACHABLE, Arrival, RuleRun, histories

if TYPE_CHECKING:
    from esep.stream_apps.poll import InternalPoll

PROGRAM = compile_rules(REACHABLE)


def poll_of(arrivals: list[Arrival]) -> InternalPoll:
    return read_poll(RuleRun().batches(list(enumerate(arrivals))), "ledger")


@settings(max_examples=examples(10))
@given(histories(), st.lists(st.integers(0, 40), max_size=3))
def test_parts_of_a_poll_are_what_is_looked_at_between_their_places(arrivals: list[Arrival], cuts: list[int]) -> None:
    poll = poll_of(arrivals)
    looked = looked_at(poll, PROGRAM)
    assert looked.bits.all()
    assert [one.entry_id for one in looked.columns.postings()] == poll.frame["entry_id"][looked.places].to_list()
    assert [one.linked or None for one in looked.columns.postings()] == (
        poll.frame["instrument_hash"][looked.places].to_list()
    )
    assert looked.persons == [poll.keys[place] for place in looked.places]
    marks = sorted({0, len(poll.keys), *(at % len(poll.keys) for at in cuts)})
    parts = [looked.between(start, end) for start, end in pairwise(marks)]
    assert [place for part in parts for place in part.places] == looked.places.tolist()
    assert [one for part in parts for one in part.columns.postings(part.bits)] == looked.columns.postings(looked.bits)


@given(histories())
@settings(max_examples=examples(5))
def test_amount_without_the_sign_of_its_leg_stops_the_stage(arrivals: list[Arrival]) -> None:
    first = arrivals[0]._replace(posting={**arrivals[0].posting, "leg": -arrivals[0].posting["leg"]})
    with pytest.raises(InvariantBroken, match=r"ledger/[01] offset 0 cannot be used"):
        looked_at(poll_of([first]), PROGRAM)
