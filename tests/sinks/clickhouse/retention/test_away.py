"""Loaders are away once their group has no member and ClickHouse is at work on no insert; until then nothing goes."""

from __future__ import annotations

from typing import Any

import pytest

from esep.errors import UsageError
from esep.settings import Settings
from esep.sinks.clickhouse.retention import away as module
from esep.sinks.clickhouse.retention.away import Away


class Busy:
    """Stands for ClickHouse, at work on so many inserts, one less with each question."""

    def __init__(self, inserts: int) -> None:
        self.inserts = inserts + 1

    def query(self, _: str) -> Any:
        self.inserts = max(0, self.inserts - 1)
        return type("Answer", (), {"result_rows": [(self.inserts,)]})()


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give what the group is to have with each look."""
    to_come: list[int] = []
    monkeypatch.setattr(module, "members_of", lambda *_: to_come.pop(0))
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    return to_come


def test_members_are_waited_for_and_then_told(members: list[int]) -> None:
    members += [2, 1, 0, 1]
    Away(Settings(), Busy(0), 60.0)()  # type: ignore[arg-type]
    assert members == [1]
    with pytest.raises(UsageError, match="the group loader has 1 members"):
        Away(Settings(), Busy(0), 0.0)()  # type: ignore[arg-type]


def test_inserts_on_their_way_are_waited_for_and_then_told(members: list[int]) -> None:
    members += [0] * 5
    busy = Busy(3)
    Away(Settings(), busy, 60.0)()  # type: ignore[arg-type]
    assert (busy.inserts, members) == (0, [0])
    with pytest.raises(UsageError, match="ClickHouse is at work on 2 inserts"):
        Away(Settings(), Busy(2), 0.0)()  # type: ignore[arg-type]
