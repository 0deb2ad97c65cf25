"""Numbers hang on the file alone: never on the clock, never on how often it is sent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.clock import AHEAD_MAX
from esep.codec import encode
from esep.errors import UsageError
from esep.producers.files import LINE, read_rows
from esep.producers.numbering import held_back, number_events, refuse_stream_id, stream_id_of
from esep.producers.rows import map_rows
from esep.schemas import schema
from tests.producers.bets import DESK, lost, won, write_file
from tests.support.examples import examples

PAYOUT, WAGER = schema("payout"), schema("wager")

ORGANIZER = "940140000385"


def _numbered(path: Path, today: date = date(2026, 11, 21)) -> pl.DataFrame:
    mapped = map_rows(read_rows(path, DESK.columns), DESK, ORGANIZER, today)
    return number_events(mapped.events, ORGANIZER, "desk-7")


def test_events_are_numbered_densely_in_the_order_of_the_rows_wagers_first(tmp_path: Path) -> None:
    path = write_file(tmp_path / "desk-7.csv", won("t-1"), lost("t-2", stake="0"), lost("t-3"), won("t-4"))
    numbered = _numbered(path)
    assert numbered.select("sequence", LINE, "event_type", "wager_id").rows() == [
        (1, 2, "WAGER", "t-1"),
        (2, 2, "PAYOUT", "t-1"),
        (3, 4, "WAGER", "t-3"),
        (4, 5, "WAGER", "t-4"),
        (5, 5, "PAYOUT", "t-4"),
    ]


@settings(deadline=None, max_examples=examples(25))
@given(
    kinds=st.lists(st.sampled_from(["lost", "won", "broken", "future"]), max_size=20),
    days_later=st.integers(0, 400),
)
def test_same_file_on_another_day_is_the_same_bytes_under_the_same_numbers(
    kinds: list[str], days_later: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    rows = [
        {
            "lost": lost(f"t-{place}"),
            "won": won(f"t-{place}"),
            "broken": lost(f"t-{place}", iin="900101300008"),
            "future": won(f"t-{place}", at="2026-12-24T10:00:00Z"),
        }[kind]
        for place, kind in enumerate(kinds)
    ]
    path = write_file(tmp_path_factory.mktemp("bets") / "desk-7.csv", *rows)
    first, second = _numbered(path), _numbered(path, date(2026, 11, 21) + timedelta(days=days_later))
    for kind in (WAGER, PAYOUT):
        events = [frame.filter(event_type=kind.record.upper()) for frame in (first, second)]
        assert encode(events[0], kind) == encode(events[1], kind)
    future = [place + 2 for place, kind in enumerate(kinds) if kind == "future"]
    assert held_back(first, now)[LINE].to_list() == future
    assert held_back(second, now + timedelta(days=40)).is_empty()


def test_row_of_the_future_keeps_its_numbers_and_waits_with_both_events(tmp_path: Path) -> None:
    path = write_file(tmp_path / "desk-7.csv", lost("t-1"), won("t-2", at="2026-11-21T23:00:00Z"), lost("t-3"))
    numbered = _numbered(path)
    waiting = held_back(numbered, datetime(2026, 11, 21, 23, 10, tzinfo=UTC))
    assert waiting.rows() == [(3, "INSTANT_IN_FUTURE", "occurred_at")]
    assert numbered.filter(~pl.col(LINE).is_in([3]))["sequence"].to_list() == [1, 4]


@settings(deadline=None)
@given(st.integers(-600, 600))
def test_row_waits_if_it_lies_more_than_the_allowance_ahead(seconds: int) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    events = pl.DataFrame({LINE: [2], "occurred_at": [now + timedelta(seconds=seconds)], "wager_occurred_at": [None]})
    assert held_back(events.cast({"wager_occurred_at": pl.Datetime("ms", "UTC")}), now).height == (
        timedelta(seconds=seconds) > AHEAD_MAX
    )


def test_file_without_passing_rows_has_no_numbers(tmp_path: Path) -> None:
    assert _numbered(write_file(tmp_path / "desk-7.csv", lost("t-1", stake="-5"))).height == 0


@pytest.mark.parametrize(
    ("name", "days", "stream_id"),
    [("desk-7.csv", 0, "desk-7"), ("desk-7.csv", 12, "desk-7+12d"), ("desk-7.mend.csv", -3, "desk-7.mend-3d")],
)
def test_stream_of_a_file_is_its_name_and_its_shift(name: str, days: int, stream_id: str) -> None:
    assert stream_id_of(Path("reports") / name, days) == stream_id


@pytest.mark.parametrize("stream_id", ["", "касса 7", "a/b", "x" * 121])
def test_stream_id_that_intake_would_refuse_is_refused_here(stream_id: str) -> None:
    with pytest.raises(UsageError, match="cannot be a stream id"):
        refuse_stream_id(stream_id)
