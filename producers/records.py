"""One event as the record and the message that stand for it: its own fields and whose and which one it is.

Reads     events of `esep.events`; the organizer, the stream and the sequence
Returns   message values; the codes with which intake would refuse events for what they are in themselves
Promises  the same event under the same number is the same bytes; an event that no schema or topic holds is refused
          before it has a number (box: producers)
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC
from typing import TYPE_CHECKING, Any

import polars as pl

from esep.checks import check_form
from esep.codec import INDEX
from esep.errors import UsageError
from esep.events import Event, Movement, events_frame, numbered, record_name, unified
from esep.schemas import newest
from esep.topics import EVENT_BYTES_MAX
from esep.versions import encode_record

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENVELOPE_BYTES = 1024  # What a batch and a record of Kafka add to key and value, and more: some 100 are used.
VALUE_BYTES_MAX = EVENT_BYTES_MAX - _ENVELOPE_BYTES


def value_of(event: Event, organizer_bin: str, stream_id: str, sequence: int) -> bytes:
    """Return the message value of an event; UsageError if no schema holds it, or it is too large for its topic."""
    try:
        value = encode_record(record_of(event, organizer_bin, stream_id, sequence), record_name(event))
    except (ValueError, TypeError, OverflowError) as error:
        raise unwritable(record_name(event)) from error
    if len(value) > VALUE_BYTES_MAX:
        raise UsageError(
            f"an event of {len(value):,} bytes is too large for its topic",
            detail=f"{VALUE_BYTES_MAX:,} bytes are the most",
            hint="leave out selections, or split the bet",
        )
    return value


def record_of(event: Event, organizer_bin: str, stream_id: str, sequence: int) -> dict[str, Any]:
    """Return the whole record of an event, its instants in UTC."""
    record = numbered(event, organizer_bin, stream_id, sequence)
    instants = {name: record[name] for name in ("occurred_at", "wager_occurred_at") if record.get(name)}
    return record | {name: instant.astimezone(UTC) for name, instant in instants.items()}


def check_events(events: Sequence[Movement], organizer_bin: str) -> list[str | None]:
    """Return per event the code with which intake would refuse it for what it is in itself, or None. Offline."""
    records = [record_of(event, organizer_bin, "offline", place) for place, event in enumerate(events, start=1)]
    by_name: defaultdict[str, list[int]] = defaultdict(list)
    for place, event in enumerate(events):
        by_name[record_name(event)].append(place)
    try:
        frames = {
            newest(name): events_frame([records[place] for place in places], name).with_columns(
                pl.Series(INDEX, places, dtype=pl.UInt32)
            )
            for name, places in by_name.items()
        }
    except (pl.exceptions.ComputeError, OverflowError, ValueError) as error:
        raise unwritable("an event") from error
    return check_form(unified(frames)).to_list()


def unwritable(what: str) -> UsageError:
    """Return the error for an event that no schema holds."""
    return UsageError(
        f"{what} cannot be written",
        detail="a number is larger than its field, or a text is not Unicode",
        hint="see the types of the fields in schemas/",
    )
