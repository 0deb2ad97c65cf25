"""A plan that cannot be carried out is refused before anything is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from esep.clock import almaty_day_of, to_ms
from esep.errors import UsageError
from esep.producers.simulate.plan import last_midnight, oldest_of_use, refuse_until
from tests.producers.simulate.made import UNTIL, plan


@pytest.mark.parametrize(
    "changes",
    [
        {"bad": 1.1},
        {"bad": 0.6, "duplicates": 0.5},
        {"corrections": -0.1},
        {"events": 0},
        {"persons": 0},
        {"days": 0},
        {"days": 400},
        {"weights": {"NOSUCH": 1.0}},
        {"weights": {}},
        {"weights": {"CUT": 0.0}},
    ],
)
def test_plan_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        plan(**changes)


@pytest.mark.parametrize("hour", range(24))
def test_last_midnight_begins_the_day_in_almaty(hour: int) -> None:
    now = datetime(2026, 11, 21, hour, 30, tzinfo=UTC)
    midnight = last_midnight(now)
    assert timedelta(0) <= now - midnight < timedelta(days=1)
    assert almaty_day_of(to_ms(midnight)) == almaty_day_of(to_ms(now))
    assert almaty_day_of(to_ms(midnight) - 1) < almaty_day_of(to_ms(now))


def test_end_in_the_future_or_long_ago_is_refused() -> None:
    refuse_until(UNTIL, UNTIL)
    for until in (UNTIL + timedelta(seconds=1), UNTIL - timedelta(days=800)):
        with pytest.raises(UsageError):
            refuse_until(until, UNTIL)


def test_gap_in_the_licences_is_of_use_as_long_as_the_plan_may_be_sent() -> None:
    assert oldest_of_use(UNTIL) < datetime(2024, 2, 1, tzinfo=UTC)
    assert plan().since == UNTIL - timedelta(days=14)


def test_streams_of_two_plans_have_different_names() -> None:
    changes: list[dict[str, Any]] = [{}, {"seed": 8}, {"bad": 0.1}, {"persons": 301}, {"weights": {"CUT": 1.0}}]
    assert len({plan(**change).run for change in changes} | {plan(2_001).run}) == 6
    assert plan().run == plan().run
