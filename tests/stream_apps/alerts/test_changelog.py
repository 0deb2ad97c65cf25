"""The changelog of alerts; that it restores any state is tested with the stage."""

from __future__ import annotations

import struct
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import InvariantBroken
from esep.lineage import POSITION_KEY
from esep.rules import RULES_FILE, load_rules, parse_rules
from esep.stream_apps.alerts.changelog import records_of, restore
from esep.stream_apps.alerts.columns import Posting, columns_of, day_of
from esep.stream_apps.alerts.program import compile_rules
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.alerts.state import AlertKey, AlertsData, AlertState, Changes, Entry
from esep.stream_apps.stage import PartitionState
from tests.support.rule_fixtures import FIXTURES
from tests.support.rule_histories import DAY_MS, FROM_MS, Arrival, RuleRun
from tests.support.stage_run import IINS

PERSONS = st.binary(min_size=16, max_size=16)
ENTRY = "940140000385/desk-1/7"
PROGRAM = compile_rules(load_rules())
ALERTS = st.builds(
    AlertKey,
    PERSONS,
    st.sampled_from(["WIN_STRUCTURED", "NIGHT_BURST"]),
    st.integers(1, 99),
    st.dates().map(date.isoformat),
)
STATES = st.builds(
    AlertState,
    st.integers(1, 10**9),
    st.sampled_from(["OPEN", "UPDATED", "WITHDRAWN"]),
    st.binary(min_size=16, max_size=16),
)


@settings(deadline=None)
@given(PERSONS, st.dictionaries(ALERTS, STATES), st.lists(STATES, max_size=2), st.integers(0, 2**62))
def test_every_key_and_value_comes_back(
    person: bytes, alerts: dict[AlertKey, AlertState], of_entry: list[AlertState], clock_ms: int
) -> None:
    legs = [
        Posting(1, ENTRY, 0, 1, 10**13, 5, 16, 1_950, 4, "ставка-1", "ab" * 32),
        Posting(1, ENTRY, 1, -1, -(10**13), 6),
    ]
    live, again = AlertsData(PROGRAM), AlertsData(PROGRAM)
    kept = tuple(leg._replace(wager_id="", linked="") for leg in legs)
    told = {("WIN_THRESHOLD", number): state for number, state in enumerate(of_entry, 1)}
    entries = {(person, ENTRY): Entry(20_000, kept, told)}
    changes = Changes(clock_ms, live.sweep(), columns_of([person] * 2, legs), entries, alerts, {})
    keys, values = records_of(live, changes)
    live.apply(changes)
    restore(again, keys, values)
    assert len(set(keys)) == len(keys)
    assert POSITION_KEY not in keys
    assert (again.clock_ms, again.entries, again.alerts) == (live.clock_ms, live.entries, live.alerts)
    slots = changes.postings.slots[:1]
    assert sorted(again.postings.of(slots).postings()) == sorted(live.postings.of(slots).postings()) == sorted(legs)


AT_MS = 1_773_200_000_000
OF_FIRST_LAYOUT = {  # As a stage with the two rules of the beginning wrote them.
    b"s" + b"k" * 16 + struct.pack("<iib", day_of(AT_MS), 1, 1) + ENTRY.encode(): struct.pack("<qqq", AT_MS, 7, 3),
    b"l" + b"k" * 16 + ENTRY.encode(): struct.pack("<i", 20_530)
    + struct.pack("<i9s16s", 2, b"UPDATED", b"d" * 16)
    + struct.pack("<qiqq", AT_MS, 0, 10**8, 4),
    b"d" + b"k" * 16 + b"2026-03-11": struct.pack("<i9s16s", 1, b"OPEN", b"e" * 16),
}


def test_records_of_the_first_layout_are_read_and_give_way_to_later_ones() -> None:
    data, key = AlertsData(PROGRAM), AlertKey(b"k" * 16, "WIN_STRUCTURED", 1, "2026-03-11")
    restore(data, list(OF_FIRST_LAYOUT), list(OF_FIRST_LAYOUT.values()))
    slots = columns_of([b"k" * 16], [Posting(AT_MS, ENTRY, 1, 1, 7, 3)]).slots
    assert data.postings.of(slots).postings() == [Posting(AT_MS, ENTRY, 1, 1, 7, 3)]
    leg = Posting(AT_MS, ENTRY, 0, 1, 10**8, 4)
    told = {("WIN_THRESHOLD", 1): AlertState(2, "UPDATED", b"d" * 16)}
    assert data.entries == {(b"k" * 16, ENTRY): Entry(20_530, (leg,), told)}
    assert data.alerts == {key: AlertState(1, "OPEN", b"e" * 16)}
    entry, alert = Entry(20_531, (leg,), {}), AlertState(2, "WITHDRAWN", b"f" * 16)
    later = Changes(9, data.sweep(), columns_of([], []), {(b"k" * 16, ENTRY): entry}, {key: alert}, {})
    keys, values = records_of(data, later)
    again = AlertsData(PROGRAM)
    restore(again, [*OF_FIRST_LAYOUT, *keys], [*OF_FIRST_LAYOUT.values(), *values])
    assert (again.entries, again.alerts) == ({(b"k" * 16, ENTRY): entry}, {key: alert})


def test_record_of_no_known_kind_stops_the_stage() -> None:
    with pytest.raises(InvariantBroken, match="no known kind"):
        restore(AlertsData(PROGRAM), [b"x" * 40], [b""])


def test_rule_that_becomes_live_by_a_restart_counts_from_its_day_on() -> None:
    """The state was written by a stage that did not know the rule; what occurred before the day does not count."""
    before, half = RuleRun(AlertsStage()), FIXTURES[0].postings[0] | {"iin": IINS[0], "amount_tiyn": 60_000_000}
    days = [FROM_MS + day * DAY_MS for day in (0, 4, 6)]  # 11, 15 and 17 March.
    arrivals = [
        Arrival({**half, "entry_id": f"{half['organizer_bin']}/d/{day}", "occurred_ms": day}, day) for day in days
    ]
    before.feed([(0, arrivals[0])])
    head = "  - rule: WIN_STRUCTURED_SLOW\n    version: 1\n    mode: "
    text = RULES_FILE.read_text("utf-8").replace(f"{head}SHADOW", f"{head}LIVE\n    since: 2026-03-15")
    after = RuleRun(AlertsStage(parse_rules(text)))
    for source, records in before.changelog.items():
        data = after.stage.empty(source)
        if records:
            after.stage.restore(data, *map(list, zip(*records, strict=True)))
        after.states[source] = PartitionState(before.states[source].position, data)
    after.feed([(1, arrivals[1])])
    assert after.standing() == {}
    after.feed([(2, arrivals[2])])
    ((evidence, observed),) = after.standing().values()
    assert [one[0] for one in evidence] == [one.posting["entry_id"] for one in arrivals[1:]]
    assert observed == [("winnings_sum", 120_000_000, 100_000_000), ("winnings_count", 2, 2)]
