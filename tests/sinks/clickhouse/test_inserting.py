"""A range is sent only under a confirmed assignment, in order, and counts as loaded only where its table holds it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from esep.codec import encode
from esep.errors import SinkUnavailable
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.sinks.clickhouse import inserting
from esep.sinks.clickhouse.frames import Records, rows_of
from esep.sinks.clickhouse.group import Mark, Superseded
from esep.sinks.clickhouse.inserting import Insert, Inserter, Range
from esep.sinks.clickhouse.pending import Pending, Span, noted, token
from esep.sinks.clickhouse.retention.removed import Closed
from esep.sinks.clickhouse.store import Held
from esep.topics import ACCEPTED, LEDGER
from tests.sinks.line import postings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from esep.sinks.clickhouse.tables import Table

SOURCES = [TopicPartition(LEDGER, 0), TopicPartition(LEDGER, 1)]
ROWS = 30


class FakeStore:
    """Stands in for Store: keeps names of what happens; refuses the first requests, and stores what it is told to."""

    def __init__(self, refused: int = 0, stored: int = ROWS) -> None:
        self.happened: list[str] = []
        self.refused, self.stored = refused, stored

    def insert(self, table: Table, name: str, block: bytes) -> None:
        if self.refused:
            self.refused -= 1
            raise SinkUnavailable("ClickHouse did not answer")
        self.happened.append(name)

    def held(self, table: Table) -> dict[TopicPartition, Held]:
        return {
            source: Held(ROWS, self.stored, {TopicPartition(ACCEPTED, source.partition): ROWS}) for source in SOURCES
        }

    def layout(self, table: Table) -> int:
        return 7

    def closed(self, table: Table) -> Closed:
        return Closed(layout=3)

    def present(
        self, table: Table, source: TopicPartition, pending: Pending, months: Mapping[int, int]
    ) -> dict[int, int]:
        return {month: rows for month, rows in months.items() if self.stored == 0 or month != min(months)}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inserting, "BACKOFF_S", 0.0)


def test_each_insert_is_confirmed_before_it_is_sent_and_months_ascend() -> None:
    store, inserts = FakeStore(), [_insert(source) for source in SOURCES]
    held = _inserter(store, lambda _: store.happened.append("confirmed")).load(inserts, dict.fromkeys(SOURCES, Held()))
    ranges = [one for insert in inserts for one in insert.ranges]
    names = [token(one.source, one.pending, month, "ledger") for one in ranges for month in sorted(one.months)]
    assert len(names) == 6
    assert store.happened == [step for name in names for step in ("confirmed", name)]
    assert [held[source].last_rows for source in SOURCES] == [one.last_rows for one in ranges]


def test_ranges_that_are_noted_together_are_one_insert_a_month_of_which_each_is_looked_up() -> None:
    store, insert = FakeStore(), _insert(*SOURCES)
    held = _inserter(store).load([insert], dict.fromkeys(SOURCES, Held()))
    assert len(store.happened) == 3
    for one in insert.ranges:
        assert [token(one.source, one.pending, month, "ledger") for month in one.months] == store.happened
    assert held.keys() == set(SOURCES)
    with pytest.raises(SinkUnavailable, match=f"{SOURCES[1]}: table ledger does not hold"):
        _inserter(FakeStore(stored=ROWS - 1)).load([insert], {SOURCES[0]: Held(rows=-1), SOURCES[1]: Held()})


def test_insert_that_is_sent_again_is_confirmed_again() -> None:
    store = FakeStore(refused=2)
    marks: list[Mapping[TopicPartition, Mark]] = []
    insert = _insert(SOURCES[0])
    _inserter(store, marks.append).load([insert], {SOURCES[0]: Held()})
    assert marks == [{SOURCES[0]: insert.ranges[0].noted}] * 5


def test_nothing_is_sent_once_the_assignment_is_gone() -> None:
    def gone(_: Mapping[TopicPartition, Mark]) -> None:
        raise Superseded

    store = FakeStore()
    with pytest.raises(Superseded):
        _inserter(store, gone).load([_insert(SOURCES[0])], {SOURCES[0]: Held()})
    assert store.happened == []


def test_acknowledged_month_that_is_not_in_the_table_is_an_error() -> None:
    with pytest.raises(SinkUnavailable, match="does not hold what ClickHouse acknowledged") as raised:
        _inserter(FakeStore(stored=ROWS - 1)).load([_insert(SOURCES[0])], {SOURCES[0]: Held()})
    assert "202609" in str(raised.value)


def test_other_counts_pass_where_the_range_itself_is_there() -> None:
    """As after a merge of rows of one identity, or where an old partition was dropped."""
    held = _inserter(FakeStore(stored=0)).load([_insert(SOURCES[0])], {SOURCES[0]: Held()})
    assert held[SOURCES[0]].rows == 0


def test_layout_of_a_table_is_one_more_with_every_month_that_it_lost() -> None:
    layouts = _inserter(FakeStore()).layouts(SOURCES)
    assert layouts == {"ledger": 7 + 3}


def _inserter(store: FakeStore, confirm: Any = lambda _: None) -> Inserter:
    return Inserter("loader-0", store, threading.Event(), confirm, lambda _: None)  # type: ignore[arg-type]


def _insert(*sources: TopicPartition) -> Insert:
    parts = [
        rows_of(
            Records(source, list(range(ROWS)), encode(postings(ROWS, partition=source.partition), schema("ledger"))), {}
        )
        for source in sources
    ]
    pendings = noted([Span(source, 0, ROWS - 1, ROWS) for source in sources], layout=1, noted_at=0)
    ranges = [Range.of(pendings[rows.source], rows, rows.months()) for rows in parts]
    return Insert.of(ranges, parts, ranges[0].months)
