"""Repetitions that intake could not compare, compared afterwards: the same number with other bytes is a conflict.

Reads     the organizers' messages as long as Kafka has them; the tables ledger and rejected
Returns   the places of messages that repeat a number of their stream with other bytes and were taken for repetitions
Promises  reads only; names organizers, streams, numbers and offsets, nothing of a body; memory is 8 bytes a message of
          one partition (DESIGN §4 "Sequence": what is older than intake remembers; box: sinks/clickhouse)

A message that is neither in the ledger nor among the rejected was taken for a repetition, or waits as a correction, or
is not loaded yet. Of these, events whose number the tables know are compared by the SHA-256 of their bytes. Corrections
are told apart by what they replace (`correction_mismatches`), not here.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from esep.codec import INDEX, decode
from esep.events import EVENT_RECORDS
from esep.lineage import TopicPartition
from esep.security import client_security
from esep.sinks.clickhouse.ranges import read_range
from esep.sinks.clickhouse.tables import LEDGER_TABLE, REJECTED_TABLE
from esep.topics import organizer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

    from esep.settings import Settings
    from esep.sinks.clickhouse.frames import Records

_ASKED_MAX = 5_000  # Numbers that one question names.
_EVENTS = EVENT_RECORDS - {"correction"}


class Conflict(NamedTuple):
    """A message that repeats a number with other bytes than those that count."""

    source: TopicPartition
    offset: int
    entry_id: str

    def __str__(self) -> str:
        return f"{self.source} offset {self.offset} repeats {self.entry_id}"


def conflicts(settings: Settings, client: Client, source: TopicPartition, bounds: tuple[int, int]) -> list[Conflict]:
    """Return the conflicts among the messages of an organizer's partition. bounds: first offset and end, exclusive."""
    known = _known_offsets(client, source, bounds[0])
    found = []
    for records in read_range(settings.bootstrap_servers, source, *bounds, client_security(settings)):
        repeated = _repeated(records, known)
        for part in repeated.iter_slices(_ASKED_MAX):
            found += list(_compared(client, source, part))
    return found


def _known_offsets(client: Client, source: TopicPartition, first: int) -> np.ndarray:
    """Return the offsets of the messages that were accepted or refused, ascending."""
    offsets = client.query_np(
        f"""
        SELECT origin_offset AS offset FROM {LEDGER_TABLE.name}
        WHERE origin_topic = {{topic:String}} AND origin_partition = {{partition:Int32}} AND offset >= {{first:Int64}}
        UNION ALL
        SELECT cause_offset AS offset FROM {REJECTED_TABLE.name}
        WHERE cause_topic = {{topic:String}} AND cause_partition = {{partition:Int32}} AND offset >= {{first:Int64}}
        """,  # noqa: S608 - names from tables.py
        parameters={"topic": source.topic, "partition": source.partition, "first": first},
    )
    return np.unique(np.asarray(offsets, np.int64).reshape(-1))


def _repeated(records: Records, known: np.ndarray) -> pl.DataFrame:
    """Return offset, stream_id, sequence and sha256 (hex) of the events at none of the known offsets."""
    offsets = np.asarray(records.offsets, np.int64)
    at = np.flatnonzero(~np.isin(offsets, known, assume_unique=True))
    values = [records.values[place] for place in at.tolist()]
    read = decode(values, _EVENTS).frames.values()
    events = [frame.select(INDEX, "stream_id", "sequence") for frame in read]
    if not events:
        return pl.DataFrame(schema={"stream_id": pl.String, "sequence": pl.Int64, "offset": pl.Int64, "sha": pl.String})
    named = pl.concat(events)
    places = named[INDEX].to_list()
    return named.select(
        "stream_id",
        "sequence",
        offset=pl.Series(offsets[at][places]),
        sha=pl.Series([sha256(values[place] or b"").hexdigest() for place in places]),
    )


def _compared(client: Client, source: TopicPartition, events: pl.DataFrame) -> Iterator[Conflict]:
    """Yield those of some events whose number counts with other bytes only."""
    bin_ = organizer_of(source.topic)
    numbers = list(events.select("stream_id", "sequence").unique().iter_rows())
    rows = client.query(
        f"""
        SELECT stream_id, sequence, lower(hex(body_sha256)) FROM {LEDGER_TABLE.name}
        WHERE organizer_bin = {{bin:String}} AND leg = 1 AND revision = 0
            AND (stream_id, sequence) IN {{numbers:Array(Tuple(String, Int64))}}
        UNION ALL
        SELECT assumeNotNull(stream_id), assumeNotNull(sequence), lower(hex(body_sha256)) FROM {REJECTED_TABLE.name}
        WHERE organizer_bin = {{bin:String}} AND reject_code != 'SEQUENCE_CONFLICT'
            AND (stream_id, sequence) IN {{numbers:Array(Tuple(String, Int64))}}
        """,  # noqa: S608 - names from tables.py
        parameters={"bin": bin_, "numbers": numbers},
    ).result_rows
    counting: dict[tuple[str, int], set[str]] = {}
    for stream_id, sequence, sha in rows:
        counting.setdefault((stream_id, sequence), set()).add(sha)
    for stream_id, sequence, offset, sha in events.iter_rows():
        if sha not in counting.get((stream_id, sequence), {sha}):
            yield Conflict(source, offset, f"{bin_}/{stream_id}/{sequence}")
