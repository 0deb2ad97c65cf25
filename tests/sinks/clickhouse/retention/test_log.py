"""Of what was closed for one month and number the first that was not reopened counts, however often it is tried."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from esep.clock import retention_horizon
from esep.sinks.clickhouse.retention import log
from esep.sinks.clickhouse.retention.terms import Place, Stored, plan
from tests.sinks.clickhouse.retention.books import NOW

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from esep.sinks.clickhouse.retention.log import Removal

pytestmark = pytest.mark.clickhouse
PLACE = Place("rejected", 201001)


def test_entries_are_added_in_order_and_the_first_that_stays_closed_counts(filled: Client) -> None:
    horizon = retention_horizon(NOW)
    (decision,) = plan([Stored(PLACE, 9, datetime(2010, 1, 3, tzinfo=UTC))], {}, horizon)

    def counting() -> list[Removal]:
        return [one for one in log.removals(filled) if one.place == PLACE]

    first, second, third = (log.begin(filled, decision, horizon, f"a{n}", NOW) for n in range(3))
    assert [one.number for one in (first, second, third)] == [1, 1, 1]
    assert counting() == []
    closed = [log.note(filled, one, "CLOSED", NOW) for one in (second, first, third)]
    assert counting() == [log.Removal(PLACE, 1, "a1", 9, is_removed=False)]
    log.note(filled, closed[0], "REOPENED", NOW, "held")
    assert counting() == [log.Removal(PLACE, 1, "a0", 9, is_removed=False)]
    log.note(filled, closed[1], "REMOVED", NOW + timedelta(seconds=1))
    assert counting() == [log.Removal(PLACE, 1, "a0", 9, is_removed=True)]
    assert log.begin(filled, decision, horizon, "a9", NOW).number == 2
    noted = [one for one in log.entries(filled) if one.place == PLACE]
    states = ["BEGUN", "BEGUN", "BEGUN", "CLOSED", "CLOSED", "CLOSED", "REOPENED", "REMOVED", "BEGUN"]
    assert [one.state for one in noted] == states
    assert len({one.entry for one in noted}) == len(noted)
    assert noted[0] == first
    assert (noted[6].reason, noted[7].noted_at) == ("held", NOW + timedelta(seconds=1))
