"""A state made anew is read back from the changelog that is made of it, and only where there is none is one written."""

from __future__ import annotations

import uuid

import numpy as np
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from hypothesis import given
from hypothesis import strategies as st

from esep.embedded.kafka import KafkaBroker
from esep.lineage import POSITION_KEY, Position, TopicPartition
from esep.stream_apps.totals import rebuilt as module
from esep.stream_apps.totals.cells import CELL_KEY, WIDTH, Cells
from esep.stream_apps.totals.rebuilt import changelog_of, committed_offset, has_position, write_changelog
from esep.stream_apps.totals.remembered import cells_in, frame_of
from esep.stream_apps.totals.stage import TotalsStage

SORTED = ["person_0", "person_1", "bin", "year"]
POSITION = Position(9, {TopicPartition("ledger", 0): 7})
KNOWN = st.dictionaries(
    st.tuples(st.integers(0, 3), st.sampled_from([940140000385, 950341000052]), st.integers(2020, 2022)),
    st.integers(-5, 5),
    max_size=12,
)


def cells(known: dict[tuple[int, int, int], int]) -> Cells:
    made = Cells()
    keys = np.array([((person, 2**63 + person), bin_, year) for person, bin_, year in known], CELL_KEY)
    made.put(keys, np.array([[value] * WIDTH for value in known.values()], np.int64).reshape(-1, WIDTH))
    return made


@given(KNOWN, st.integers(1, 5))
def test_state_is_what_its_changelog_restores_to_and_the_position_comes_last(
    known: dict[tuple[int, int, int], int], size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TRANSACTION_RECORDS", size)
        state = cells_in(frame_of(cells(known)))
        parts = list(changelog_of(state, POSITION))
    assert all(len(part) == size for part in parts[:-1])
    records = [record for part in parts for record in part]
    assert records[-1] == (POSITION_KEY, POSITION.encode())
    again = Cells()
    if len(records) > 1:
        TotalsStage().restore(again, [key for key, _ in records[:-1]], [value for _, value in records[:-1]])
    assert frame_of(again).sort(SORTED).equals(frame_of(cells(known)).sort(SORTED))


@pytest.mark.kafka
def test_changelog_is_a_state_once_its_position_is_written(
    broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was written in part, by a writer that was killed, is none, and may be written again."""
    topic, servers = f"rebuilt-{uuid.uuid4().hex[:8]}", broker.bootstrap_servers
    admin = AdminClient({"bootstrap.servers": servers})
    for created in admin.create_topics([NewTopic(topic, 1, 1, config={"cleanup.policy": "compact"})]).values():
        created.result()
    for name in ("TOTALS_CHANGELOG", "TOTALS", "ACCEPTED"):
        monkeypatch.setattr(module, name, topic)
    monkeypatch.setattr(module, "TRANSACTION_RECORDS", 2)
    assert (has_position(servers, 0, {}), committed_offset(servers, 0, {})) == (False, None)
    changelog = list(changelog_of(cells({(1, 940140000385, year): 1 for year in (2020, 2021, 2022)}), POSITION))
    assert write_changelog(servers, 0, iter(changelog[:1]), topic, {}) == 2
    assert not has_position(servers, 0, {})
    assert write_changelog(servers, 0, iter(changelog), topic, {}) == 4
    assert has_position(servers, 0, {})
