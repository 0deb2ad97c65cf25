"""Which months of which tables may go: the term of the law, and the holds that keep what is past it.

Reads     what a month of a table holds at the most recent; which holds hit it; the horizon
Returns   a `Decision` per month
Promises  no I/O and no clock of its own; a month goes only if every row in it is past its term and no hold hits any of
          them; what goes on a day goes on every later one, and a further hold never lets more go (clause O9-4.7; box:
          sinks/clickhouse)

The term is counted by calendar years from the year of the bet, a payout counting by its wager. The tables are cut by
months in UTC, so that a December holds the first hours of the Almaty year after it: with a bet of these it stays for
one more year. "At least" is what the law asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from esep.clock import ALMATY, RETENTION_YEARS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Place(NamedTuple):
    """A month (yyyymm, UTC) of a table."""

    table: str
    month: int

    def __str__(self) -> str:
        return f"{self.table} {self.month}"


@dataclass(frozen=True, slots=True)
class Stored:
    """What there is of a month. latest_at: when the youngest bet was made that anything in it may be about."""

    place: Place
    rows: int
    latest_at: datetime


class Keeping(NamedTuple):
    """A hold that keeps a month, and how many of its rows it hits."""

    hold_id: str
    case_number: str
    rows: int


class Verdict(Enum):
    """What becomes of a month."""

    GOES = "goes"
    IN_TERM = "in term"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Decision:
    """A month, what becomes of it, the day from which its term is over, and the holds that keep it."""

    stored: Stored
    verdict: Verdict
    free_from: date
    holds: tuple[Keeping, ...]

    @property
    def reason(self) -> str:
        """Return why, in words; names no person."""
        last = f"the youngest bet is of {_year(self.stored.latest_at)}, kept to the end of {self.free_from.year - 1}"
        if self.verdict is not Verdict.HELD:
            return last
        return "held by " + ", ".join(
            f"{one.hold_id} (case {one.case_number}: {one.rows:,} rows)" for one in self.holds
        )


def plan(stored: Iterable[Stored], keeping: Mapping[Place, Sequence[Keeping]], horizon: datetime) -> list[Decision]:
    """Return what becomes of each month, the oldest first.

    horizon: the first instant whose bets must still be kept (`esep.clock.retention_horizon`).
    """
    decisions = []
    for one in sorted(stored, key=lambda one: (one.place.month, one.place.table)):
        holds = tuple(keeping.get(one.place, ()))
        over = one.latest_at < horizon
        verdict = Verdict.IN_TERM if not over else Verdict.HELD if holds else Verdict.GOES
        decisions.append(Decision(one, verdict, free_from(one.latest_at), holds if over else ()))
    return decisions


def free_from(latest_at: datetime) -> date:
    """Return the first day, in Almaty, on which what was bet then need not be kept any more.

    >>> from datetime import UTC
    >>> free_from(datetime(2020, 12, 31, 17, 59, tzinfo=UTC)), free_from(datetime(2020, 12, 31, 18, tzinfo=UTC))
    (datetime.date(2026, 1, 1), datetime.date(2027, 1, 1))
    """
    return date(_year(latest_at) + RETENTION_YEARS + 1, 1, 1)


def _year(at: datetime) -> int:
    return at.astimezone(ZoneInfo(ALMATY)).year
