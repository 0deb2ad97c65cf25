"""The final totals of each person, by the ledger as it was committed and by postings that were worked out anew.

Reads     records of `ledger`; postings as intake makes them
Returns   `FinalTotals`: the cells of both sides, and those that differ
Promises  in any order of postings the same; only postings that the ledger has count on either side; memory as that of
          the stage totals (clause O9-4.6; DESIGN §5; box: replay)
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.clock import almaty_year
from esep.codec import INDEX, decode
from esep.lineage import Lane, Position, TopicPartition
from esep.stream_apps.poll import PERSON_KEY_BYTES, person_words
from esep.stream_apps.stage import Batch, PartitionState
from esep.stream_apps.totals.cells import CELL_KEY, MEASURES, Cells
from esep.stream_apps.totals.remembered import differing, frame_of
from esep.stream_apps.totals.stage import TotalsStage
from esep.topics import ACCEPTED, LEDGER, events_topic
from esep.versions import upgraded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from esep.stream_apps.replay.digests import Piece

_AFTER = [f"organizer_year_{measure}_{unit}" for measure in MEASURES for unit in ("count", "tiyn")]


class FinalTotals:
    """Both sides. First the whole ledger is seen, then the whole of `accepted`, then what is worked out anew."""

    def __init__(self, partitions: int) -> None:
        self._ledger = [Cells() for _ in range(partitions)]
        self._stage = TotalsStage()
        self._anew = {
            TopicPartition(ACCEPTED, number): PartitionState(Position(0), Cells()) for number in range(partitions)
        }
        self._through = dict.fromkeys(self._anew, 0)  # The ledger has what is on `accepted` before these offsets.
        self._from: dict[TopicPartition, int] = {}  # The first posting of `accepted` that is still on the ledger.
        self._rows: dict[Lane, int] = {}  # Of each lane into `accepted`, the last row that the ledger has.
        self._cut_short: set[str] = set()  # Topics of organizers of which Kafka has deleted postings.

    def see_ledger(self, batch: Batch, _: Sequence[Piece]) -> None:
        """Put the totals after each of the next committed postings of a partition; what is none is passed over."""
        frame = upgraded(decode(batch.values, frozenset({LEDGER})).frames, LEDGER)
        keys = [batch.keys[place] or b"" for place in frame[INDEX].to_list()]
        fine = pl.Series([len(key) == PERSON_KEY_BYTES for key in keys], dtype=pl.Boolean)
        fine &= frame["organizer_bin"].cast(pl.Int64, strict=False).is_not_null()
        frame = frame.filter(fine)
        if frame.is_empty():
            return
        cells = np.empty(frame.height, CELL_KEY)
        cells["person"] = person_words([key for key, is_fine in zip(keys, fine, strict=True) if is_fine])
        cells["bin"] = frame["organizer_bin"].cast(pl.Int64).to_numpy()
        cells["year"] = almaty_year(frame["occurred_at"]).to_numpy()
        self._ledger[batch.source.partition].put(cells, frame.select(_AFTER).to_numpy())
        source = TopicPartition(ACCEPTED, batch.source.partition)
        self._from.setdefault(source, frame["cause_offset"].to_list()[0])
        self._through[source] = max(self._through[source], 1 + frame["cause_offset"].to_list()[-1])

    def see_accepted(self, batch: Batch, pieces: Sequence[Piece]) -> None:
        """Note which of the next committed postings of a partition the ledger has."""
        through = self._through[batch.source]
        offsets = np.array(batch.offsets)
        for piece in pieces:
            if piece.lane not in self._rows:
                first_offset = int(offsets[piece.places[0]])
                if piece.rows[0] > 1 or first_offset < self._from.get(batch.source, 0):
                    self._cut_short.add(piece.lane.cause.topic)
                self._rows[piece.lane] = 0
            rows = piece.rows[offsets[piece.places] < through]
            if len(rows):
                self._rows[piece.lane] = max(self._rows[piece.lane], int(rows.max()))

    def see_anew(self, made: Sequence[tuple[Lane, int, Sequence[bytes | None], Sequence[bytes | None]]]) -> None:
        """Add postings that were worked out anew: lanes, the row of the first, keys and values."""
        batches: dict[TopicPartition, list[tuple[Sequence[bytes | None], Sequence[bytes | None]]]] = {}
        for lane, first_row, keys, values in made:
            count = max(0, self._rows.get(lane, 0) + 1 - first_row)
            if count:
                batches.setdefault(lane.output, []).append((keys[:count], values[:count]))
        if batches:
            self._add([self._batch(source, parts) for source, parts in batches.items()])

    def differing(self, bins: Iterable[str]) -> tuple[int, pl.DataFrame]:
        """Return how many cells these organizers have on the ledger, and those that differ, its sums as the other ones.

        Organizers of whose postings Kafka has deleted some are left out.
        """
        whole = [int(bin_) for bin_ in bins if events_topic(bin_) not in self._cut_short]
        ours = pl.col("bin").is_in(pl.Series(whole, dtype=pl.Int64).implode())
        count, frames = 0, []
        for source, state in self._anew.items():
            other = frame_of(self._ledger[source.partition]).filter(ours)
            count += other.height
            frames.append(differing(frame_of(state.data).filter(ours), other))
        return count, pl.concat(frames)

    def _batch(
        self, source: TopicPartition, parts: Sequence[tuple[Sequence[bytes | None], Sequence[bytes | None]]]
    ) -> Batch:
        keys, values = (list(chain.from_iterable(part[side] for part in parts)) for side in (0, 1))
        first = self._anew[source].position.next_offset
        return Batch(source, list(range(first, first + len(keys))), [0] * len(keys), keys, values)

    def _add(self, batches: Sequence[Batch]) -> None:
        result = self._stage.process(batches, self._anew)
        self._stage.settle(self._anew, result.changes)
        for source, position in result.positions.items():
            self._anew[source] = PartitionState(position, self._anew[source].data)
