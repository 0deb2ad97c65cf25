"""The ledger that the tests of reports share: what one books stays for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.report_books import ReportBooks, shared_books

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer


@pytest.fixture(scope="session")
def books(clickhouse: ClickHouseServer) -> ReportBooks:
    """Give tables whose events in force are all known."""
    return shared_books(clickhouse)
