"""Servers that the sink's tests may end, apart from those that all tests share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from esep.embedded.clickhouse import ClickHouseServer
from esep.embedded.kafka import KafkaBroker
from tests.sinks.line import Servers
from tests.support.services import passing, shared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def servers() -> Servers:
    return shared("servers", _servers)


@contextmanager
def _servers(data_dir: Path) -> Iterator[Servers]:
    broker, clickhouse = KafkaBroker(data_dir / "kafka"), ClickHouseServer(data_dir / "clickhouse")
    with passing(broker), passing(clickhouse):
        yield Servers(broker, clickhouse, data_dir)
