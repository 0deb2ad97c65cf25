"""The ledger that the tests of extracts share with those of reports, and what one extract of it consists of."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.extracts import register
from esep.sinks.clickhouse.extracts.requests import Asked, Deed
from tests.sinks.line import BINS, IINS
from tests.support.report_books import DAY, Event, ReportBooks, Reported, borders, history, shared_books

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer
    from esep.sinks.clickhouse.extracts.requests import Standing

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def books(clickhouse: ClickHouseServer) -> ReportBooks:
    """Give a ledger whose events are all known: everybody has one at each border of days that is looked at."""
    found = shared_books(clickhouse)
    at_borders = [Event("WAGER", iin, bin_, at, 7) for iin in IINS for bin_ in BINS for at in borders(DAY)]
    found.report([*history(3, 60), *map(Reported, at_borders)])
    return found


@pytest.fixture(scope="session")
def client(books: ReportBooks) -> Iterator[Client]:
    with connect(books.settings) as connected:
        yield connected


@pytest.fixture
def approved(client: Client) -> Standing:
    """Give an approved request for a person's month."""
    asked = Asked("Court", "CPC 122", "7/114", IINS[0], "", date(2026, 10, 1), date(2026, 10, 31))
    entered = register.request(client, asked, "a.serikova", NOW)
    later = NOW + timedelta(seconds=1)
    return register.decide(client, entered.request_id, Deed.APPROVED, "b.omarov", "sanctioned", later)
