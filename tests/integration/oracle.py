"""What the line must answer for a file of bets, worked out in plain Python without any code of esep.

Reads     a CSV of bets in the columns of examples/bustabit-a.csv; which organizer and IIN each player has
Returns   every posting with its running totals, in the order of one stream; sums; the alerts that must be raised
Promises  shares nothing with the stages: the csv module, Fraction and dicts only
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

THRESHOLD_TIYN = 1_000_000 * 100
DAY_MS = 24 * 3600 * 1000
_ALMATY = timedelta(hours=5)  # Of every instant since 1 March 2024, and the demo's bets lie after it.


@dataclass(frozen=True)
class Posting:
    """A wager or payout as the file says it."""

    organizer: str
    username: str
    wager_id: str
    event_type: str
    occurred_ms: int
    amount_tiyn: int
    won_tiyn: int | None

    @property
    def year(self) -> int:
        """The Almaty year of the posting."""
        return (datetime.fromtimestamp(self.occurred_ms / 1000, UTC) + _ALMATY).year

    @property
    def day(self) -> str:
        """The Almaty day of the posting."""
        return (datetime.fromtimestamp(self.occurred_ms / 1000, UTC) + _ALMATY).date().isoformat()


def postings(path: Path, organizer_of: dict[str, str], shift_days: int) -> list[Posting]:
    """Return every posting of the file in its order: a wager per row, then its payout if the player left in time."""
    found = []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            at = datetime.strptime(row["PlayDate"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            occurred_ms = int((at + timedelta(days=shift_days)).timestamp() * 1000)
            name, stake = row["Username"], _tiyn(row["Bet"])
            found.append(Posting(organizer_of[name], name, row["Id"], "WAGER", occurred_ms, stake, None))
            if row["CashedOut"] != "NA":
                won = _tiyn(row["Profit"])
                found.append(Posting(organizer_of[name], name, row["Id"], "PAYOUT", occurred_ms, stake + won, won))
    return found


def running_totals(ordered: list[Posting]) -> list[dict[str, int]]:
    """Return, after each posting in the given order, the totals of its person and of its person at its organizer."""
    sums: defaultdict[tuple[object, ...], int] = defaultdict(int)
    after = []
    for posting in ordered:
        measure = "wager" if posting.event_type == "WAGER" else "winning"
        seen = {}
        for scope, key in (("person", (posting.username,)), ("organizer", (posting.username, posting.organizer))):
            for span, when in (("year", posting.year), ("ever", 0)):
                sums[*key, when, measure, "count"] += 1
                sums[*key, when, measure, "tiyn"] += posting.amount_tiyn
                for name in ("wager", "winning"):
                    for what in ("count", "tiyn"):
                        seen[f"{scope}_{span}_{name}_{what}"] = sums[*key, when, name, what]
        after.append(seen)
    return after


def threshold_alerts(found: list[Posting]) -> set[tuple[str, str]]:
    """Return (username, wager id) of every payout of 1,000,000 tenge or more."""
    return {(p.username, p.wager_id) for p in found if p.event_type == "PAYOUT" and p.amount_tiyn >= THRESHOLD_TIYN}


def structured_alerts(found: list[Posting]) -> set[tuple[str, str]]:
    """Return (username, Almaty day) where payouts of 24 h, two or more, each below the threshold, reach it together."""
    by_person: defaultdict[str, list[Posting]] = defaultdict(list)
    for posting in found:
        if posting.event_type == "PAYOUT" and posting.amount_tiyn < THRESHOLD_TIYN:
            by_person[posting.username].append(posting)
    raised = set()
    for name, own in by_person.items():
        for last in own:
            window = [p for p in own if last.occurred_ms - DAY_MS < p.occurred_ms <= last.occurred_ms]
            if len(window) > 1 and sum(p.amount_tiyn for p in window) >= THRESHOLD_TIYN:
                raised.add((name, last.day))
    return raised


def _tiyn(tenge: str) -> int:
    tiyn = Fraction(tenge) * 100
    if tiyn.denominator != 1:
        raise ValueError(f"{tenge} is not a whole number of tiyn")
    return int(tiyn)
