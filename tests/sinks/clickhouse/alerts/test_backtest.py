"""What was found, as a program reads it: shares of what was decided, alerts a day."""

from __future__ import annotations

from datetime import date

from esep.sinks.clickhouse.alerts.backtest import Finding

DAYS = {date(2026, 11, 1): 3, date(2026, 11, 4): 1}
ONE = Finding("R", 2, "SHADOW", date(2026, 11, 1), date(2026, 11, 4), 4, 3, 1, 3, 2, 3, 1, 1, 3, DAYS, 0.25)


def test_shares_and_days() -> None:
    """D934-7..11: how often a rule was right, of what it finds and of all that was decided about."""
    assert (ONE.per_day, ONE.precision, ONE.live_precision) == (1.0, 0.75, 0.5)
    told = ONE.to_json()
    assert told["by_day"] == {"2026-11-01": 3, "2026-11-04": 1}
    assert told["most_on_a_day"] == 3


def test_nothing_decided_has_no_precision() -> None:
    none = Finding("R", 1, "LIVE", date(2026, 11, 1), date(2026, 11, 1), 0, 0, 0, 0, 0, 0, 0, 0, 0, {}, 0.0)
    assert (none.precision, none.live_precision, none.to_json()["most_on_a_day"]) == (None, None, 0)
