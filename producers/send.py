"""Send a file (CSV, JSON Lines, Parquet): map, check, number, send, wait for the receipts, say what came of it.

Reads     the file, the clock, the organizer's receipts
Writes    organizer.<BIN>.events; the rejected rows into a file, if one is named
Promises  however often a file is sent under one stream, changed or not, no event of it is counted twice; what is
          rejected is said by line and code, the other rows pass (boxes: producers, intake)

The same file is sent under the same numbers, so intake knows each event again. If the file was changed meanwhile, its
events have moved to other numbers, and those beyond the last number used before would be new to intake. Therefore:
  1. the first event goes alone, and its receipt tells which numbers of the stream have been used;
  2. of these the last COMPARED_MAX go again, for intake has their bytes and tells whether anything differs;
  3. only if nothing does, the events go whose numbers have not been used.
So a sending that was cut off goes on where it stopped. What was used before the last COMPARED_MAX is not sent again:
intake would count it as a repetition without looking at it (docs/decisions/0006).
Without receipts (`receipts=None`) this guard is missing: everything goes at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from esep.clock import almaty_day_of, to_ms
from esep.producers.files import LINE, FileRows, refuse_existing
from esep.producers.formats import form_of, read_file, refuse_other_form, write_rows
from esep.producers.numbering import COMPARED_MAX, held_back, number_events, stream_id_of
from esep.producers.progress import SendProgress
from esep.producers.rows import Mapped, map_rows
from esep.producers.summary import Outcome, RowReject, Summary
from esep.producers.tally import Tally, covers, tally

if TYPE_CHECKING:
    from pathlib import Path

    from esep.producers.formats import Form
    from esep.producers.mapping import Mapping
    from esep.producers.receipt_reader import ReceiptReader
    from esep.producers.receipts import ReceiptContent
    from esep.producers.sender import EventSender, Span

RECEIPT_WAIT_S = 60.0  # Without any news; intake answers within a second while it runs.
_SLICE_ROWS = 10_000  # Events between two movements of the progress bar.
_READ_S = 0.5


def send_file(
    path: Path,
    mapping: Mapping,
    client: EventSender,
    *,
    receipts: ReceiptReader | None,
    stream_id: str | None = None,
    shift_days: int | str | None = None,
    rejected_path: Path | None = None,
    now: datetime | None = None,
    show_progress: bool = True,
    receipt_wait_s: float = RECEIPT_WAIT_S,
) -> Summary:
    """Send what the rows of a file are for the client's organizer; return what came of it.

    receipts: None sends without the guard and without waiting. stream_id: by default `stream_id_of`. shift_days:
    instead of the mapping's. rejected_path: a new file for the rows to be mended; not written where there are none.
    now: UTC, by default the clock's. receipt_wait_s: how long receipts may stay away before the wait ends.
    Raises FileUnusable, MappingInvalid, UsageError before anything is sent; BrokerUnavailable, SettingInvalid.
    """
    started_s = time.monotonic()
    now = now or datetime.now(UTC)
    if rejected_path is not None:
        refuse_other_form(path, rejected_path)
        refuse_existing(rejected_path)
    rows = read_file(path, mapping.columns)
    mapped = map_rows(rows, mapping, client.organizer_bin, almaty_day_of(to_ms(now)), shift_days)
    stream = stream_id or stream_id_of(path, mapped.shift_days)
    numbered = number_events(mapped.events, client.organizer_bin, stream)
    waiting = held_back(numbered, now)
    with SendProgress(path.name, shown=show_progress) as progress:
        sending = _Sending(client, receipts, stream, progress, receipt_wait_s)
        outcome = _send(sending, numbered.filter(~pl.col(LINE).is_in(waiting[LINE].implode())))
    told = sending.tally()
    rejects = _local_rejects(mapped, waiting) + _intake_rejects(numbered, told)
    written = _write_rejected(rejected_path, rows, rejects, form_of(path))
    return Summary(
        file=str(path),
        organizer_bin=client.organizer_bin,
        stream_id=stream,
        shift_days=mapped.shift_days,
        outcome=outcome,
        rows=mapped.rows,
        rows_rejected=len({reject.line for reject in rejects}.difference(waiting[LINE])),
        rows_waiting=waiting.height,
        events_numbered=numbered.height,
        events_sent=sending.sent,
        events_skipped=sending.skipped,
        events_accepted=told.accepted,
        events_duplicate=told.duplicate,
        events_rejected=told.rejected,
        send_s=round(sending.send_s, 3),
        total_s=round(time.monotonic() - started_s, 3),
        rejects=tuple(sorted(rejects, key=lambda reject: (reject.line, reject.sequence or 0))),
        rejected_file=written,
    )


@dataclass(slots=True)
class _Sending:
    """One file under way."""

    client: EventSender
    receipts: ReceiptReader | None
    stream_id: str
    progress: SendProgress
    receipt_wait_s: float
    sent: int = 0
    skipped: int = 0
    send_s: float = 0.0
    spans: list[Span] = field(default_factory=list)
    contents: list[ReceiptContent] = field(default_factory=list)

    def tally(self) -> Tally:
        return tally(self.contents, self.spans, self.stream_id)


def _send(sending: _Sending, events: pl.DataFrame) -> Outcome:
    if events.is_empty():
        return Outcome.COMPLETE
    sending.progress.total(events.height)
    sending.client.ready()
    sending.client.flush()
    sending.client.take_acknowledged()  # What was sent by this client before is not of this file.
    if sending.receipts is None:
        _hand_over(sending, events)
        return Outcome.NOT_AWAITED
    sending.receipts.start()
    return _send_guarded(sending, sending.receipts, events)


def _send_guarded(sending: _Sending, receipts: ReceiptReader, events: pl.DataFrame) -> Outcome:
    """Send events in the three steps of the module's head."""
    if not _hand_over_and_wait(sending, receipts, events.head(1)):
        return Outcome.RECEIPTS_OUTSTANDING
    again, unused = _parts(events.slice(1), sending.tally())
    sending.skipped = events.height - 1 - again.height - unused.height
    sending.progress.sent(sending.skipped)
    for part in (again, unused):
        if not sending.tally().has_conflict and not _hand_over_and_wait(sending, receipts, part):
            return Outcome.RECEIPTS_OUTSTANDING
    told = sending.tally()
    if told.has_conflict:
        return Outcome.STOPPED_BY_CONFLICT
    return Outcome.COMPLETE if told.total == sending.sent else Outcome.STREAM_SHARED


def _parts(events: pl.DataFrame, told: Tally) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the events whose numbers were used, of which intake still has the bytes, and those of unused numbers."""
    ranges = pl.DataFrame(told.consumed, schema={"sequence": pl.Int64, "_last": pl.Int64}, orient="row")
    marked = events.join_asof(ranges, on="sequence", strategy="backward")
    used = marked["sequence"] <= marked["_last"].fill_null(0)
    recent = events["sequence"] > told.known_through - COMPARED_MAX
    return events.filter(used & recent), events.filter(~used)


def _hand_over(sending: _Sending, events: pl.DataFrame) -> None:
    """Return once the broker has acknowledged all events."""
    started_s = time.monotonic()
    for part in events.drop(LINE).iter_slices(_SLICE_ROWS):
        sending.client.send_frame(part)
        sending.progress.sent(part.height)
    sending.client.flush()
    sending.send_s += time.monotonic() - started_s
    sending.sent += events.height
    sending.spans += sending.client.take_acknowledged().values()


def _hand_over_and_wait(sending: _Sending, receipts: ReceiptReader, events: pl.DataFrame) -> bool:
    """Return whether receipts have come for all events, once they have or stayed away too long."""
    _hand_over(sending, events)
    partitions = {span.partition for span in sending.spans}
    last_news_s = time.monotonic()
    while not covers(sending.contents, sending.spans):
        news = [content for content in receipts.read(_READ_S) if content.partition in partitions]
        if news:
            last_news_s = time.monotonic()
            sending.contents += news
            sending.progress.received(sending.tally().total)
        elif time.monotonic() - last_news_s > sending.receipt_wait_s:
            return False
    return True


def _local_rejects(mapped: Mapped, waiting: pl.DataFrame) -> list[RowReject]:
    """Return the rows that were held back here: for good, or until they have occurred."""
    faulty = [RowReject(line, code, field) for line, code, field in mapped.rejects.iter_rows()]
    return faulty + [RowReject(line, code, field, to_mend=False) for line, code, field in waiting.iter_rows()]


def _intake_rejects(numbered: pl.DataFrame, told: Tally) -> list[RowReject]:
    """Return the events that intake refused.

    A row is to be mended and sent in another file only if nothing of it has been counted: all its events were
    refused, and none because its number had been used (what used it may have been this very row).
    """
    refused = {sequence: notice.reject_code for sequence, notice in told.rejects.items()}
    events = numbered.select(LINE, "sequence", "event_type")
    of_rows = events.filter(pl.col(LINE).is_in(events.filter(pl.col("sequence").is_in(list(refused)))[LINE].implode()))
    codes_by_line: dict[int, list[str | None]] = {}
    for line, sequence, _ in of_rows.iter_rows():
        codes_by_line.setdefault(line, []).append(refused.get(sequence))
    return [
        RowReject(
            line,
            refused[sequence],
            told.rejects[sequence].field,
            event_type,
            sequence,
            to_mend=all(code not in {None, "SEQUENCE_CONFLICT"} for code in codes_by_line[line]),
        )
        for line, sequence, event_type in of_rows.iter_rows()
        if sequence in refused
    ]


def _write_rejected(path: Path | None, rows: FileRows, rejects: list[RowReject], form: Form) -> str | None:
    lines = {reject.line for reject in rejects if reject.to_mend}
    if path is None or not lines:
        return None
    write_rows(path, rows, lines, form)
    return str(path)
