"""Row numbers: dense along each lane, from an input partition to an output partition.

Reads     the positions of the input partitions; where each record of a poll comes from and goes to
Returns   the row of each record; the positions after the poll
Promises  rows of a lane are last + 1, last + 2 … in the order in which they are asked for (DESIGN §5, decision 0003;
          boxes: intake, alerts)
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from esep.lineage import Position, TopicPartition


class Lanes:
    """Counts what one poll writes."""

    def __init__(self, positions: Mapping[TopicPartition, Position]) -> None:
        self._positions = positions
        self._written: dict[TopicPartition, Counter[TopicPartition]] = {source: Counter() for source in positions}

    def rows(self, source: TopicPartition, output: TopicPartition, count: int) -> range:
        """Return the rows of the next `count` records from an input partition to an output partition."""
        first = self._positions[source].rows.get(output, 0) + self._written[source][output] + 1
        self._written[source][output] += count
        return range(first, first + count)

    def rows_of(
        self,
        sources: Sequence[TopicPartition],
        outputs: Sequence[TopicPartition],
        source_of: np.ndarray,
        output_of: np.ndarray,
    ) -> np.ndarray:
        """Return the row of each record (int64); source_of, output_of: where it comes from and goes to, by place."""
        lane_of = source_of * len(outputs) + output_of
        order = np.argsort(lane_of, kind="stable")
        lanes, starts = np.unique(lane_of[order], return_index=True)
        rows = np.empty(len(lane_of), np.int64)
        for lane, lane_rows in zip(lanes.tolist(), np.split(order, starts)[1:], strict=True):
            source, output = divmod(lane, len(outputs))
            rows[lane_rows] = self.rows(sources[source], outputs[output], len(lane_rows))
        return rows

    def position(self, source: TopicPartition, next_offset: int) -> Position:
        """Return the position of an input partition after the poll."""
        return self._positions[source].advanced(next_offset, dict(self._written[source]))
