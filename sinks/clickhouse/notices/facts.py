"""What a notice says: refused messages, gaps, silence and our own interruptions of one organizer on one day.

Reads     plain facts of a day: counts by code, accounts of streams, days with events, late receipts
Returns   `Notice` and its lines; its id, its term, its canonical form
Promises  pure; the same facts give the same id; no line holds a person's data: a stream id that looks as if it had an
          IIN in it is masked before anything else (clause O9-5.3; box: sinks/clickhouse)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from esep.calendar import Holidays, end_of_day, next_working_day
from esep.identifiers import masked

USUAL_DAYS = 28  # Events on each of so many days running are what an organizer usually does.
SILENT_DAYS_MAX = 28  # After four weeks in which it was told every day, silence is the usual thing.
LATE_MIN = timedelta(minutes=5)  # A receipt is signed within a second; five minutes are no delay of one batch.
RANGES_MAX = 20  # Ranges of one gap that are written out; the count is of all.
GAPS_MAX = 200  # Streams that are written out, those that lack most first; the totals are of all.
_ID_DIGITS = 16  # Of the hash in an id: 64 bits, for some notices of one organizer and day.


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message is on the organizer's topic."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class RejectLine:
    """All messages of the day that were refused with one code. Instants UTC; examples: the first and the last one."""

    reject_code: str
    count: int
    first_received_at: datetime
    last_received_at: datetime
    examples: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """A stream that lacks sequences at the end of the day. ranges: the first RANGES_MAX of them, both ends included."""

    partition: int
    stream_id: str
    missing_count: int
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Gaps:
    """All gaps of the day in numbers, and those GAPS_MAX streams that lack most."""

    stream_count: int
    missing_count: int
    streams: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Silence:
    """No message on the day. since: when the last one was received, UTC."""

    since: datetime


@dataclass(frozen=True, slots=True)
class Outage:
    """Messages were accounted for late. from_at: the first was received; to_at: the last was answered. UTC."""

    from_at: datetime
    to_at: datetime
    message_count: int


@dataclass(frozen=True, slots=True)
class Late:
    """A late receipt: its last message was received, it was signed, it accounts for so many messages. UTC."""

    received_at: datetime
    issued_at: datetime
    message_count: int


@dataclass(frozen=True, slots=True)
class Notice:
    """What one organizer is told of one day (Almaty) until due_at, the end of the next working day (UTC)."""

    organizer_bin: str
    day: date
    due_at: datetime
    rejects: tuple[RejectLine, ...] = ()
    gaps: Gaps | None = None
    silence: Silence | None = None
    outages: tuple[Outage, ...] = ()

    @property
    def says_something(self) -> bool:
        """Whether there is anything that could not be received as it should."""
        return bool(self.rejects or self.gaps or self.silence or self.outages)

    @property
    def notice_id(self) -> str:
        """BIN, day and the hash of what is said: the same facts, the same id; other facts, another one."""
        digest = sha256(self.content.encode()).hexdigest()[:_ID_DIGITS]
        return f"{self.organizer_bin}-{self.day:%Y%m%d}-{digest}"

    @property
    def content(self) -> str:
        """The canonical form (JSON) that is hashed and kept. The term is no part of it: a calendar may be corrected."""
        facts = {name: fact for name, fact in asdict(self).items() if name != "due_at"}
        return json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_text)

    def to_json(self) -> dict[str, Any]:
        """Return the notice for a program to read."""
        return {"notice_id": self.notice_id, "due_at": _text(self.due_at), **json.loads(self.content)}


def due_at(day: date, holidays: Holidays) -> datetime:
    """Return until when a day must be told, UTC: the end of the next working day (clause O9-5.3)."""
    return end_of_day(next_working_day(day, holidays))


def gaps_of(accounts: Mapping[tuple[int, str], Sequence[tuple[int, int]]]) -> Gaps | None:
    """Return the gaps in streams, None where nothing is missing.

    accounts: (partition, stream id) → missing ranges, as the last receipt of the day that names the stream has them.
    """
    found = [
        Gap(partition, masked(stream_id), sum(last - first + 1 for first, last in missing), tuple(missing[:RANGES_MAX]))
        for (partition, stream_id), missing in accounts.items()
        if missing
    ]
    if not found:
        return None
    found.sort(key=lambda gap: (-gap.missing_count, gap.partition, gap.stream_id, gap.ranges))
    return Gaps(len(found), sum(gap.missing_count for gap in found), tuple(found[:GAPS_MAX]))


def silence_of(day: date, last_received_at: Mapping[date, datetime]) -> Silence | None:
    """Return the silence of a day: no message on it, while there were some on each of USUAL_DAYS before it began.

    Told on every day of it, SILENT_DAYS_MAX at most. last_received_at: of each day (Almaty) with messages, UTC.
    """
    before = [one for one in last_received_at if one < day]
    if day in last_received_at or not before:
        return None
    last = max(before)
    usual = all(last - timedelta(days=n) in last_received_at for n in range(USUAL_DAYS))
    return Silence(last_received_at[last]) if usual and (day - last).days <= SILENT_DAYS_MAX else None


def outages_of(late: Iterable[Late]) -> tuple[Outage, ...]:
    """Return our own interruptions: late receipts, those made one whose times touch."""
    found: list[Outage] = []
    for one in sorted(late, key=lambda receipt: (receipt.received_at, receipt.issued_at)):
        if found and one.received_at <= found[-1].to_at:
            before = found[-1]
            to_at, counted = max(before.to_at, one.issued_at), before.message_count + one.message_count
            found[-1] = Outage(before.from_at, to_at, counted)
        else:
            found.append(Outage(one.received_at, one.issued_at, one.message_count))
    return tuple(found)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value).__name__)
