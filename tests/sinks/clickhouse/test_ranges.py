"""A range is read again as records of the loader: offsets and values as they lie on the topic."""

from __future__ import annotations

import pytest

from esep.lineage import TopicPartition
from esep.sinks.clickhouse import ranges
from esep.sinks.clickhouse.frames import Records
from esep.sinks.clickhouse.ranges import read_range


class Message:
    """Stands for a message of the broker."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes | None:
        return b"%d" % self._offset if self._offset else None


def test_each_chunk_becomes_records_of_the_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    source = TopicPartition("ledger", 1)

    def committed(*place: object, name: str, security: object) -> list[list[Message]]:
        assert (place, name, security) == (("servers", source, 0, 9), "loader", {"a": "b"})
        return [[Message(0), Message(2)], [Message(7)]]

    monkeypatch.setattr(ranges, "committed", committed)
    assert list(read_range("servers", source, 0, 9, {"a": "b"})) == [
        Records(source, [0, 2], [None, b"2"]),
        Records(source, [7], [b"7"]),
    ]
