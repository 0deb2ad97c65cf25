"""A schedule is the same for the same seed, keeps to its rules, and deals every sort of fault to every part."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.schedule import APPS, BROKERS, CLICKHOUSE, KINDS, LONG_PAUSE, PAUSE, WIRE, kinds_of, schedule

SESSION_S = 6.0
seeds = st.integers(0, 2**32)


@given(seeds, st.floats(1, 200))
def test_same_seed_plans_the_same_and_nothing_begins_after_the_trouble(seed: int, trouble_s: float) -> None:
    faults = schedule(seed, trouble_s, SESSION_S)
    assert faults == schedule(seed, trouble_s, SESSION_S)
    assert list(faults) == sorted(faults)
    assert all(0 < fault.at_s <= trouble_s + 0.1 for fault in faults)


@given(seeds)
def test_no_two_brokers_are_in_trouble_at_once_and_no_part_twice(seed: int) -> None:
    faults = schedule(seed, 200, SESSION_S)
    strands = [[fault for fault in faults if fault.part in BROKERS]]
    strands += [[fault for fault in faults if fault.part == part] for part in (CLICKHOUSE, WIRE, *APPS)]
    for strand in strands:
        assert all(before.end_s <= after.at_s for before, after in pairwise(strand))


@given(seeds)
def test_every_part_meets_every_sort_of_fault_if_there_is_time(seed: int) -> None:
    met = {(fault.part, fault.kind) for fault in schedule(seed, 500, SESSION_S)}
    assert met == {(part, kind) for part in (*BROKERS, CLICKHOUSE, WIRE, *APPS) for kind in kinds_of(part)}


@given(seeds)
def test_short_pauses_end_within_a_session_and_long_ones_beyond_it(seed: int) -> None:
    lengths = {
        kind: [fault.lasts_s for fault in schedule(seed, 200, SESSION_S) if fault.kind == kind] for kind in KINDS
    }
    assert max(lengths[PAUSE]) < SESSION_S < min(lengths[LONG_PAUSE])


def test_two_seeds_plan_different_faults() -> None:
    assert schedule(1, 60, SESSION_S) != schedule(2, 60, SESSION_S)
