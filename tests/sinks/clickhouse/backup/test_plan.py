"""What is taken of a difference, and whence a loader goes on: nothing lost, nothing twice, or not at all."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from esep.lineage import TopicPartition
from esep.sinks.clickhouse.backup.plan import CHAIN_MAX, base_of_next, start_of, unknown_migrations
from esep.sinks.clickhouse.lanes import Bounds
from tests.sinks.clickhouse.backup.made import manifest

if TYPE_CHECKING:
    from esep.sinks.clickhouse.backup.manifest import Manifest

SOURCES = st.sampled_from([TopicPartition("ledger", 0), TopicPartition("ledger", 1), TopicPartition("rejected", 0)])
OFFSETS = st.integers(0, 8)


@given(
    st.dictionaries(SOURCES, OFFSETS),
    st.dictionaries(SOURCES, st.tuples(OFFSETS, OFFSETS).map(lambda pair: Bounds(*sorted(pair)))),
)
def test_loader_goes_on_exactly_where_every_record_is_a_row_or_still_in_kafka(
    cuts: dict[TopicPartition, int], there: dict[TopicPartition, Bounds]
) -> None:
    """Record by record: the line had written those below Kafka's end; rows are those below the cut."""
    start = start_of(cuts, there)
    lost = []
    for source in cuts.keys() | there.keys():
        cut, bounds = cuts.get(source, 0), there.get(source, Bounds(0, 0))
        rows, kafka, written = set(range(cut)), set(range(*bounds)), set(range(max(bounds.end, cut)))
        lost += sorted(written - rows - kafka) or ([cut] if cut > bounds.end else [])
    assert bool(start.forbidden) == bool(lost)
    if not start.forbidden:
        assert start.offsets == {source: cuts.get(source, 0) for source in there}
        for source, offset in start.offsets.items():
            to_load = set(range(max(offset, there[source].first), there[source].end))
            assert not to_load & set(range(cuts.get(source, 0))), "a record is loaded that is a row"


def test_forbidden_starts_say_what_is_gone() -> None:
    ledger, alerts = TopicPartition("ledger", 0), TopicPartition("compliance.alerts", 0)
    start = start_of({ledger: 5, alerts: 9}, {ledger: Bounds(7, 9)})
    assert start.forbidden == (
        "ledger/0: Kafka has deleted offsets 5 to 6",
        "compliance.alerts/0: Kafka has no such partition",
    )
    assert start_of({ledger: 5}, {ledger: Bounds(0, 3)}).forbidden == (
        "ledger/0: the backup has records up to offset 4, Kafka only 3",
    )


def test_chain_ends_with_a_full_backup() -> None:
    """Each new one is based on the newest, until the chain is as long as may be."""
    there: list[Manifest] = []
    for number in range(count := 2 * CHAIN_MAX + 3):
        there.append(manifest(f"{number:04d}", base_of_next(there, "esep", is_full=False)))
    assert [number for number, one in enumerate(there) if one.base is None] == list(range(0, count, CHAIN_MAX))
    assert all(one.base is None or one.base.name == before.name for before, one in pairwise(there))


def test_full_backup_and_one_of_another_database_stand_alone() -> None:
    there = [manifest()]
    assert base_of_next(there, "esep", is_full=False) == there[0]
    assert base_of_next(there, "esep", is_full=True) is None
    assert base_of_next(there, "other", is_full=False) is None


def test_backup_whose_own_base_is_gone_or_another_is_no_base() -> None:
    first = manifest("1")
    second = manifest("2", first)
    assert base_of_next([first, second], "esep", is_full=False) == second
    assert base_of_next([second], "esep", is_full=False) is None
    assert base_of_next([manifest("1", program="2.0"), second], "esep", is_full=False) is None


def test_migration_that_is_not_ours_is_told() -> None:
    done = {"0001_ledger": "ab", "0002_rejected": "cd", "0099_later": "ef"}
    assert unknown_migrations(done, {"0001_ledger": "ab", "0002_rejected": "00", "0003_receipts": "11"}) == [
        "0002_rejected",
        "0099_later",
    ]
