"""What is under way is told, and the mark of an unfinished restore keeps loaders away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esep.errors import SettingInvalid, SinkUnavailable, UsageError
from esep.sinks.clickhouse.backup.state import (
    is_unfinished,
    mark,
    refuse_at_work,
    refuse_unfinished,
    removals_of,
    unmark,
)
from esep.sinks.clickhouse.migrate import refuse_undone
from esep.sinks.clickhouse.retention.removing import Remover
from tests.sinks.clickhouse.retention.books import NOW, database, fill

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = pytest.mark.clickhouse


class Killed(Exception):
    pass


def killed_once_closed(step: str) -> None:
    if step == "closed":
        raise Killed


class Busy:
    """A client of a ClickHouse that is at work on a backup."""

    @staticmethod
    def query(_: str) -> object:
        return type("Answer", (), {"result_rows": [(1,)]})


def test_what_is_under_way_is_told_and_an_unfinished_restore_keeps_loaders_away(clickhouse: ClickHouseServer) -> None:
    """O9-4.7: a copy of some tables from before a removal and of others from after it has neither rows nor balances."""
    with database(clickhouse, "state") as (own, client):
        refuse_undone(own)
        mark(client)
        mark(client)
        assert is_unfinished(client)
        with pytest.raises(SettingInvalid, match="restored in part, or without their offsets"):
            refuse_undone(own)
        unmark(client)
        refuse_undone(own)
        refuse_unfinished(client)

        fill(own)
        assert removals_of(client) == 0
        with pytest.raises(Killed):
            Remover(client, lambda: None, NOW, killed_once_closed).run()
        with pytest.raises(UsageError, match="1 months are about to be removed"):
            removals_of(client)
        Remover(client, lambda: None, NOW).run()
        assert removals_of(client) > 0

        refuse_at_work(client)
        with pytest.raises(SinkUnavailable, match="still at work on another backup or restore"):
            refuse_at_work(Busy())  # type: ignore[arg-type]
