"""Rows along lanes against counters."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.lineage import Position, TopicPartition
from esep.stream_apps.lanes import Lanes
from tests.stream_apps.intake.made_up import ALATAU, ESIL, source_of

SOURCES = [source_of(ALATAU, 0), source_of(ESIL, 1), source_of(ALATAU, 0)]  # The first and the last are one.
OUTPUTS = [TopicPartition("accepted", partition) for partition in range(3)]
RECORDS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=30)


@settings(deadline=None)
@given(RECORDS, st.dictionaries(st.sampled_from(OUTPUTS), st.integers(1, 9)))
def test_rows_of_each_lane_go_on_from_its_position_without_a_hole(
    records: list[tuple[int, int]], before: dict[TopicPartition, int]
) -> None:
    records = sorted(records, key=lambda record: record[0])  # Records come section by section.
    positions = {SOURCES[0]: Position(40, before), SOURCES[1]: Position(7)}
    lanes = Lanes(positions)
    found = lanes.rows_of(SOURCES, OUTPUTS, *(np.array([record[side] for record in records], int) for side in (0, 1)))
    counted = Counter(
        {(source, output): position.rows.get(output, 0) for source, position in positions.items() for output in OUTPUTS}
    )
    for (section, output), row in zip(records, found.tolist(), strict=True):
        counted[SOURCES[section], OUTPUTS[output]] += 1
        assert row == counted[SOURCES[section], OUTPUTS[output]]
    for source in positions:
        after = lanes.position(source, 90)
        assert after.next_offset == 90
        assert after.rows == {output: row for (lane, output), row in counted.items() if lane == source and row}


def test_single_rows_and_columns_share_one_count() -> None:
    lanes = Lanes({SOURCES[0]: Position(0)})
    assert list(lanes.rows(SOURCES[0], OUTPUTS[0], 2)) == [1, 2]
    assert lanes.rows_of(SOURCES[:1], OUTPUTS, np.zeros(2, int), np.zeros(2, int)).tolist() == [3, 4]
    assert lanes.position(SOURCES[0], 5) == Position(5, {OUTPUTS[0]: 4})
