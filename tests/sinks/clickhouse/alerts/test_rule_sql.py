"""Stream, SQL (rule by rule and all at once) and brute force: one set of alerts, for any history in any order."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import example, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from esep.rules import RULES_FILE, parse_rules
from esep.stream_apps.alerts.stage import AlertsStage
from tests.support.examples import examples
from tests.support.rule_fixtures import FIXTURES, Fixture
from tests.support.rule_histories import (
    REACHABLE,
    REACHABLE_TEXT,
    Arrival,
    RuleRun,
    alerts_of_stage,
    histories,
    own,
    placed,
)
from tests.support.rule_ledger import alerts_by_sql, as_found, found_by_search, ledger_of
from tests.support.rule_oracle import alerts_of
from tests.support.stage_run import PARTITIONS

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer
    from tests.support.rule_oracle import Alerts, Posting

WRITTEN = yaml.safe_load(REACHABLE_TEXT)
SHARED = next(
    [Arrival(one, one["occurred_ms"]) for one in fixture.postings]
    for fixture in FIXTURES
    if fixture.rule_id == "SHARED_INSTRUMENT" and fixture.raises
)


@pytest.mark.clickhouse
@pytest.mark.timeout(7200)
def test_stream_and_sql_end_with_the_alerts_of_brute_force(clickhouse: ClickHouseServer) -> None:
    """Histories are drawn one by one and meet the stream; then all of them meet SQL, told apart by their persons."""
    ledger: list[Posting] = []
    expected: Alerts = {}
    number = 0

    @profile(deadline=None, max_examples=examples(80))
    @given(histories(), st.lists(st.integers(0, 1000), max_size=3))
    @example(SHARED, [])
    def stream_is_brute_force(arrivals: list[Arrival], cuts: list[int]) -> None:
        nonlocal number
        number += 1
        arrivals = [one._replace(posting=own(one.posting, number)) for one in arrivals]
        postings = placed(arrivals)
        alerts = alerts_of(WRITTEN, postings)
        assert alerts_of_stage(arrivals, cuts) == alerts
        ledger.extend(postings)
        expected.update(alerts | alerts_of(WRITTEN, postings, ("nightly",)))

    stream_is_brute_force()
    with ledger_of(clickhouse, ledger) as settings:
        found, at_once = alerts_by_sql(settings, REACHABLE), found_by_search(settings, REACHABLE, len(ledger) // 2)
    assert at_once == as_found(expected)
    assert {key: found.get(key) for key in expected | found} == {key: expected.get(key) for key in expected | found}
    reached = Counter(rule for rule, _, _ in expected)
    # Of twenty histories, as in `make test`, no more can be said than that they reach some.
    assert len(reached) >= (10 if examples(80) >= 80 else 3), "the histories do not reach the rules"
    assert reached.keys() & {rule.rule_id for rule in REACHABLE.rules if rule.subject == "instrument"}
    if number >= 1_000:
        assert reached.keys() == {rule.rule_id for rule in REACHABLE.rules}


LIVE = RULES_FILE.read_text("utf-8").replace("mode: SHADOW", "mode: LIVE")
ALL_LIVE = parse_rules(LIVE)
WRITTEN_LIVE = yaml.safe_load(LIVE)


def of_fixture(alerts: Alerts, fixture: Fixture) -> Alerts:
    return {key: told for key, told in alerts.items() if key[1].startswith(f"{fixture.name}/")}


def arrivals_of(fixture: Fixture) -> list[Arrival]:
    return [Arrival(one, one["occurred_ms"]) for one in fixture.postings]


@pytest.fixture(scope="module")
def by_sql(clickhouse: ClickHouseServer) -> Alerts:
    """All histories at once, each with persons and means of payment of its own."""
    ledger = [one for fixture in FIXTURES for one in placed(arrivals_of(fixture))]
    with ledger_of(clickhouse, ledger) as settings:
        return alerts_by_sql(settings, ALL_LIVE)


@pytest.mark.clickhouse
@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_rule_is_raised_by_its_cases_and_not_by_near_misses(fixture: Fixture, by_sql: Alerts) -> None:
    """D934-1..3, D934-7..11, R2021-3: a typology's case raises its rule in both engines, a near miss does not.

    O9-4.3: what only the nightly run looks at is found by SQL, as brute force finds it.
    """
    run = RuleRun(AlertsStage(ALL_LIVE, partitions=PARTITIONS))
    run.feed(list(enumerate(arrivals_of(fixture))))
    streamed = run.standing()
    nightly = alerts_of(WRITTEN_LIVE, placed(arrivals_of(fixture)), ("nightly",))
    assert streamed | nightly == of_fixture(by_sql, fixture)
    assert (fixture.rule_id in {rule for rule, _, _ in streamed | nightly}) == fixture.raises
    for record in run.latest.values():
        assert all("{" not in record[f"reason_{language}"] for language in ("kk", "ru", "en"))


def test_every_rule_has_cases_and_near_misses() -> None:
    for raises in (True, False):
        assert {one.rule_id for one in FIXTURES if one.raises == raises} == {rule.rule_id for rule in ALL_LIVE.rules}
