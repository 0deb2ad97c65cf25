"""The state of totals as frames: what a worker that was given all partitions would begin with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from esep.lineage import Position, TopicPartition
from esep.stream_apps.stage import PartitionState
from esep.stream_apps.totals import remembered as module
from esep.stream_apps.totals.cells import CELL_KEY, WIDTH, Cells
from esep.stream_apps.totals.remembered import (
    PERSON_COLUMNS,
    VALUE_COLUMNS,
    cells_in,
    differing,
    frame_of,
    remembered,
)


def test_each_partition_is_told_with_its_position_and_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = Cells()
    key = np.array([((2**64 - 1, 5), 940140000385, 2026)], CELL_KEY)
    cells.put(key, np.arange(WIDTH, dtype=np.int64)[None, :])
    asked: list[Any] = []

    def restore(stage: Any, sources: Any, kept: Any, **how: Any) -> dict[TopicPartition, PartitionState[Cells]]:
        asked.append((stage.name, list(sources), kept, how["group"], how["security"], how["in_force"]()))
        first, second = sources
        rows = {TopicPartition("ledger", 0): 7}
        return {first: PartitionState(Position(9, rows), cells), second: PartitionState(Position(0), Cells())}

    monkeypatch.setattr(module, "restore", restore)
    full, empty = remembered("127.0.0.1:9092", 2, {"security.protocol": "SASL_SSL"})
    sources = [TopicPartition("accepted", 0), TopicPartition("accepted", 1)]
    assert asked == [("totals", sources, {}, "totals", {"security.protocol": "SASL_SSL"}, True)]
    assert (full.partition, full.next_offset, full.row) == (0, 9, 7)
    values = dict(zip(VALUE_COLUMNS, range(WIDTH), strict=True))
    person = dict(zip(PERSON_COLUMNS, (2**64 - 1, 5), strict=True))
    assert full.cells.rows(named=True) == [{**person, "bin": 940140000385, "year": 2026, **values}]
    assert (empty.partition, empty.next_offset, empty.row, empty.cells.height) == (1, 0, 0, 0)
    assert empty.cells.schema == full.cells.schema


def test_frame_of_cells_gives_the_cells_back_and_one_that_is_not_the_same_differs() -> None:
    cells = Cells()
    keys = np.array([((2**64 - 1, 5), 940140000385, 2026), ((7, 5), 940140000385, 2025)], CELL_KEY)
    cells.put(keys, np.arange(2 * WIDTH, dtype=np.int64).reshape(2, WIDTH))
    frame = frame_of(cells)
    again = cells_in(frame)
    assert [column.tobytes() for column in again.table()] == [column.tobytes() for column in cells.table()]
    assert differing(frame, frame_of(again)).is_empty()
    assert frame_of(cells_in(frame.clear())).is_empty()
    other = Cells()
    other.put(keys[:1], np.arange(WIDTH, dtype=np.int64)[None, :])
    (cell,) = differing(frame, frame_of(other)).rows(named=True)
    assert [cell[name] for name in PERSON_COLUMNS] == [7, 5]
    assert [cell[f"{name}_other"] for name in VALUE_COLUMNS] == [0] * WIDTH
