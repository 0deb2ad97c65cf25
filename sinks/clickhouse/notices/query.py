"""Read the facts of a day from ClickHouse and make the notices of it.

Reads     tables rejected and receipts (the signed content too), of one Almaty day; days with messages before it
Returns   `notices_of`: the notices of a day, by organizer; `row_count`: whether they may have changed
Promises  reads only; selects no column that holds a person's data: neither bodies nor keys of messages; memory grows
          with streams, not with messages (clause O9-5.3; box: sinks/clickhouse)
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from esep.calendar import Holidays, end_of_day, start_of_day
from esep.clock import ALMATY, almaty_day_of, to_ms
from esep.codec import decode_body
from esep.schemas import schema
from esep.sinks.clickhouse.notices.facts import (
    LATE_MIN,
    SILENT_DAYS_MAX,
    USUAL_DAYS,
    Gaps,
    Late,
    Notice,
    Outage,
    Place,
    RejectLine,
    Silence,
    due_at,
    gaps_of,
    outages_of,
    silence_of,
)
from esep.sinks.clickhouse.tables import RECEIPTS_TABLE, REJECTED_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from clickhouse_connect.driver.client import Client

_CONTENT = schema("receipt_content")
_IN_DAY = """
received_at BETWEEN fromUnixTimestamp64Milli({first:Int64}, 'UTC') AND fromUnixTimestamp64Milli({last:Int64}, 'UTC')
AND ({organizer:String} = '' OR organizer_bin = {organizer:String})
"""
_MESSAGES = "accepted_count + duplicate_count + rejected_count + held_count"


@dataclass(frozen=True, slots=True)
class _Question:
    """One organizer, or all where it is empty, from the first day to the last one."""

    client: Client
    organizer: str
    first_day: date
    last_day: date

    @property
    def parameters(self) -> dict[str, Any]:
        first, last = to_ms(start_of_day(self.first_day)), to_ms(end_of_day(self.last_day))
        return {"first": first, "last": last, "organizer": self.organizer, "late_ms": LATE_MIN // _MILLISECOND}

    def rows(self, statement: str) -> Any:
        return self.client.query(statement, parameters=self.parameters).result_rows


_MILLISECOND = timedelta(milliseconds=1)


def notices_of(client: Client, day: date, holidays: Holidays, organizer_bin: str = "") -> list[Notice]:
    """Return the notices of a day (Almaty), by organizer; organizer_bin: of this one only.

    Those organizers have one for whom there is something to say. Raises clickhouse-connect's DatabaseError.
    """
    question = _Question(client, organizer_bin, day, day)
    rejects, gaps = _rejects(question), _gaps(question)
    outages, silences = _outages(question), _silences(client, day, organizer_bin)
    due = due_at(day, holidays)
    return [
        Notice(bin_, day, due, rejects.get(bin_, ()), gaps.get(bin_), silences.get(bin_), outages.get(bin_, ()))
        for bin_ in sorted({*rejects, *gaps, *silences, *outages})
    ]


def row_count(client: Client, day: date) -> int:
    """Return how many rows the facts of a day come from: it grows with whatever could change them."""
    question = _Question(client, "", day - timedelta(days=USUAL_DAYS + SILENT_DAYS_MAX), day)
    counts = [
        question.rows(f"SELECT count() FROM {table.name} WHERE {_IN_DAY}")[0][0]  # noqa: S608 - names from tables.py
        for table in (RECEIPTS_TABLE, REJECTED_TABLE)
    ]
    return sum(map(int, counts))


def _rejects(question: _Question) -> dict[str, tuple[RejectLine, ...]]:
    """Return a line per code, by organizer; the codes in their alphabetical order."""
    place = "(received_at, cause_partition, cause_offset)"
    rows = question.rows(
        f"""
        SELECT organizer_bin, reject_code, count(),
            toUnixTimestamp64Milli(min(received_at)), toUnixTimestamp64Milli(max(received_at)),
            argMin((cause_partition, cause_offset), {place}), argMax((cause_partition, cause_offset), {place})
        FROM {REJECTED_TABLE.name} WHERE {_IN_DAY}
        GROUP BY organizer_bin, reject_code ORDER BY organizer_bin, reject_code
        """  # noqa: S608 - names from tables.py
    )
    found: defaultdict[str, list[RejectLine]] = defaultdict(list)
    for bin_, code, count, first_ms, last_ms, first, last in rows:
        examples = tuple(Place(int(one[0]), int(one[1])) for one in ([first] if first == last else [first, last]))
        found[bin_].append(RejectLine(code, int(count), _instant(first_ms), _instant(last_ms), examples))
    return {bin_: tuple(lines) for bin_, lines in found.items()}


def _gaps(question: _Question) -> dict[str, Gaps]:
    """Return what was missing at the end of the day in the streams that it touched, by organizer."""
    accounts: defaultdict[str, dict[tuple[int, str], list[tuple[int, int]]]] = defaultdict(dict)
    for bin_, partition, content in _contents(question):
        for account in decode_body(content, _CONTENT)["streams"]:
            missing = [(one["first"], one["last"]) for one in account["missing"]]
            accounts[bin_][(partition, account["stream_id"])] = missing
    found = {bin_: gaps_of(of_streams) for bin_, of_streams in accounts.items()}
    return {bin_: gaps for bin_, gaps in found.items() if gaps is not None}


def _contents(question: _Question) -> Iterator[tuple[str, int, bytes]]:
    """Yield organizer, partition and signed content of the day's receipts, the later one of a partition later."""
    answer = question.client.query_row_block_stream(
        f"""
        SELECT organizer_bin, cause_partition, content
        FROM {RECEIPTS_TABLE.name} WHERE {_IN_DAY}
        ORDER BY organizer_bin, cause_topic, cause_partition, through_offset, row
        """,  # noqa: S608 - names from tables.py
        parameters=question.parameters,
        column_formats={"content": "bytes"},
    )
    with answer:
        for block in answer:
            yield from block


def _outages(question: _Question) -> dict[str, tuple[Outage, ...]]:
    rows = question.rows(
        f"""
        SELECT organizer_bin, toUnixTimestamp64Milli(received_at), toUnixTimestamp64Milli(issued_at), {_MESSAGES}
        FROM {RECEIPTS_TABLE.name}
        WHERE {_IN_DAY} AND toUnixTimestamp64Milli(issued_at) - toUnixTimestamp64Milli(received_at) > {{late_ms:Int64}}
        """  # noqa: S608 - names from tables.py
    )
    late: defaultdict[str, list[Late]] = defaultdict(list)
    for bin_, received_ms, issued_ms, count in rows:
        late[bin_].append(Late(_instant(received_ms), _instant(issued_ms), int(count)))
    return {bin_: outages_of(of_organizer) for bin_, of_organizer in late.items()}


def _silences(client: Client, day: date, organizer_bin: str) -> dict[str, Silence]:
    """Return who was silent: every message has its place in a receipt, so days without receipts have no messages."""
    question = _Question(client, organizer_bin, day - timedelta(days=USUAL_DAYS + SILENT_DAYS_MAX), day)
    rows = question.rows(
        f"""
        SELECT organizer_bin, toUnixTimestamp64Milli(max(received_at))
        FROM {RECEIPTS_TABLE.name} WHERE {_IN_DAY} GROUP BY organizer_bin, toDate(received_at, '{ALMATY}')
        """  # noqa: S608 - names from tables.py
    )
    last_received_at: defaultdict[str, dict[date, datetime]] = defaultdict(dict)
    for bin_, last_ms in rows:
        last_received_at[bin_][almaty_day_of(last_ms)] = _instant(last_ms)
    found = {bin_: silence_of(day, of_days) for bin_, of_days in last_received_at.items()}
    return {bin_: silence for bin_, silence in found.items() if silence is not None}


def _instant(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(ms))
