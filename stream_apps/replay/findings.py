"""What a replay has found so far: the first differences one by one, and how much more there is.

Reads     suspects, and the records of their stretches again
Returns   `Findings`
Promises  reads no more than the stretches that differ, and nothing once enough was told (decision 0024; box: replay)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from esep.stream_apps.replay.differences import Difference, Entry, explain
from esep.stream_apps.replay.digests import LaneDigest, pieces_of, stretch_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esep.lineage import Lane
    from esep.stream_apps.replay.checks import LaneCheck, Suspect
    from esep.stream_apps.replay.log import Log

DIFFERENCES_MAX = 20  # Told one by one.


@dataclass(slots=True)
class Findings:
    """What differs. more: how many further records or stretches of records differ, which are not told."""

    differences: list[Difference] = field(default_factory=list)
    more: int = 0

    @property
    def none(self) -> bool:
        """Say whether nothing differs."""
        return not self.differences and not self.more

    def add(self, found: Iterable[Difference]) -> None:
        """Add differences; of those past DIFFERENCES_MAX the number only."""
        for one in found:
            if len(self.differences) < DIFFERENCES_MAX:
                self.differences.append(one)
            else:
                self.more += 1

    def resolve(self, log: Log, record: str, check: LaneCheck, digest: LaneDigest) -> None:
        """Add what differs in the stretches that a lane's check suspects."""
        self.more += check.more
        for suspect in check.suspects:
            if len(self.differences) >= DIFFERENCES_MAX:
                self.more += 1
                continue
            there, late = _there(log, record, check.lane, digest, suspect)
            self.add(explain(check.lane, record, there, suspect.anew, late))


def _there(log: Log, record: str, lane: Lane, digest: LaneDigest, suspect: Suspect) -> tuple[list[Entry], list[Entry]]:
    """Return the committed records of a stretch that are of concern, and those of them that stand behind later rows."""
    there: list[Entry] = []
    late: list[Entry] = []
    stretch = digest.stretches.get(suspect.number)
    if stretch is None:
        return there, late
    last_row = 0
    for batch in log.read(lane.output, stretch.first_offset, stretch.last_offset + 1):
        for piece in pieces_of(batch, record)[0]:
            if piece.lane != lane:
                continue
            numbers = stretch_of(piece.rows).tolist()
            for row, number, place in zip(piece.rows.tolist(), numbers, piece.places.tolist(), strict=True):
                if number == suspect.number and suspect.first_row <= row <= suspect.last_row:
                    entry = Entry(row, batch.offsets[place], batch.keys[place], batch.values[place])
                    there.append(entry)
                    late += [entry] * (row < last_row)
                last_row = max(last_row, row)
    return there, late
