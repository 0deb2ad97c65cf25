"""Filters in SQL: each once, and what they let pass is what the stream lets pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from esep.rules import KINDS, load_rules
from esep.settings import Settings
from esep.sinks.clickhouse.alerts.filter_sql import any_sql, filters_of, key_sql, passing_sql
from esep.sinks.clickhouse.client import connect
from esep.stream_apps.alerts.columns import FACTS, HAS_INSTRUMENT, HAS_MARKET
from esep.stream_apps.alerts.program import passes

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer

RULES = load_rules()
FILTERS = filters_of((RULES, rule) for rule in RULES.rules)


def test_each_filter_has_one_number() -> None:
    assert sorted(FILTERS.values()) == list(range(len(FILTERS)))
    assert any_sql(FILTERS).count(" OR ") == len(FILTERS) - 1
    assert filters_of([(RULES, RULES.rule("WIN_STRUCTURED"))] * 2).keys() <= FILTERS.keys()


def test_key_is_never_null() -> None:
    assert key_sql("wager_id") == "wager_id"
    assert key_sql("instrument_hash") == "ifNull(instrument_hash, '')"


@pytest.mark.clickhouse
def test_what_passes_in_sql_passes_in_the_stream(clickhouse: ClickHouseServer) -> None:
    """All filters of all rules, over sums, odds, flags, hours and kinds at and around their limits."""
    numbers = np.random.default_rng(7)
    facts = np.zeros(2_000, FACTS)
    facts["amount"] = numbers.choice([1, 9_999_999, 10_000_000, 79_999_999, 80_000_000, 99_999_999, 100_000_000], 2_000)
    facts["odds"] = numbers.choice([0, 1_000, 2_000], 2_000)
    facts["flags"] = numbers.integers(0, 128, 2_000)
    facts["occurred_ms"] = 1_770_000_000_000 + numbers.integers(0, 48, 2_000) * 1_800_000
    facts["kind"] = numbers.integers(0, len(KINDS), 2_000) + numbers.integers(0, 4, 2_000) * HAS_INSTRUMENT
    rows = [
        (KINDS[int(one["kind"]) % HAS_INSTRUMENT], int(one["amount"]), int(one["odds"]), int(one["flags"]),
         int(one["occurred_ms"]), "a" * 64 if one["kind"] & HAS_INSTRUMENT else None,
         "m" if one["kind"] & HAS_MARKET else "")
        for one in facts
    ]  # fmt: skip
    told = ", ".join(str(row).replace("None", "NULL") for row in rows)
    read = "what, amount_tiyn, odds, flags, fromUnixTimestamp64Milli(at_ms, 'UTC') AS at, instrument_hash, market"
    kinds = (
        "'what String, amount_tiyn Int64, odds Int32, flags Int64, at_ms Int64, instrument_hash Nullable(String),"
        " market String'"
    )
    passed = ", ".join(f"pass_{number}" for number in FILTERS.values())
    with connect(Settings(clickhouse_url=clickhouse.url), database="default") as client:
        found = client.query(
            f"SELECT {passed} FROM (SELECT *, {passing_sql(FILTERS)} FROM (SELECT {read} FROM values({kinds}, {told})))"
        ).result_rows
    for place, one in enumerate(FILTERS):
        in_sql = [bool(row[place]) for row in found]
        assert in_sql == passes(one, facts).tolist()
        assert any(in_sql)
