"""A search over settled postings finds what each rule's own statement finds; example histories of every rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esep.rules import DAY_MS, RULES_FILE, parse_rules
from esep.sinks.clickhouse.alerts.reach_sql import stretch_ms
from tests.support.rule_fixtures import FIXTURES, NOON_MS
from tests.support.rule_histories import Arrival, placed
from tests.support.rule_ledger import alerts_by_sql, as_found, found_by_search, ledger_of

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer
    from tests.support.rule_fixtures import Fixture
    from tests.support.rule_oracle import Posting

ALL_LIVE = parse_rules(RULES_FILE.read_text("utf-8").replace("mode: SHADOW", "mode: LIVE"))


@pytest.mark.long  # In short: tests/sinks/clickhouse/alerts/test_rule_sql.py.
@pytest.mark.clickhouse
def test_search_finds_what_each_rule_finds_by_itself(clickhouse: ClickHouseServer) -> None:
    """In pieces of any size; what came twice counts once; a span holds the alerts whose reason first arises in it."""
    postings = [one for fixture in FIXTURES for one in placed([Arrival(one, 0) for one in fixture.postings])]
    with ledger_of(clickhouse, [*postings, *postings[::7]]) as settings:
        alerts = as_found(alerts_by_sql(settings, ALL_LIVE))
        assert {rule for rule, _, _ in alerts} == {rule.rule_id for rule in ALL_LIVE.rules}
        assert found_by_search(settings, ALL_LIVE, piece_rows=250) == alerts
        first_ms, end_ms = NOON_MS + 12 * DAY_MS // 24, NOON_MS + 4 * DAY_MS
        within = {key: told for key, told in alerts.items() if first_ms <= told[1] < end_ms}
        assert 0 < len(within) < len(alerts)
        found = found_by_search(settings, ALL_LIVE, 10_000, first_ms, end_ms)
        assert {key: told for key, told in found.items() if told[1] >= first_ms} == within


def at_a_boundary(fixture: Fixture) -> list[Posting]:
    """Return its postings later: the last of them begin a stretch, the others end the one before."""
    length_ms = stretch_ms(ALL_LIVE, ALL_LIVE.rule(fixture.rule_id))
    later_ms = -max(one["occurred_ms"] for one in fixture.postings) % length_ms
    return [{**one, "occurred_ms": one["occurred_ms"] + later_ms} for one in fixture.postings]


@pytest.mark.clickhouse
def test_windows_that_two_stretches_share_are_looked_at(clickhouse: ClickHouseServer) -> None:
    """Of a rule with windows each case is cut by a boundary, by which only what is within reach is looked at."""
    windowed = {rule.rule_id for rule in ALL_LIVE.rules if any(one.window for one in ALL_LIVE.features_of(rule))}
    cases = [one for one in FIXTURES if one.rule_id in windowed and one.raises]
    postings = [one for case in cases for one in placed([Arrival(one, 0) for one in at_a_boundary(case)])]
    rules = ALL_LIVE.model_copy(update={"rules": tuple(one for one in ALL_LIVE.rules if one.rule_id in windowed)})
    with ledger_of(clickhouse, postings) as settings:
        alerts = as_found(alerts_by_sql(settings, rules))
        assert found_by_search(settings, rules, piece_rows=10_000) == alerts
    assert {rule for rule, _, _ in alerts} >= windowed - {"NIGHT_BURST"}  # Of which it is no longer night.
