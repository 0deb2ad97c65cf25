"""Compare a lane as it is worked out anew with what is remembered of the committed one, stretch by stretch.

Reads     a `LaneDigest`; the records of the lane as a stage makes them, in order
Returns   `Suspect` per stretch that is not the same, with the records that should be there
Promises  keeps the records of one stretch, and of the first few that differ; no I/O (DESIGN §5; decision 0024; box:
          replay)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from esep.stream_apps.replay.differences import Entry
from esep.stream_apps.replay.digests import STRETCH_ROWS, LaneDigest, digest_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.lineage import Lane

KEPT_MAX = 2  # Stretches of a lane whose records are kept to be told one by one; more are counted.
BEYOND_MAX = 20  # Records behind the last committed row that are kept likewise.
NEVER = 1 << 62


class Suspect(NamedTuple):
    """A stretch to be told record by record. first_row, last_row: which of its rows are of concern, both inclusive."""

    number: int
    first_row: int
    last_row: int
    anew: tuple[Entry, ...]


def first_row_of(digest: LaneDigest, output_first: int) -> int:
    """Return the first row of a lane that can be compared. output_first: the first offset that its topic still has."""
    if output_first == 0:
        return 1
    return max(1, digest.first_row) if digest.count else NEVER


class LaneCheck:
    """One lane while it is worked out anew.

    first_row: the first one to compare; those before are not kept any more, or not worked out.
    suspects: the stretches that differ, at most KEPT_MAX of them with records. more: how many others differ.
    """

    def __init__(self, lane: Lane, digest: LaneDigest, first_row: int = 1) -> None:
        self.lane = lane
        self.suspects: list[Suspect] = []
        self.more = 0
        self.compared = 0
        self.not_kept = 0
        self._digest = digest
        self._first_row = first_row
        self._row = 0  # The last one made.
        self._required = 0  # Rows up to this one must be there.
        self._pending: list[Entry] = []
        self._beyond: list[Entry] = []
        self._ended = (first_row - 1) // STRETCH_ROWS - 1  # The last stretch that was compared.

    def begin(self, row: int) -> None:
        """Leave out the rows before this one."""
        self._first_row = max(self._first_row, row)
        self._ended = (self._first_row - 1) // STRETCH_ROWS - 1

    def take(self, first_row: int, keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> None:
        """Compare the next records of the lane, whose rows are first_row and so on."""
        last = self._digest.last_row
        for row, (key, value) in enumerate(zip(keys, values, strict=True), first_row):
            self._row = row
            if row < self._first_row:
                self.not_kept += 1
            elif row > last:
                if len(self._beyond) < BEYOND_MAX:
                    self._beyond.append(Entry(row, None, key, value))
            else:
                self._pending.append(Entry(row, None, key, value))
                if row % STRETCH_ROWS == 0 or row == last:
                    self._end_stretch()

    def require(self) -> None:
        """Note that all that was made so far must be there."""
        self._required = self._row

    def finish(self, *, ends_open: bool = False) -> None:
        """Compare what is left. ends_open: what the committed lane has behind the last row made is of no concern."""
        if self._pending:
            self._end_stretch(self._row if ends_open else NEVER)
        for number in sorted(self._digest.stretches):
            if (number > self._ended and not ends_open) or number < 0:
                self._suspect(Suspect(number, -NEVER if number < 0 else self._first_row, NEVER, ()))
        missing = [entry for entry in self._beyond if entry.row <= self._required]
        if missing:
            last = missing[-1].row
            self._suspect(Suspect((last - 1) // STRETCH_ROWS, missing[0].row, last, (*missing,)))
            self.more += -(-(self._required - last) // STRETCH_ROWS)

    def _end_stretch(self, last_row: int = NEVER) -> None:
        number = (self._pending[0].row - 1) // STRETCH_ROWS
        known = self._digest.stretches.get(number)
        keys, values = [entry.key for entry in self._pending], [entry.value for entry in self._pending]
        self.compared += len(self._pending)
        if known is None or known.digest != digest_of(keys, values):
            self._suspect(Suspect(number, self._first_row, last_row, tuple(self._pending)))
        self._ended, self._pending = number, []

    def _suspect(self, suspect: Suspect) -> None:
        if len(self.suspects) < KEPT_MAX:
            self.suspects.append(suspect)
        else:
            self.more += 1
