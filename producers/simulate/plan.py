"""What is to be simulated: all that the messages depend on.

Reads     arguments
Returns   `Plan`
Promises  two equal plans give the same messages, on any machine with the same versions of numpy and polars; a plan that
          cannot be carried out is refused (box: producers)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

from esep.clock import ALMATY, retention_horizon
from esep.errors import UsageError
from esep.producers.simulate.kinds import KINDS
from esep.register import Register

_RUN_CHARS = 8
DAYS_MAX = 366  # So that the gap in the licences, two years before, stays out of the span.
_UNTIL_AGE_MAX = timedelta(days=2 * 366)  # What is older would soon fall out of the retention (clause O9-4.7).


@dataclass(frozen=True, slots=True)
class Plan:
    """A simulation.

    events: how many messages, good and bad. until (UTC), days: the span of time in which all occurs. bad, duplicates,
    corrections: shares of messages. weights: kinds of bad data that occur (see `kinds`), and how often beside each
    other. partitions: of each organizer's topic. Raises UsageError for what cannot be.
    """

    register: Register
    events: int
    seed: int
    until: datetime
    days: int = 14
    bad: float = 0.0
    duplicates: float = 0.0
    corrections: float = 0.0
    persons: int = 20_000
    partitions: int = 2
    weights: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 1.0))

    def __post_init__(self) -> None:
        shares = (self.bad, self.duplicates, self.corrections)
        if not (all(0 <= share <= 1 for share in shares) and sum(shares) <= 1):
            raise UsageError(
                "the shares of bad, repeated and correcting messages lie between 0 and 1, all together too"
            )
        if min(self.events, self.persons, self.days, len(self.register.organizers)) < 1 or self.seed < 0:
            raise UsageError("a simulation needs at least one event, person, day and organizer; no seed is below 0")
        if self.days > DAYS_MAX:
            raise UsageError(f"{self.days} days are too many", hint=f"give {DAYS_MAX} at most")
        unknown = sorted(set(self.weights) - set(KINDS))
        if unknown:
            raise UsageError(f"there is no kind of bad data {', '.join(unknown)}", hint=f"there are {', '.join(KINDS)}")
        if not self.weights or min(self.weights.values()) <= 0:
            raise UsageError("each kind of bad data needs a weight above 0, and there must be one")

    @property
    def run(self) -> str:
        """A short name of this plan and no other: streams bear it, so that two simulations do not share any."""
        register = self.register.model_dump_json()
        facts = [repr(getattr(self, name)) for name in self.__slots__ if name not in {"register", "weights"}]
        text = "|".join([register, repr(sorted(self.weights.items())), *facts])
        return sha256(text.encode()).hexdigest()[:_RUN_CHARS]

    @property
    def since(self) -> datetime:
        """Where the span begins."""
        return self.until - timedelta(days=self.days)


def last_midnight(now: datetime) -> datetime:
    """Return the last midnight in Almaty, UTC: a simulation is the same all day.

    >>> last_midnight(datetime(2026, 11, 21, 20, tzinfo=UTC)).isoformat()
    '2026-11-21T19:00:00+00:00'
    """
    zone = ZoneInfo(ALMATY)
    today: date = now.astimezone(zone).date()
    return datetime.combine(today, time(), zone).astimezone(UTC)


def oldest_of_use(until: datetime) -> datetime:
    """Return the instant (UTC) from which on an event is not too old yet, whenever the simulation is sent."""
    return retention_horizon(until + _UNTIL_AGE_MAX)


def refuse_until(until: datetime, now: datetime) -> None:
    """Raise UsageError if intake would refuse events up to `until` for their age, or as not having occurred yet."""
    if not now - _UNTIL_AGE_MAX < until <= now:
        raise UsageError(
            f"a simulation cannot end at {until.isoformat()}",
            detail="intake refuses what has not occurred yet, and what is older than what is kept",
            hint="give an instant of the last two years",
        )
