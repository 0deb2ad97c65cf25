"""The messages of one poll as frames: what can be read of each, and why the others cannot be read.

Reads     batches of organizers' topics, as they came
Returns   `Messages`: identities and verdicts of all messages in order; events of all types as one frame, corrections
Promises  one decoding per schema over the whole poll; all versions come out alike; what is no event gets its code and
          costs no other message (DESIGN §4 "Decode"; clauses O9-4.3, D934-42; box: intake)
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate, chain
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.codec import INDEX, Decoded, decode
from esep.codes import INTERNAL, PRECEDENCE
from esep.events import CORRECTION_RECORD, EVENT_RECORDS, unified
from esep.fingerprints import fingerprints_of
from esep.precedence import all_passed
from esep.stream_apps.stage import Batch
from esep.versions import upgraded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet


SECTION_MAX = 8_192  # Messages of one receipt. Each may need 190 bytes as a reject and 170 as a stream: below 4 MiB.
SHA256_BYTES = 32
RECEIVED_AT = pl.Datetime("ms", "UTC")
_IDENTITY = ("organizer_bin", "stream_id", "sequence", "event_type")


@dataclass(frozen=True, slots=True)
class Messages:
    """All messages of a poll, numbered by `place` from 0 on, section by section.

    sections: the batches, cut into pieces of at most SECTION_MAX messages. starts: the place of each section's first
    message, then the number of messages. section_of: the section of each message. digests: the SHA-256 of each value.
    fingerprints: likewise, of the value as we would write it: what two writers of Avro made of one event is equal here,
    and what two versions say of it alike.
    identity: per message organizer_bin, stream_id, sequence and event_type, null where they cannot be read.
    unreadable: per message the verdict on its bytes. events: all but corrections in order of their `index`, which is
    their place, with `received_at`; corrections likewise.
    """

    sections: list[Batch]
    starts: list[int]
    section_of: np.ndarray
    keys: list[bytes | None]
    values: list[bytes | None]
    digests: list[bytes]
    fingerprints: list[bytes]
    offsets: np.ndarray
    identity: pl.DataFrame
    unreadable: np.ndarray
    events: pl.DataFrame
    corrections: pl.DataFrame

    def __len__(self) -> int:
        return len(self.values)


def read_messages(batches: Sequence[Batch], without: AbstractSet[int] = frozenset()) -> Messages:
    """Return the messages of a poll; `received_at` is the broker's stamp.

    without: the places of messages that are not to be read; they are INTERNAL.
    """
    sections = [section for batch in batches for section in _cut(batch)]
    starts = [0, *accumulate(map(len, sections))]
    values = list(chain.from_iterable(section.values for section in sections))
    received_ms = np.fromiter(chain.from_iterable(section.timestamps_ms for section in sections), np.int64, starts[-1])
    read = [None if place in without else value for place, value in enumerate(values)] if without else values
    decoded = decode(read, EVENT_RECORDS)
    decoded.bad.update(dict.fromkeys(without, INTERNAL))
    events = _received(unified(decoded.frames), received_ms)
    corrections = _received(upgraded(decoded.frames, CORRECTION_RECORD), received_ms)
    digests = [sha256(value or b"").digest() for value in values]
    return Messages(
        sections=sections,
        starts=starts,
        section_of=np.repeat(np.arange(len(sections)), np.diff(starts)),
        keys=list(chain.from_iterable(section.keys for section in sections)),
        values=values,
        digests=digests,
        fingerprints=fingerprints_of(decoded, values, digests),
        offsets=np.fromiter(chain.from_iterable(section.offsets for section in sections), np.int64, starts[-1]),
        identity=_identity(events, corrections, decoded, len(values)),
        unreadable=_unreadable(decoded, len(values)),
        events=events,
        corrections=corrections,
    )


def _cut(batch: Batch) -> Iterator[Batch]:
    if len(batch) <= SECTION_MAX:
        yield batch
        return
    for start in range(0, len(batch), SECTION_MAX):
        part = slice(start, start + SECTION_MAX)
        yield Batch(batch.source, batch.offsets[part], batch.timestamps_ms[part], batch.keys[part], batch.values[part])


def _received(frame: pl.DataFrame, received_ms: np.ndarray) -> pl.DataFrame:
    return frame.with_columns(pl.Series("received_at", received_ms[frame[INDEX].to_numpy()]).cast(RECEIVED_AT))


def _identity(events: pl.DataFrame, corrections: pl.DataFrame, decoded: Decoded, count: int) -> pl.DataFrame:
    if events.height == count:
        return events.select(_IDENTITY)
    columns = [INDEX, *_IDENTITY]
    corrections = corrections.with_columns(event_type=pl.lit("CORRECTION"))
    unread = pl.DataFrame({INDEX: list(decoded.bad)}, schema={INDEX: pl.UInt32})
    parts = [events.select(columns), corrections.select(columns), unread]
    return pl.concat(parts, how="diagonal").sort(INDEX).drop(INDEX)


def _unreadable(decoded: Decoded, count: int) -> np.ndarray:
    verdicts = all_passed(count)
    for place, code in decoded.bad.items():
        verdicts[place] = PRECEDENCE[code]
    return verdicts
