"""Records of one partition as blocks of a table: decoded, checked for gaps, cut by month, in Arrow's stream format.

Reads     a `Records`: offsets and message values of one topic partition, in order
Returns   `Rows`: a frame with the table's columns and what is known of its lanes; per month one block of bytes
Promises  no I/O; a row per record, or an InvariantBroken that names topic, partition and offset; the same records give
          the same blocks (box: sinks/clickhouse)

Avro's own reader in ClickHouse would save the decoding here, but takes longer there than both together: 88 columns, one
record and one field at a time, are read at 80,000 rows a second of the server's time, Arrow at 230,000 (measured).
Blocks are compressed, which costs what it saves in sending; a third of the bytes go over the network.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from esep.codec import INDEX, decode, wire_header
from esep.errors import InvariantBroken, RowGap
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.sinks.clickhouse.narrow import narrowed
from esep.sinks.clickhouse.tables import LEDGER_TABLE, RECEIPTS_TABLE, table_of
from esep.versions import absent, upgraded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from esep.sinks.clickhouse.tables import Table

HASHES = ("body_sha256", "content_sha256")  # Hex in Kafka, FixedString(32) in the tables.
# What is taken from a receipt's content; released: corrections that had waited and were accepted.
_COUNTS = ("from_offset", "accepted_count", "duplicate_count", "rejected_count", "held_count", "released_count")
_PART = "_part"  # Column with the place of a record's partition among those of a round.
_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)


class Records(NamedTuple):
    """Consumed records of one topic partition, never none: parallel lists in offset order."""

    source: TopicPartition
    offsets: list[int]
    values: list[bytes | None]


@dataclass(frozen=True, slots=True)
class Rows:
    """Records as rows of a table.

    frame: the table's columns and `month` (yyyymm, UTC). last_rows: per cause the row number of its last record here.
    """

    source: TopicPartition
    table: Table
    frame: pl.DataFrame
    last_rows: dict[TopicPartition, int]

    def months(self) -> dict[int, int]:
        """Return the number of rows per month, months ascending."""
        return dict(sorted(Counter(self.frame["month"].to_list()).items()))

    def block(self, month: int) -> bytes:
        """Return the rows of one month, in offset order, as an Arrow stream of one record batch."""
        return block_of([self], month)

    def of_month(self, month: int) -> pl.DataFrame:
        """Return the rows of one month, in offset order."""
        is_there = self.frame["month"] == month
        return self.frame if is_there.all() else self.frame.filter(is_there)  # The first is usual; a filter copies.


def block_of(parts: Sequence[Rows], month: int) -> bytes:
    """Return the rows of one month, of one partition after the other, as an Arrow stream of one record batch.

    parts: of one table. A column that one of them has not, its records being of an older version, is null or empty.
    """
    frames = [rows for part in parts if (rows := part.of_month(month)).height]
    if any(frame.columns != frames[0].columns for frame in frames):
        frames = _alike(frames)
    rows = pl.concat(frames) if len(frames) > 1 else frames[0]
    batch = rows.drop("month").to_arrow().combine_chunks().to_batches()[0]
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, batch.schema, options=_LZ4) as stream:
        stream.write_batch(batch)
    content: bytes = out.getvalue().to_pybytes()
    return content


def _alike(frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Return the same rows, each frame with the columns of all."""
    kinds = {name: kind for frame in frames for name, kind in frame.schema.items()}
    return [
        frame.select(name if name in frame.columns else absent(kind).alias(name) for name, kind in kinds.items())
        for frame in frames
    ]


def rows_of(records: Records, last_rows: Mapping[TopicPartition, int] | None) -> Rows:
    """Return the records as rows.

    last_rows: per cause the number of the last row before these (none: 0); None where that is not known, so that each
    lane may begin anywhere. Raises RowGap if a lane's rows are not last + 1, InvariantBroken if a record is none.
    """
    frame = read(records, table_of(records.source.topic).record)
    return _rows([records], frame, {records.source: last_rows})[0]


def rows_of_each(
    parts: Sequence[Records], last_rows: Mapping[TopicPartition, Mapping[TopicPartition, int]]
) -> list[Rows]:
    """Return what `rows_of` says of the records of each of some partitions that go into one table.

    What is fixed about it is done once for all of them, and is most of it where each has a few records.
    """
    values = [value for part in parts for value in part.values]
    frames = list(decode(values, frozenset({table_of(parts[0].source.topic).record})).frames.values())
    if len(frames) == 1 and frames[0].height == len(values):
        return _rows(parts, frames[0].drop(INDEX), last_rows)
    return [rows_of(part, last_rows[part.source]) for part in parts]  # Of several versions, or one of them is none.


def _rows(
    parts: Sequence[Records],
    frame: pl.DataFrame,
    last_rows: Mapping[TopicPartition, Mapping[TopicPartition, int] | None],
) -> list[Rows]:
    """Return the rows of some partitions. frame: their records, one partition's after the other's."""
    table = table_of(parts[0].source.topic)
    starts = [0, *accumulate(len(part.offsets) for part in parts)]
    counted = _counted(parts, starts, frame, last_rows)
    frame = _as_table(frame, parts, table)
    return [
        Rows(part.source, table, frame[start:end], counted[part.source])
        for part, (start, end) in zip(parts, pairwise(starts), strict=True)
    ]


def read(records: Records, record: str) -> pl.DataFrame:
    """Return records of this name decoded, a row each in their order; InvariantBroken names the first that is none."""
    decoded = decode(records.values, frozenset({record}))
    if decoded.bad:
        place, code = min(decoded.bad.items())
        raise InvariantBroken(
            f"{records.source}: offset {records.offsets[place]} holds no {record}",
            detail=f"{code}; {len(decoded.bad)} of {len(records.values)} records",
            hint="a stage of another version writes there, or somebody else does",
        )
    frames = list(decoded.frames.values())
    in_order = frames[0] if len(frames) == 1 else upgraded(decoded.frames, record)  # It copies.
    return in_order.drop(INDEX)


def _counted(
    parts: Sequence[Records],
    starts: Sequence[int],
    frame: pl.DataFrame,
    last_rows: Mapping[TopicPartition, Mapping[TopicPartition, int] | None],
) -> dict[TopicPartition, dict[TopicPartition, int]]:
    """Return for each partition the last row of each lane; RowGap if one is not dense."""
    row = pl.col("row")
    part_of = pl.Series(_PART, np.repeat(np.arange(len(parts)), np.diff(starts)))
    lanes = (
        frame.select("cause_topic", "cause_partition", "row", part_of)
        .group_by(_PART, "cause_topic", "cause_partition", maintain_order=True)
        .agg(first=row.first(), last=row.last(), dense=(row.diff().drop_nulls() == 1).all())
    )
    counted: dict[TopicPartition, dict[TopicPartition, int]] = {part.source: {} for part in parts}
    for number, topic, partition, first, last, dense in lanes.iter_rows():
        records, cause = parts[number], TopicPartition(topic, partition)
        before = last_rows[records.source]
        expected = first if before is None else before.get(cause, 0) + 1
        if not dense or first != expected:
            own = frame[starts[number] : starts[number + 1]]
            raise RowGap(
                f"lane {cause} to {records.source}: rows are not last + 1",
                detail=f"row {expected} was expected, rows {first} to {last} came"
                + ("" if dense else f"; {_first_step(records, own, cause)}"),
                hint="records were lost or written twice; see `esep reconcile`",
            )
        counted[records.source][cause] = last
    return counted


def _first_step(records: Records, frame: pl.DataFrame, cause: TopicPartition) -> str:
    """Return where the rows of a lane first go on by another number than the next one."""
    rows = frame.with_columns(offset=pl.Series(records.offsets)).filter(
        cause_topic=cause.topic, cause_partition=cause.partition
    )
    steps = rows.with_columns(before=pl.col("row").shift(1), behind=pl.col("offset").shift(1))
    row, offset, before, behind = (
        steps.filter(pl.col("row") != pl.col("before") + 1).select("row", "offset", "before", "behind").row(0)
    )
    return f"row {row} at offset {offset} follows row {before} at offset {behind}"


def _as_table(frame: pl.DataFrame, parts: Sequence[Records], table: Table) -> pl.DataFrame:
    """Return the columns as the table has them, and `month`."""
    instant, sizes = pl.col(table.instant), [len(part.offsets) for part in parts]
    hashes = [_hash(frame[name]) for name in HASHES if name in frame.columns]
    counts = _receipt_counts(frame["content"]) if table is RECEIPTS_TABLE else []
    topics = np.repeat(np.array([part.source.topic for part in parts], np.object_), sizes)
    topic = [pl.Series(table.topic_column, topics, pl.String)] if table.topic_column else []
    partitions = np.repeat(np.array([part.source.partition for part in parts], np.int32), sizes)
    offsets = np.fromiter(chain.from_iterable(part.offsets for part in parts), np.int64, frame.height)
    rows = frame.with_columns(
        *hashes,
        *counts,
        *topic,
        pl.Series(table.partition_column, partitions),
        pl.Series(table.offset_column, offsets),
        month=instant.dt.year() * 100 + instant.dt.month(),
    )
    return narrowed(rows) if table is LEDGER_TABLE else rows


def _hash(column: pl.Series) -> pl.Series:
    """Return hashes in hex as their 32 bytes; InvariantBroken if one is none."""
    decoded = column.str.decode("hex", strict=False)
    if (decoded.bin.size() != 32).any() or decoded.null_count():
        raise InvariantBroken(f"a {column.name} is no SHA-256 in hex")
    return decoded


def _receipt_counts(content: pl.Series) -> list[pl.Series]:
    """Return the counts that stand in the signed part of each receipt."""
    kind = schema("receipt_content")
    decoded = decode([wire_header(kind) + body for body in content], frozenset({kind.record}))
    if decoded.bad:
        raise InvariantBroken(
            "a receipt's content is no ReceiptContent", detail=f"{len(decoded.bad)} of {len(content)}"
        )
    outcomes = pl.col("settled").list.eval(pl.element().struct.field("outcome"))
    frame: Any = decoded.frames[kind].with_columns(
        rejected_count=pl.col("rejects").list.len().cast(pl.Int64),
        released_count=outcomes.list.count_matches("ACCEPTED").cast(pl.Int64),
    )
    return [frame[name] for name in _COUNTS]
