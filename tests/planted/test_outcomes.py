"""What was found of the planted month is what the page says, and what is not found says why."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from esep.rules import load_rules
from tests.planted.answers import answers
from tests.planted.line import Passed, all_live, differences, found_in_ledger, passed
from tests.planted.month import month
from tests.planted.outcomes import BY_CHANCE, FOUND, LEFT_ALONE, all_alerts, counts, meant, outcomes
from tests.planted.page import FILE, page, stories_text

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer

EVENTS, PERSONS = 200, 100  # A background that is there, and no more: the stories are the same in a larger one.


@cache
def _through() -> Passed:
    return passed(month(EVENTS, PERSONS), all_live())


@pytest.mark.clickhouse
def test_stories_are_found_as_the_page_says_by_the_stage_and_by_sql_alike(clickhouse: ClickHouseServer) -> None:
    """D934-1..3, D934-7..11: what the rules find of schemes that they were not written for."""
    through = _through()
    in_ledger = found_in_ledger(clickhouse, through.ledger, all_live())
    assert differences(through, in_ledger) == []
    stories = outcomes(through, all_alerts(through, in_ledger))
    assert {one.answer.story for one in stories if one.why} == {
        one.answer.story for one in stories if one.result not in {FOUND, LEFT_ALONE}
    }
    assert stories_text(stories) in FILE.read_text(encoding="utf-8"), "the page is stale: run `make planted`"


@pytest.mark.long
@pytest.mark.clickhouse
def test_page_says_what_a_run_of_the_whole_month_says(clickhouse: ClickHouseServer) -> None:
    made, rules = month(), all_live()
    through = passed(made, rules)
    in_ledger = found_in_ledger(clickhouse, through.ledger, rules)
    assert differences(through, in_ledger) == []
    alerts = all_alerts(through, in_ledger)
    told = page(made, through, alerts, outcomes(through, alerts), counts(alerts))
    assert FILE.read_text(encoding="utf-8") == told, "the page is stale: run `make planted`"


def test_rules_that_are_meant_are_rules_and_for_schemes() -> None:
    rules = {rule.rule_id for rule in load_rules().rules}
    assert meant().keys() <= answers().keys()
    for one in meant().values():
        assert {*one.meant} <= rules, one.story
        assert answers()[one.story].is_scheme or not one.meant, one.story


def test_rule_that_is_meant_finds_and_another_one_finds_by_chance() -> None:
    through = _through()
    by_story = {one.answer.story: one for one in outcomes(through, through.alerts)}
    assert by_story["million-exactly"].result == FOUND
    assert by_story["wins-nearly-always"].result == BY_CHANCE
    without = {key: told for key, told in through.alerts.items() if key.rule_id != "WIN_THRESHOLD"}
    told_less = {one.answer.story: one for one in outcomes(through, without)}
    assert told_less["million-exactly"].result == "not found"
    assert told_less["just-below-a-million"].result == LEFT_ALONE


def test_differing_alert_is_told() -> None:
    through = _through()
    key = next(iter(through.alerts))
    other = {**through.alerts, key: through.alerts[key]._replace(occurred_ms=0)}
    assert differences(through, through.alerts) == []
    assert len(differences(through, other)) == 1
    assert len(differences(through, {})) == len(through.alerts)
