"""Services that tests share: each is started once per session, and per worker under xdist, when first asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from xdist.remote import Producer

from esep.embedded.clickhouse import ClickHouseServer
from esep.embedded.kafka import KafkaBroker
from tests.integration.line import Line, line
from tests.producers.bets import new_bin
from tests.producers.fake_intake import make_topics
from tests.sinks.line import Servers
from tests.support.examples import examples
from tests.support.live_rules import live_rules
from tests.support.registry import registry as running_registry
from tests.support.role_books import RoleBooks, role_books
from tests.support.secured import Secured, secured_line
from tests.support.services import LEVELS, end_before, level_of, passing, shared
from tests.support.work_units import ByWorkUnit, tell_units

# The machine may be busy with the services of other tests, so that time says nothing.
# `make safeguards` looks for a failure, and not for the smallest one.
PHASES = [Phase.explicit, Phase.generate] if os.environ.get("ESEP_ANY_FAILURE") else list(Phase)
settings.register_profile(
    "esep", max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=PHASES
)
settings.load_profile("esep")


LEVEL = pytest.StashKey[dict[Path, int]]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order files by their level; whatever asks for a registry, a server of some size, is `long`."""
    levels = config.stash[LEVEL] = {}
    for item in items:
        if "registry" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.long)
        levels[item.path] = min(level_of(item), levels.get(item.path, len(LEVELS)))
    items.sort(key=lambda item: levels[item.path])
    if hasattr(config, "workerinput"):
        tell_units(config.workerinput, items, levels)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByWorkUnit:
    """Let workers take work units, in the order of their levels and not of their sizes."""
    config.option.loadscopereorder = False
    return ByWorkUnit(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """End the servers that this worker's tests ask for no more."""
    end_before(item.config.stash[LEVEL][item.path])


def pytest_sessionfinish() -> None:
    """End the servers that still run."""
    end_before(len(LEVELS))


@pytest.fixture(scope="session")
def broker() -> KafkaBroker:
    """One real broker; name topics, groups and transactional ids after the test, since others use it too."""
    return shared("kafka", lambda folder: passing(KafkaBroker(folder)))


@pytest.fixture
def organizer(broker: KafkaBroker) -> str:
    """Give a BIN whose topics exist, and that no other test uses."""
    organizer_bin = new_bin()
    make_topics(broker.bootstrap_servers, organizer_bin)
    return organizer_bin


@pytest.fixture(scope="session")
def secured() -> Secured:
    """One real broker with TLS, passwords and the rights of a line; organizers OURS and OTHER stay as they are."""
    return shared("secured", secured_line)


@pytest.fixture(scope="session")
def common_line() -> Line:
    """The whole line with the register of the examples; each test has an organizer and persons of its own there.

    Its rules are `live_rules`, in the folder of the line.
    """
    return shared("stack", lambda folder: line(folder / "line", ESEP_RULES_FILE=str(live_rules(folder / "line"))))


@pytest.fixture(scope="session")
def clickhouse() -> ClickHouseServer:
    """One real engine behind HTTP; name databases and tables after the test, since others use it too."""
    return shared("clickhouse", lambda folder: passing(ClickHouseServer(folder)))


@pytest.fixture(scope="session")
def roles() -> RoleBooks:
    """One real engine whose users have roles, with postings, pseudonyms and views that tests leave as they are."""
    return shared("roles", role_books)


@pytest.fixture(scope="session")
def servers() -> Servers:
    """A broker and an engine whose topics have the line's names, and which tests may end."""
    return shared("servers", _servers)


@contextmanager
def _servers(data_dir: Path) -> Iterator[Servers]:
    broker, clickhouse = KafkaBroker(data_dir / "kafka"), ClickHouseServer(data_dir / "clickhouse")
    with passing(broker), passing(clickhouse):
        yield Servers(broker, clickhouse, data_dir)


@pytest.fixture(scope="session")
def registry() -> str:
    """Give the address of one real schema registry; what is published there stays for the tests after."""
    return shared("registry", running_registry)
