"""A delay runs from the hand-over to the first look that showed the row."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from esep.cli.observer import delays

_START_NS = 1_763_000_000_000_000_000


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 1_000)), min_size=1, max_size=20))
def test_delay_is_that_of_the_first_look_that_showed_the_row(looks: list[tuple[int, int]]) -> None:
    """Each look shows so many more rows, so many milliseconds after the one before."""
    seen, row, now_ms, expected = [], 0, 0, []
    for more, later_ms in looks:
        now_ms += later_ms
        row += more
        seen.append((3, row, _START_NS + now_ms * 1_000_000))
        expected += [float(now_ms)] * more
    handed_at = datetime.fromtimestamp(_START_NS / 1e9, UTC)
    rows = [("940140000385", "desk-1", number, 3, number) for number in range(1, row + 2)]  # The last one nobody saw.
    ledger = pl.DataFrame(rows, schema=["organizer_bin", "stream_id", "sequence", "lane", "row"], orient="row")
    handed_over = ledger.select("organizer_bin", "stream_id", "sequence").with_columns(
        handed_at=pl.lit(handed_at).cast(pl.Datetime("ns", "UTC"))
    )
    seen_frame = pl.DataFrame(seen, schema=["lane", "row", "seen_ns"], orient="row")
    assert delays(seen_frame, ledger, handed_over)["delay_ms"].sort().to_list() == expected
