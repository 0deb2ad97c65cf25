"""Until when a mandatory report is due, and which are due now.

Reads     mandatory alerts that stand (`query`), the working calendar
Returns   `Due`, those with the least time first
Promises  pure; the term is the end (Almaty) of the working day after the day of the payout; no person's number
          (AML law 191-IV, Art. 10; J127-17; box: sinks/clickhouse)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from esep.calendar import Holidays, end_of_day, next_working_day
from esep.clock import almaty_day_of, to_ms
from esep.sinks.clickhouse.alerts.facts import instant

if TYPE_CHECKING:
    from collections.abc import Iterable

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Due:
    """A mandatory alert that is to be reported. Instants UTC; hours_left: until due_at, negative once overdue.

    verdict: of the last decision, or an empty text; an alert that is CONFIRMED is still to be reported.
    """

    alert_id: str
    revision: int
    rule_id: str
    organizer_bins: tuple[str, ...]
    occurred_at: datetime
    due_at: datetime
    hours_left: float
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """Return it for a program to read."""
        told = {name: getattr(self, name) for name in self.__slots__}
        instants = {"occurred_at": instant(self.occurred_at), "due_at": instant(self.due_at)}
        return {**told, **instants, "organizer_bins": list(self.organizer_bins)}


def due_at(occurred_at: datetime, holidays: Holidays) -> datetime:
    """Return until when a payout must be reported, UTC: the end of the working day after its day in Almaty.

    Winnings of 1,000,000 tenge or more are reported no later than the next working day (AML law 191-IV, Art. 10).
    Raises FileUnusable if the calendar does not know the year.
    """
    return end_of_day(next_working_day(almaty_day_of(to_ms(occurred_at)), holidays))


def due_of(standing: Iterable[dict[str, Any]], holidays: Holidays, now: datetime) -> list[Due]:
    """Return the mandatory alerts that stand by the time left, then by id; standing: rows of `standing_mandatory`."""
    found = []
    for row in standing:
        due = due_at(row["occurred_at"], holidays)
        found.append(
            Due(
                alert_id=row["alert_id"],
                revision=row["revision"],
                rule_id=row["rule_id"],
                organizer_bins=tuple(row["organizer_bins"]),
                occurred_at=row["occurred_at"],
                due_at=due,
                hours_left=round((due - now) / _HOUR, 2),
                verdict=row["last_verdict"],
            )
        )
    return sorted(found, key=lambda one: (one.due_at, one.alert_id))
