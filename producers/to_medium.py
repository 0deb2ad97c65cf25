"""Write a file of rows as a signed file of messages, to be carried where no line goes.

Reads     a file (CSV, JSON Lines, Parquet) and its mapping, the clock, the organizer's key
Writes    a new signed file (`esep.producers.medium`); the rejected rows into another, if one is named
Promises  the messages are those that `esep send` would put on the topic, under the same numbers, so a file may go both
          ways and is counted once; rows that cannot pass are named as `esep send` names them (clause O114-3;
          box: producers)

The guard of `esep send` against a file that was changed after it was sent needs receipts while it sends, so it is
missing here as with --no-wait: intake refuses what differs under a used number (SEQUENCE_CONFLICT), and takes the rest.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from esep.clock import almaty_day_of, to_ms
from esep.errors import FileUnusable
from esep.events import encoded
from esep.producers.files import LINE, refuse_existing
from esep.producers.formats import form_of, read_file, refuse_other_form, write_rows
from esep.producers.medium import write_medium
from esep.producers.numbering import held_back, number_events, stream_id_of
from esep.producers.rows import map_rows
from esep.producers.summary import Outcome, RowReject, Summary

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from esep.delivery import Message
    from esep.producers.mapping import Mapping

_SLICE_ROWS = 10_000


def file_to_medium(
    path: Path,
    mapping: Mapping,
    organizer_bin: str,
    key: Ed25519PrivateKey,
    out: Path,
    *,
    stream_id: str | None = None,
    shift_days: int | str | None = None,
    rejected_path: Path | None = None,
    now: datetime | None = None,
) -> Summary:
    """Write what the rows of a file are into a signed file; return what came of it, as `send_file` does.

    events_sent counts the events in the file. Arguments as of `send_file`. Raises FileUnusable, MappingInvalid,
    UsageError before anything is written.
    """
    started_s = time.monotonic()
    now = now or datetime.now(UTC)
    refuse_existing(out)
    if rejected_path is not None:
        refuse_other_form(path, rejected_path)
        refuse_existing(rejected_path)
    rows = read_file(path, mapping.columns)
    mapped = map_rows(rows, mapping, organizer_bin, almaty_day_of(to_ms(now)), shift_days)
    stream = stream_id or stream_id_of(path, mapped.shift_days)
    numbered = number_events(mapped.events, organizer_bin, stream)
    waiting = held_back(numbered, now)
    going = numbered.filter(~pl.col(LINE).is_in(waiting[LINE].implode()))
    messages: list[Message] = [
        (stream.encode(), value) for part in going.drop(LINE).iter_slices(_SLICE_ROWS) for value in encoded(part)
    ]
    write_new(out, write_medium(organizer_bin, messages, key, now))
    rejects = [
        RowReject(line, code, field, to_mend=frame is mapped.rejects)
        for frame in (mapped.rejects, waiting)
        for line, code, field in frame.iter_rows()
    ]
    to_mend = {reject.line for reject in rejects if reject.to_mend}
    if rejected_path is not None and to_mend:
        write_rows(rejected_path, rows, to_mend, form_of(path))
    return Summary(
        file=str(path),
        organizer_bin=organizer_bin,
        stream_id=stream,
        shift_days=mapped.shift_days,
        outcome=Outcome.WRITTEN_TO_FILE,
        rows=mapped.rows,
        rows_rejected=len(to_mend),
        rows_waiting=waiting.height,
        events_numbered=numbered.height,
        events_sent=len(messages),
        events_skipped=0,
        events_accepted=0,
        events_duplicate=0,
        events_rejected=0,
        send_s=0.0,
        total_s=round(time.monotonic() - started_s, 3),
        rejects=tuple(sorted(rejects, key=lambda reject: reject.line)),
        rejected_file=str(rejected_path) if rejected_path is not None and to_mend else None,
    )


def write_new(path: Path, content: bytes) -> None:
    """Write a new file: whole or not at all. FileUnusable if it is there already or cannot be written."""
    refuse_existing(path)
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise FileUnusable(f"{path} cannot be written", detail=error.strerror or "", hint="name another") from error
