"""Numbers for the events of a file, such that sending the file again repeats them and never counts anything twice.

Reads     the events of the passing rows, in the order of the file; the file's name; the clock's now
Returns   the stream id; numbered events; the rows that must wait
Promises  the numbers are a function of the file, the mapping and the days of shift alone, never of the clock: the same
          file sent again is the same bytes under the same numbers (box: producers)

The sequence is dense over the events of the rows that pass every check but the clock's. A row of the future keeps its
numbers and waits: intake reports them missing until the same file is sent again. A file that is edited after it was
sent numbers its events anew; intake refuses them as SEQUENCE_CONFLICT. So rejected rows are mended in a file of their
own (`esep send FILE --rejected OTHER`), which is a stream of its own.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from esep.checks import check_identity
from esep.clock import AHEAD_MAX
from esep.errors import UsageError
from esep.producers.files import LINE, REJECTS
from esep.producers.row_codes import field_of, text_of

if TYPE_CHECKING:
    from pathlib import Path


COMPARED_MAX = 16_384  # Of a stream's last events intake keeps so many digests, to tell a repetition from a conflict.


def stream_id_of(path: Path, shift_days: int) -> str:
    """Return the stream that a file is by default: its name without the last ending, and the days of shift.

    >>> from pathlib import Path
    >>> stream_id_of(Path("reports/desk-7.csv"), 0), stream_id_of(Path("bustabit-a.csv"), 1805)
    ('desk-7', 'bustabit-a+1805d')
    """
    return f"{path.stem}{shift_days:+d}d" if shift_days else path.stem


def number_events(events: pl.DataFrame, organizer_bin: str, stream_id: str) -> pl.DataFrame:
    """Return the events with organizer_bin, stream_id and sequence (1, 2, 3 … in the order of the rows) before them.

    Raises UsageError if the stream id is none that intake takes.
    """
    refuse_stream_id(stream_id)
    sequence = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    return events.select(
        pl.lit(organizer_bin).alias("organizer_bin"),
        pl.lit(stream_id).alias("stream_id"),
        sequence.alias("sequence"),
        pl.all(),
    )


def refuse_stream_id(stream_id: str) -> None:
    """Raise UsageError if a stream id is none that intake takes."""
    code = check_identity(pl.DataFrame({"stream_id": [stream_id], "sequence": [1]}))[0]
    if code:
        raise UsageError(f"{stream_id!r} cannot be a stream id", detail=text_of(code), hint="choose another: --stream")


def held_back(events: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return the rows (columns of REJECTS) with an event that has not occurred yet, by line.

    now: UTC. A row waits as a whole, its wager too.
    """
    ahead = pl.any_horizontal(pl.col("occurred_at", "wager_occurred_at") > now + AHEAD_MAX)
    code = "INSTANT_IN_FUTURE"
    lines = events.filter(ahead).select(pl.col(LINE).unique().sort())
    return lines.with_columns(code=pl.lit(code), field=pl.lit(field_of(code))).cast(REJECTS)
