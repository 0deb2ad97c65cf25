"""What tests of several commands find there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.alert_books import AlertBooks

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer


@pytest.fixture
def books(clickhouse: ClickHouseServer, monkeypatch: pytest.MonkeyPatch) -> AlertBooks:
    """Give tables that the commands look into."""
    made = AlertBooks(clickhouse)
    made.show_to_commands(monkeypatch)
    return made
