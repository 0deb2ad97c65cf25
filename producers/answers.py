"""What receipts say of the events in a spool: taken, or refused with a code; final once it is known.

Reads     verified contents of receipts, in the order of their topic; where the broker put each event
Writes    the tables `coverage`, `accounts`, `notices` and the states in `events`, inside the caller's transaction
Promises  an event is RECEIPTED only if a receipt covers the offset where the broker put it and names its sequence as
          consumed; REJECTED only if a receipt refuses that very message, or refused the same bytes before; the order in
          which an acknowledgement and a receipt arrive changes nothing (DESIGN §4 "receipts"; box: producers)

Receipts cover their partition without a hole. Where one could not be read or did not verify there is a hole, and an
event in it stays SENT: sent again, it gets another place and is covered there.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from enum import IntEnum
from typing import TYPE_CHECKING

from esep.codes import BY_CODE

if TYPE_CHECKING:
    import sqlite3

    from esep.producers.receipts import ReceiptContent, RejectNotice, StreamAccount


class State(IntEnum):
    """How far an event of the spool has come."""

    SPOOLED = 0  # Durable, and the broker has not acknowledged it.
    SENT = 1  # The broker has acknowledged it; no receipt yet.
    RECEIPTED = 2  # A signed receipt says that it was taken, now or before.
    REJECTED = 3  # A signed receipt says that it was refused, and why.


_COVERED = """
SELECT id, stream, sequence,
       (SELECT receipt_offset FROM notices AS n WHERE n.partition = e.partition AND n.offset = e.offset),
       (SELECT reject_code FROM notices AS n WHERE n.partition = e.partition AND n.offset = e.offset),
       (SELECT reject_code FROM notices AS n WHERE n.stream = e.stream AND n.sequence = e.sequence AND n.consumes)
FROM events AS e
WHERE state = 1 AND partition = ? AND offset BETWEEN ? AND ?
"""
_COVER = """
INSERT INTO coverage (partition, from_offset, through_offset, receipt_offset) VALUES (?, ?, ?, ?)
ON CONFLICT (partition) DO UPDATE SET
    from_offset = iif(excluded.from_offset > through_offset + 1, excluded.from_offset, from_offset),
    through_offset = excluded.through_offset,
    receipt_offset = excluded.receipt_offset
WHERE excluded.through_offset > through_offset
"""


def note_receipt(spool: sqlite3.Connection, receipt_offset: int, content: ReceiptContent) -> None:
    """Note what a receipt says; one that reaches no further than those before it adds nothing but its notices."""
    place = content.partition, content.from_offset, content.through_offset, receipt_offset
    is_news = spool.execute(_COVER, place).rowcount
    for notice in content.rejects:
        _note_reject(spool, content.partition, receipt_offset, notice)
    for account in content.streams if is_news else ():
        _note_account(spool, content.partition, account)


def settle(spool: sqlite3.Connection, partition: int) -> Counter[State]:
    """Give each event of a partition that receipts tell of its final state; return how many got which."""
    covered = spool.execute(
        "SELECT from_offset, through_offset, receipt_offset FROM coverage WHERE partition = ?", (partition,)
    ).fetchone()
    if covered is None:
        return Counter()
    consumed = _Consumed(spool, partition)
    answers = []
    for event, stream, sequence, told_at, code, code_before in spool.execute(_COVERED, (partition, *covered[:2])):
        reject_code = code or code_before
        if reject_code:
            answers.append((State.REJECTED, told_at or covered[2], reject_code, event))
        elif consumed.holds(stream, sequence):
            answers.append((State.RECEIPTED, covered[2], None, event))
    spool.executemany("UPDATE events SET state = ?, receipt_offset = ?, reject_code = ? WHERE id = ?", answers)
    return Counter(answer[0] for answer in answers)


class _Consumed:
    """The sequences that the last receipts call consumed, by stream of a partition; read when asked for."""

    def __init__(self, spool: sqlite3.Connection, partition: int) -> None:
        self._spool = spool
        self._partition = partition
        self._ranges: dict[int, list[list[int]]] = {}

    def holds(self, stream: int, sequence: int) -> bool:
        ranges = self._ranges.get(stream)
        if ranges is None:
            query = "SELECT consumed FROM accounts WHERE stream = ? AND partition = ?"
            row = self._spool.execute(query, (stream, self._partition)).fetchone()
            ranges = self._ranges[stream] = json.loads(row[0]) if row else []
        at = bisect_right(ranges, sequence, key=lambda part: part[0])
        return at > 0 and sequence <= ranges[at - 1][1]


def _note_reject(spool: sqlite3.Connection, partition: int, receipt_offset: int, notice: RejectNotice) -> None:
    stream = None
    if notice.stream_id is not None:
        stream = _stream(spool, notice.stream_id)
        if stream is None:
            return  # Of a stream that somebody else sends, a file perhaps.
    known = BY_CODE.get(notice.reject_code)
    consumes = known.consumes if known else True  # A code of a later intake: it is safer to think the worst.
    row = (partition, notice.offset, stream, notice.sequence, notice.reject_code, consumes, receipt_offset)
    spool.execute("INSERT OR IGNORE INTO notices VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def _note_account(spool: sqlite3.Connection, partition: int, account: StreamAccount) -> None:
    stream = _stream(spool, account.stream_id)
    if stream is not None:
        consumed = json.dumps([[part.first, part.last] for part in account.consumed])
        spool.execute("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?)", (stream, partition, consumed))


def _stream(spool: sqlite3.Connection, stream_id: str) -> int | None:
    row = spool.execute("SELECT id FROM streams WHERE stream_id = ?", (stream_id,)).fetchone()
    return None if row is None else int(row[0])
