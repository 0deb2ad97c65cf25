"""The columns of an extract are a version, and the view's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esep.sinks.clickhouse.extracts.layout import COLUMNS_OF, ON_PAPER, POSTING_COLUMNS, VERSION, VIEW, columns_sha256

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

RUNNING = ("person_year_", "person_ever_", "organizer_year_", "organizer_ever_")


def test_columns_change_only_with_the_version() -> None:
    """Whoever changes a column raises VERSION, makes a new view, and writes the new hash down here."""
    assert (VERSION, columns_sha256()) == (1, "1fdbf0af5d764d38012153418e192ad2de5f122c2e5b6be771b163f2015e476e")


def test_no_running_total_is_among_the_columns() -> None:
    """A person's go over all organizers and years: more than may have been approved."""
    assert not [column.name for column in POSTING_COLUMNS if column.name.startswith(RUNNING)]
    assert set(ON_PAPER) <= {column.name for column in COLUMNS_OF["postings"]}


@pytest.mark.clickhouse
def test_view_has_these_columns_in_this_order(client: Client) -> None:
    shown = client.query(f"DESCRIBE {VIEW}").result_rows
    assert [row[0] for row in shown] == [*(column.name for column in POSTING_COLUMNS), "utc_occurred_at"]


@pytest.mark.clickhouse
def test_view_reads_the_months_and_the_person_that_are_asked_for_only(client: Client) -> None:
    asked = "iin = '900101300007' AND utc_occurred_at >= toDateTime64('2030-01-01', 3, 'UTC')"
    as_extracts_ask = "SETTINGS do_not_merge_across_partitions_select_final = 1"
    plan = client.query(f"EXPLAIN indexes = 1 SELECT iin FROM {VIEW} WHERE {asked} {as_extracts_ask}").result_rows
    text = "\n".join(row[0] for row in plan)
    assert "toYYYYMM(occurred_at)" in text
    assert "iin in ['900101300007', '900101300007']" in text
