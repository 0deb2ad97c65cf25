"""Services that tests share: each is started once per session, and per worker under xdist, when first asked for."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from esep.embedded.clickhouse import ClickHouseServer
from esep.embedded.kafka import KafkaBroker
from tests.producers.bets import new_bin
from tests.producers.fake_intake import make_topics
from tests.support.examples import examples
from tests.support.registry import registry as running_registry
from tests.support.secured import Secured, secured_line

if TYPE_CHECKING:
    from collections.abc import Iterator

# The machine may be busy with the services of other tests, so that time says nothing.
settings.register_profile(
    "esep", max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("esep")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first, so that no worker begins one when the others are done."""
    kinds = ("stack", "kafka", "clickhouse")
    weights: dict[Path, int] = {}
    for item in items:
        weight = next((place for place, kind in enumerate(kinds) if item.get_closest_marker(kind)), len(kinds))
        weights[item.path] = min(weight, weights.get(item.path, weight))
    items.sort(key=lambda item: weights[item.path])


@pytest.fixture(scope="session")
def broker() -> Iterator[KafkaBroker]:
    """One real broker; name topics, groups and transactional ids after the test, since others use it too."""
    with tempfile.TemporaryDirectory(prefix="esep-kafka-") as data_dir, KafkaBroker(Path(data_dir)) as started:
        yield started


@pytest.fixture
def organizer(broker: KafkaBroker) -> str:
    """Give a BIN whose topics exist, and that no other test uses."""
    organizer_bin = new_bin()
    make_topics(broker.bootstrap_servers, organizer_bin)
    return organizer_bin


@pytest.fixture(scope="session")
def secured() -> Iterator[Secured]:
    """One real broker with TLS, passwords and the rights of a line; organizers OURS and OTHER stay as they are."""
    with tempfile.TemporaryDirectory(prefix="esep-secured-") as data_dir, secured_line(Path(data_dir)) as started:
        yield started


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[ClickHouseServer]:
    """One real engine behind HTTP; name databases and tables after the test, since others use it too."""
    with (
        tempfile.TemporaryDirectory(prefix="esep-clickhouse-") as data_dir,
        ClickHouseServer(Path(data_dir)) as started,
    ):
        yield started


@pytest.fixture(scope="session")
def registry() -> Iterator[str]:
    """Give the address of one real schema registry; what is published there stays for the tests after."""
    with tempfile.TemporaryDirectory(prefix="esep-registry-") as data_dir, running_registry(Path(data_dir)) as url:
        yield url
