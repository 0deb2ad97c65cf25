"""A filled store that no test changes: making one takes longer than asking it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sinks.clickhouse.retention.books import database, fill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer


@pytest.fixture(scope="package")
def filled(clickhouse: ClickHouseServer) -> Iterator[Client]:
    with database(clickhouse, "filled") as (own, client):
        fill(own)
        yield client
