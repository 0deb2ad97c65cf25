"""Look into a spool beside the one that writes it: what is to be sent, what waits for its receipt, all of it.

Reads     a spool's file
Returns   events to send, counts, whole pages of the organizer's own copy
Promises  changes nothing, waits for nobody, and holds one event at a time in memory where it may be many; for one
          thread at a time (box: producers)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from esep.closing import Closing
from esep.producers.answers import State
from esep.producers.spool_file import read_spool

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

_UNSENT = """
SELECT e.id, s.stream_id, e.value FROM events AS e INDEXED BY unsent JOIN streams AS s ON s.id = e.stream
WHERE e.state = 0 AND e.id > ? ORDER BY e.id
"""
_OF_DAY = """
SELECT s.stream_id,
       coalesce(max(iif(e.spooled_at < ?, e.sequence, NULL)), min(e.sequence) - 1) + 1,
       max(iif(e.spooled_at < ?, e.sequence, NULL))
FROM events AS e JOIN streams AS s ON s.id = e.stream GROUP BY s.id ORDER BY s.stream_id
"""
_PAGE = """
SELECT e.id, s.stream_id, e.sequence, e.value, e.state, e.spooled_at, e.sent_at, e.partition, e.offset,
       e.receipt_offset, e.reject_code
FROM events AS e JOIN streams AS s ON s.id = e.stream WHERE e.id > ? ORDER BY e.id LIMIT ?
"""


class Unsent(NamedTuple):
    """An event that the broker has not acknowledged."""

    event: int
    stream_id: str
    value: bytes


class StreamDay(NamedTuple):
    """The sequences that a stream gained in a day."""

    stream_id: str
    first: int
    last: int


class SpoolReader(Closing):
    """Reads the spool at `path`. Raises FileUnusable if it is none."""

    def __init__(self, path: Path) -> None:
        self._file = read_spool(path)

    @property
    def organizer_bin(self) -> str:
        """Whose spool it is."""
        return str(self._file.execute("SELECT organizer_bin FROM spool").fetchone()[0])

    @property
    def receipts_offset(self) -> int:
        """The offset of the next receipt to read."""
        return int(self._file.execute("SELECT receipts_offset FROM spool").fetchone()[0])

    def tally(self) -> dict[State, int]:
        """Return how many events are in each state."""
        return {State(state): events for state, events in self._file.execute("SELECT state, events FROM tally")}

    def streams(self) -> dict[str, int]:
        """Return the next sequence of each stream."""
        return dict(self._file.execute("SELECT stream_id, next_sequence FROM streams ORDER BY stream_id"))

    def streams_of_day(self, start_ms: int, end_ms: int) -> list[StreamDay]:
        """Return the sequences that each stream gained from one instant (UTC, ms) until another, by stream id.

        A stream has gained by an instant all up to its highest sequence that was spooled before it.
        """
        return [
            StreamDay(stream_id, first, last)
            for stream_id, first, last in self._file.execute(_OF_DAY, (start_ms, end_ms))
            if last is not None and first <= last
        ]

    def unsent(self, after: int) -> Generator[Unsent]:
        """Yield the events to send whose id is above `after`, in the order to send them.

        Close it if it is not read to its end: until then it holds the write-ahead log.
        """
        cursor = self._file.execute(_UNSENT, (after,))
        try:
            yield from map(Unsent._make, cursor)
        finally:
            cursor.close()

    def last_event(self) -> int:
        """Return the highest id given so far, 0 if none is there."""
        return int(self._file.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])

    def is_sent_through(self, event: int) -> bool:
        """Return whether the broker has acknowledged every event up to an id."""
        query = "SELECT min(id) FROM events INDEXED BY unsent WHERE state = 0"
        first = self._file.execute(query).fetchone()[0]
        return first is None or first > event

    def ends_unanswered(self) -> dict[int, int]:
        """Return, by partition, the highest offset of an event that waits for its receipt."""
        query = "SELECT partition, max(offset) FROM events WHERE state = 1 GROUP BY partition"
        return dict(self._file.execute(query))

    def count_unanswered(self, through: Mapping[int, int]) -> int:
        """Return how many events wait for receipts, up to these offsets of partitions."""
        query = "SELECT count(*) FROM events WHERE state = 1 AND partition = ? AND offset <= ?"
        return sum(self._file.execute(query, place).fetchone()[0] for place in through.items())

    def count_receipted_before(self, instant_ms: int) -> int:
        """Return how many receipted events belong to bets made before an instant (UTC, ms)."""
        query = "SELECT count(*) FROM events WHERE bet_at < ? AND state = ?"
        return int(self._file.execute(query, (instant_ms, State.RECEIPTED)).fetchone()[0])

    def page(self, after: int, rows: int) -> list[dict[str, Any]]:
        """Return up to so many events whose id is above `after`, by id, with all that is known of them."""
        cursor = self._file.execute(_PAGE, (after, rows))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def close(self) -> None:
        """Leave the file."""
        self._file.close()
