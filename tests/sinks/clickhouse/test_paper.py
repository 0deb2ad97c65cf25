"""The same lines are the same file; each page begins anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from esep.sinks.clickhouse.lines import Line
from esep.sinks.clickhouse.paper import paper

AT = datetime(2026, 11, 20, 7, tzinfo=UTC)
LINES = [
    Line("title", "Хабарлама"),
    Line("head", "№ 7"),
    Line("section", "Себебі"),
    Line("item", "ұтыс"),
    Line("reason", "1,000,000.00"),
]


def test_same_lines_are_the_same_file_and_another_date_is_another() -> None:
    made = paper("7", AT, [LINES])
    assert made.startswith(b"%PDF-")
    assert paper("7", AT, [LINES]) == made
    assert paper("7", AT + timedelta(days=1), [LINES]) != made


def test_each_page_begins_anew_and_a_long_one_goes_on() -> None:
    assert paper("7", AT, [LINES, LINES, LINES]).count(b"/Type /Page\n") == 3
    assert paper("7", AT, [LINES * 60]).count(b"/Type /Page\n") > 3
