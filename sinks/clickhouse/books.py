"""The books of both sides of the sink, and whether they agree.

Reads     nothing: `reconcile` fills them
Returns   `Report` and its parts, as values, as text and as JSON
Promises  no person's data: topics, partitions, organizers, counts and sums only (box: sinks/clickhouse)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from esep.lineage import Lane


@dataclass(frozen=True, slots=True)
class Side:
    """One lane on one side. count: records or rows; distinct: different row numbers among them, from first to last.

    amounts_tiyn: Σ of signed amounts by event type, of the ledger only.
    """

    count: int = 0
    distinct: int = 0
    first: int = 0
    last: int = 0
    amounts_tiyn: dict[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Say whether every row number from first to last is there once."""
        return self.count == self.distinct == (self.last - self.first + 1 if self.count else 0)

    def with_removed(self, removed: Side) -> Side:
        """Return these rows and those that were removed from beside them; none is among both."""
        if not removed.count:
            return self
        both = [side for side in (self, removed) if side.count]
        amounts = Counter(self.amounts_tiyn)
        amounts.update(removed.amounts_tiyn)
        return Side(
            sum(side.count for side in both),
            sum(side.distinct for side in both),
            min(side.first for side in both),
            max(side.last for side in both),
            dict(sorted(amounts.items())),
        )

    def same_as(self, other: Side) -> bool:
        """Say whether both are equal; a sum of 0 tiyn is none."""
        one, another = ({kind: tiyn for kind, tiyn in side.amounts_tiyn.items() if tiyn} for side in (self, other))
        return replace(self, amounts_tiyn=one) == replace(other, amounts_tiyn=another)

    def __str__(self) -> str:
        return (
            f"{self.count:,} rows, {self.distinct:,} distinct, {self.first:,} to {self.last:,}, Σ {self.amounts_tiyn}"
        )


@dataclass(frozen=True, slots=True)
class LaneBooks:
    """One lane on both sides. entries: of one that differs, a sentence for each of the first entries that differ.

    removed: what ClickHouse held and does not any more because its term was over (`esep retention`).
    """

    lane: Lane
    kafka: Side
    clickhouse: Side
    entries: tuple[str, ...] = ()
    removed: Side = field(default_factory=Side)

    @property
    def balanced(self) -> bool:
        """Say whether both sides are whole and equal, with what was removed."""
        return self.kafka.whole and self.kafka.same_as(self.clickhouse.with_removed(self.removed))

    def __str__(self) -> str:
        sides = f"{self.lane.cause} to {self.lane.output}: Kafka {self.kafka}; ClickHouse {self.clickhouse}"
        return "; ".join([sides, *([f"removed {self.removed}"] if self.removed.count else []), *self.entries])


@dataclass(frozen=True, slots=True)
class OrganizerBooks:
    """What an organizer was told, and what the line made of it; what was removed since counts as if it were there.

    receipts_accepted: Σ of the counts in its receipts. ledger_events: different events and corrections in the ledger.
    accepted_rows: postings in the topic `accepted`, None where its oldest records are gone. ledger_rows: postings.
    """

    organizer_bin: str
    receipts_accepted: int
    ledger_events: int
    accepted_rows: int | None
    ledger_rows: int

    @property
    def balanced(self) -> bool:
        """Say whether every event that was acknowledged is in the ledger, and nothing else."""
        return self.receipts_accepted == self.ledger_events and self.accepted_rows in {None, self.ledger_rows}

    def __str__(self) -> str:
        return (
            f"organizer {self.organizer_bin}: receipts accept {self.receipts_accepted:,} events, the ledger holds"
            f" {self.ledger_events:,}; accepted holds {self.accepted_rows} postings, the ledger {self.ledger_rows:,}"
        )


@dataclass(frozen=True, slots=True)
class Report:
    """All lanes and all organizers.

    mismatches: corrections that took back other values than were booked; intake could not tell, for the event was older
    than what it remembers (DESIGN §4 "Corrections"). conflicts: messages that repeat a number so old with other bytes.
    rollups: months of roll-ups that do not say what the ledger says.
    """

    lanes: tuple[LaneBooks, ...]
    organizers: tuple[OrganizerBooks, ...]
    mismatches: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    rollups: tuple[str, ...] = ()

    @property
    def balanced(self) -> bool:
        """Say whether both hold the same records, each once, as many as were acknowledged, and no false correction."""
        return not self.differences

    @property
    def differences(self) -> tuple[str, ...]:
        """Return a sentence for each lane and organizer that does not balance, each mismatch, conflict and roll-up."""
        lanes = [str(books) for books in self.lanes if not books.balanced]
        organizers = [str(books) for books in self.organizers if not books.balanced]
        false = [f"{text} takes back other values than were booked" for text in self.mismatches]
        other = [f"{text} with other bytes than those that count" for text in self.conflicts]
        return (*lanes, *organizers, *false, *other, *self.rollups)

    def amount_tiyn(self, event_type: str, side: str) -> int:
        """Return Σ of signed amounts of WAGER (stakes) or PAYOUT on the side `kafka` or `clickhouse`."""
        return sum(getattr(books, side).amounts_tiyn.get(event_type, 0) for books in self.lanes)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON document."""
        return {
            "balanced": self.balanced,
            "differences": list(self.differences),
            "totals": self._totals(),
            "lanes": [
                {
                    "cause": str(books.lane.cause),
                    "output": str(books.lane.output),
                    "balanced": books.balanced,
                    "kafka": asdict(books.kafka),
                    "clickhouse": asdict(books.clickhouse),
                    "removed": asdict(books.removed),
                    "entries": list(books.entries),
                }
                for books in self.lanes
            ],
            "organizers": [{**asdict(books), "balanced": books.balanced} for books in self.organizers],
            "mismatches": list(self.mismatches),
            "conflicts": list(self.conflicts),
            "rollups": list(self.rollups),
        }

    def _totals(self) -> dict[str, dict[str, int]]:
        return {
            side: {
                "rows": sum(getattr(books, side).count for books in self.lanes),
                "stakes_tiyn": self.amount_tiyn("WAGER", side),
                "payouts_tiyn": self.amount_tiyn("PAYOUT", side),
            }
            for side in ("kafka", "clickhouse")
        }

    def __str__(self) -> str:
        sums = "\n".join(
            f"{side:<10} {total['rows']:>12,} records  Σ stakes {total['stakes_tiyn']:,} tiyn"
            f"  Σ payouts {total['payouts_tiyn']:,} tiyn"
            for side, total in self._totals().items()
        )
        return "\n".join([sums, *(f"differs: {text}" for text in self.differences)])

    def __rich__(self) -> str:
        return str(self)
