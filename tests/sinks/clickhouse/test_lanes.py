"""Both sides of a lane are counted as sets are, and what differs is named, all of it and nothing else."""

from __future__ import annotations

from collections import Counter

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from esep.sinks.clickhouse.lanes import Tally, _told
from esep.sinks.clickhouse.tables import LEDGER_TABLE, REJECTED_TABLE

AMOUNTS = st.dictionaries(st.integers(0, 12), st.integers(-2, 2), max_size=8)  # By offset; row = offset + 1.


@given(st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=8), max_size=8))
def test_tally_counts_as_a_set_does(chunks: list[list[int]]) -> None:
    tally = Tally()
    for chunk in chunks:
        tally.add(pl.Series(chunk, dtype=pl.Int64))
    rows = [row for chunk in chunks for row in chunk]
    side = tally.side()
    assert (side.count, side.distinct) == (len(rows), len(set(rows)))
    if rows:
        assert (side.first, side.last) == (min(rows), max(rows))


def in_kafka(amounts: dict[int, int]) -> pl.DataFrame:
    """Give postings whose stream is named after a person."""
    postings = [
        ("940140000385", "desk-900101300007", offset, 0, offset, offset + 1, amount)
        for offset, amount in sorted(amounts.items())
    ]
    names = ("organizer_bin", "stream_id", "sequence", "revision", "offset", "row", "amount_tiyn")
    types = dict.fromkeys(names, pl.Int64) | {"organizer_bin": pl.String, "stream_id": pl.String}
    return pl.DataFrame(postings, schema=types, orient="row")


def in_clickhouse(amounts: list[tuple[int, int]]) -> pl.DataFrame:
    """Give what the query of rows gives: offset, row, how often, least and most amount."""
    found: dict[int, list[int]] = {}
    for offset, amount in amounts:
        found.setdefault(offset, []).append(amount)
    rows = [(offset, offset + 1, len(all_), min(all_), max(all_)) for offset, all_ in found.items()]
    names = ("offset", "row", "there", "least_tiyn", "most_tiyn")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.Int64), orient="row")


@given(AMOUNTS, st.lists(st.tuples(st.integers(0, 12), st.integers(-2, 2)), max_size=8))
def test_each_entry_that_differs_is_named_once_and_no_other(sent: dict[int, int], held: list[tuple[int, int]]) -> None:
    times = Counter(offset for offset, _ in held)
    expected = set()
    for offset, amount in sent.items():
        place = f"offset {offset}, row {offset + 1}, entry 940140000385/desk-************/{offset} revision 0"
        if not times[offset]:
            expected.add(f"{place} is not in ClickHouse")
        elif times[offset] > 1:
            expected.add(f"{place} is in ClickHouse {times[offset]} times")
        elif (offset, amount) not in held:
            expected.add(f"{place} has another amount in ClickHouse")
    extra = {f"offset {n}, row {n + 1} is in ClickHouse and not in Kafka" for n in times if n not in sent}
    told = list(_told(in_kafka(sent), in_clickhouse(held), LEDGER_TABLE))
    assert len(told) == len(set(told))
    assert set(told) == expected | extra


@given(AMOUNTS, st.sets(st.integers(0, 12)))
def test_records_without_an_amount_are_compared_by_their_rows_alone(sent: dict[int, int], held: set[int]) -> None:
    there = in_clickhouse([(offset, 0) for offset in held])
    kafka = in_kafka(sent).select("offset", "row")
    assert len(list(_told(kafka, there, REJECTED_TABLE))) == len(held ^ set(sent))
    assert len(list(_told(None, there, REJECTED_TABLE))) == len(held)
