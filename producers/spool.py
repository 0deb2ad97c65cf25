"""The durable spool of an organizer: every event has its number and is on disk before anybody is told so.

Reads     events; acknowledgements of the broker; contents of receipts
Writes    one SQLite file (WAL, synchronous=FULL), and beside it `<file>.lock`, which says that it is in use
Promises  what a committed transaction holds survives a power cut; numbers of a stream are dense from its first on and
          given once; an event's bytes never change; one user at a time (DESIGN §5 "Outbox"; O9-4.5; box: producers)

    spool = Spool(path, "940140000385")
    with spool.transaction():
        sequences = spool.append("desk-7", [wager, payout])

Not for several threads at once: `GroupCommit` is the one that writes. Order is the order of `append`; no clock has a
part in it. A transaction that fails uses up no number. After a disk that failed (not: was full) nobody knows what it
holds, so the spool takes nothing more until it is opened again and has read what is there.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from esep.clock import retention_horizon, to_ms
from esep.errors import EsepError, InvariantBroken, SpoolUnwritable, UsageError
from esep.events import Correction, Event, Payout
from esep.identifiers import is_bin
from esep.producers.answers import State, note_receipt, settle
from esep.producers.numbering import refuse_stream_id
from esep.producers.records import value_of
from esep.producers.spool_file import PAGE_BYTES, lock_spool, open_spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from esep.producers.receipts import ReceiptContent

_PAGES_MAX = 2**32 - 2  # SQLite's own limit.
_PRUNE_ROWS = 10_000  # Of one transaction, so that the write-ahead log stays small.


class Ack(NamedTuple):
    """The broker has an event: where."""

    event: int
    partition: int
    offset: int


class Spool:
    """One organizer's spool. first_sequences: of streams that the spool does not know yet; others begin with 1.

    bytes_max: the size beyond which it takes no events; what is known of those in it may add a little.
    now_ms: the wall clock, UTC, for the columns that people read.
    Raises UsageError for what is no BIN, FileUnusable for a file that is another organizer's, none of ours, or in use.
    """

    def __init__(
        self,
        path: Path,
        organizer_bin: str,
        *,
        first_sequences: Mapping[str, int] = MappingProxyType({}),
        bytes_max: int | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        if not is_bin(organizer_bin):
            raise UsageError(f"{organizer_bin!r} is no BIN", hint="12 digits with a right control digit")
        self.path = path
        self.organizer_bin = organizer_bin
        self.tally: Mapping[State, int] = {}
        self._first_sequences = first_sequences
        self._pages_max = bytes_max // PAGE_BYTES if bytes_max else None
        self._now_ms = now_ms
        self._moved: Counter[State] = Counter()
        self._failed = False
        self._lock = lock_spool(path)
        try:
            self._file = open_spool(path, organizer_bin)
        except BaseException:
            self._lock.close()
            raise
        self.tally = {State(state): events for state, events in self._file.execute("SELECT state, events FROM tally")}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the body does, durably, or nothing of it.

        Raises SpoolUnwritable if the disk is full or fails; what the body raises, after undoing all.
        """
        if self._failed:
            raise SpoolUnwritable(
                f"the spool {self.path} takes nothing more: its disk has failed",
                hint="see to the disk, then start again: what was confirmed is kept",
            )
        self._moved.clear()
        try:
            self._file.execute("BEGIN IMMEDIATE")
            yield
            self._file.executemany(
                "UPDATE tally SET events = events + ? WHERE state = ?", [(n, state) for state, n in self._moved.items()]
            )
            self._file.execute("COMMIT")
        except BaseException as error:
            self._roll_back()
            if isinstance(error, sqlite3.Error):
                raise self._fault(error) from error
            raise
        self.tally = {state: count + self._moved[state] for state, count in self.tally.items()}

    def append(self, stream_id: str, events: Sequence[Event]) -> range:
        """Give events the next numbers of their stream and keep them; return the numbers.

        Raises UsageError, before anything is written, for a stream id that intake would refuse or an event that no
        schema or topic holds.
        """
        known = self._file.execute("SELECT id, next_sequence FROM streams WHERE stream_id = ?", (stream_id,)).fetchone()
        if known is None:
            refuse_stream_id(stream_id)
        first = known[1] if known else self._first_sequences.get(stream_id, 1)
        sequences = range(first, first + len(events))
        values = [
            value_of(event, self.organizer_bin, stream_id, number)
            for event, number in zip(events, sequences, strict=True)
        ]
        self._limit(self._pages_max)
        try:
            stream = known[0] if known else self._add_stream(stream_id, first)
            self._insert(stream, sequences, values, events)
        finally:
            self._limit(_PAGES_MAX)
        return sequences

    def acknowledge(self, acks: Iterable[Ack]) -> None:
        """Note that the broker has these events; one that receipts tell of already is settled with it."""
        now_ms = self._now_ms()
        acks = list(acks)
        rows = [(State.SENT, now_ms, ack.partition, ack.offset, ack.event, State.SPOOLED) for ack in acks]
        query = "UPDATE events SET state = ?, sent_at = ?, partition = ?, offset = ? WHERE id = ? AND state = ?"
        self._move(State.SPOOLED, State.SENT, self._file.executemany(query, rows).rowcount)
        for partition in {ack.partition for ack in acks}:
            self._settle(partition)

    def take_receipts(self, receipts: Iterable[tuple[int, ReceiptContent | None]]) -> None:
        """Take in receipts by their offsets, ascending; None for one that does not verify, which is passed over."""
        for offset, content in receipts:
            if content is not None:
                note_receipt(self._file, offset, content)
                self._settle(content.partition)
            self._file.execute("UPDATE spool SET receipts_offset = ?", (offset + 1,))

    def send_again(self, offsets: Mapping[int, int]) -> int:
        """Put events without a receipt, by partition through an offset, among those to be sent; return how many."""
        query = "UPDATE events SET state = ? WHERE state = ? AND partition = ? AND offset <= ?"
        rows = [(State.SPOOLED, State.SENT, partition, offset) for partition, offset in offsets.items()]
        count = self._file.executemany(query, rows).rowcount if rows else 0
        self._move(State.SENT, State.SPOOLED, count)
        return count

    def prune(self, before: datetime, now: datetime) -> int:
        """Remove receipted events whose bet was made before an instant (UTC); return how many went.

        A payout goes with its bet. Raises UsageError if the law still wants some of them at `now` (clause O9-4.7).
        """
        if before > retention_horizon(now):
            raise UsageError(
                f"events since {retention_horizon(now):%Y-%m-%d %H:%M} UTC must be kept",
                detail="five years, counted from 1 January of the year after the bet's (clause O9-4.7)",
            )
        query = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE bet_at < ? AND state = ? LIMIT ?)"
        removed = 0
        while True:
            with self.transaction():
                count = self._file.execute(query, (to_ms(before), State.RECEIPTED, _PRUNE_ROWS)).rowcount
                self._moved[State.RECEIPTED] -= count
            removed += count
            if count < _PRUNE_ROWS:
                return removed

    def close(self) -> None:
        """Leave the file to others."""
        self._file.close()
        self._lock.close()

    def _add_stream(self, stream_id: str, first: int) -> int:
        query = "INSERT INTO streams (stream_id, next_sequence) VALUES (?, ?)"
        return int(self._file.execute(query, (stream_id, first)).lastrowid or 0)

    def _insert(self, stream: int, sequences: range, values: list[bytes], events: Sequence[Event]) -> None:
        now_ms = self._now_ms()
        self._file.executemany(
            "INSERT INTO events (stream, sequence, value, bet_at, spooled_at, state) VALUES (?, ?, ?, ?, ?, 0)",
            [
                (stream, sequence, value, _bet_at(event), now_ms)
                for sequence, value, event in zip(sequences, values, events, strict=True)
            ],
        )
        self._file.execute("UPDATE streams SET next_sequence = ? WHERE id = ?", (sequences.stop, stream))
        self._moved[State.SPOOLED] += len(values)

    def _settle(self, partition: int) -> None:
        for state, count in settle(self._file, partition).items():
            self._move(State.SENT, state, count)

    def _move(self, source: State, target: State, count: int) -> None:
        self._moved[source] -= count
        self._moved[target] += count

    def _limit(self, pages: int | None) -> None:
        if self._pages_max is not None:
            self._file.execute(f"PRAGMA max_page_count = {pages}")

    def _roll_back(self) -> None:
        self._moved.clear()
        if self._file.in_transaction:
            self._file.execute("ROLLBACK")

    def _fault(self, error: sqlite3.Error) -> EsepError:
        code = error.sqlite_errorcode & 0xFF
        if code == sqlite3.SQLITE_CONSTRAINT:
            return InvariantBroken(f"the spool {self.path} would not be what it promises", detail=str(error))
        self._failed = code != sqlite3.SQLITE_FULL
        return SpoolUnwritable(
            f"the spool {self.path} could not keep this",
            detail=str(error),
            hint="make room on its disk, or raise its bytes_max; nothing was taken and no number is used up",
        )


def _bet_at(event: Event) -> int:
    if isinstance(event, Correction):
        return to_ms(event.corrected_at)  # Later than its bet: kept no shorter than the law asks.
    return to_ms(event.wager_occurred_at if isinstance(event, Payout) else event.occurred_at)
