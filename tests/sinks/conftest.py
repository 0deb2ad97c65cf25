"""Servers that the sink's tests may end, apart from those that all tests share."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from esep.embedded.clickhouse import ClickHouseServer
from esep.embedded.kafka import KafkaBroker
from tests.sinks.line import Servers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="esep-sinks-") as name:
        data_dir = Path(name)
        with KafkaBroker(data_dir / "kafka") as broker, ClickHouseServer(data_dir / "clickhouse") as clickhouse:
            yield Servers(broker, clickhouse, data_dir)
