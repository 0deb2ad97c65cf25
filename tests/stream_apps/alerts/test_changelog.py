"""The changelog of alerts; that it restores any state is tested with the stage."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import InvariantBroken
from esep.lineage import POSITION_KEY
from esep.stream_apps.alerts.changelog import records_of, restore
from esep.stream_apps.alerts.columns import Winning
from esep.stream_apps.alerts.state import UNTOLD, AlertsData, AlertState, Changes, Entry
from tests.stream_apps.alerts.made import columns_of

PERSONS = st.binary(min_size=16, max_size=16)
ENTRY = "940140000385/desk-1/7"
DAYS = st.tuples(PERSONS, st.dates().map(date.isoformat))
STATES = st.builds(
    AlertState,
    st.integers(1, 10**9),
    st.sampled_from(["OPEN", "UPDATED", "WITHDRAWN"]),
    st.binary(min_size=16, max_size=16),
)


@settings(deadline=None)
@given(PERSONS, st.dictionaries(DAYS, STATES), st.integers(0, 2**62))
def test_every_key_and_value_comes_back(
    person: bytes, days: dict[tuple[bytes, str], AlertState], clock_ms: int
) -> None:
    legs = [Winning(1, ENTRY, 0, 1, 10**13, 5), Winning(1, ENTRY, 1, -1, -(10**13), 6)]
    live, again = AlertsData(), AlertsData()
    large = {(person, ENTRY): Entry(20_000, tuple(legs), UNTOLD)}
    changes = Changes(clock_ms, live.sweep(), columns_of([person] * 2, legs), large, days)
    keys, values = records_of(live, changes)
    live.apply(changes)
    restore(again, keys, values)
    assert len(set(keys)) == len(keys)
    assert POSITION_KEY not in keys
    assert (again.clock_ms, again.large, again.days) == (live.clock_ms, live.large, live.days)
    slots = changes.small.slots[:1]
    assert sorted(again.small.of(slots).winnings()) == sorted(live.small.of(slots).winnings()) == sorted(legs)


def test_record_of_no_known_kind_stops_the_stage() -> None:
    with pytest.raises(InvariantBroken, match="no known kind"):
        restore(AlertsData(), [b"x" * 40], [b""])
