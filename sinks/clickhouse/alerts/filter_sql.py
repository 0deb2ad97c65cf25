"""The filters of a rule in SQL, and what of a posting they and its features look at.

Reads     a `RuleSet` and one of its rules
Returns   expressions over the columns of `READ`
Promises  names no person; two filters that say the same are one (box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.clock import ALMATY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esep.rules import Filter, Range, Rule, RuleSet

Filters = dict["Filter", int]  # Each filter and its number: pass_<number> says whether a posting passes it.
READ = """iin, entry_id, revision, leg, occurred_at AS at, toUnixTimestamp64Milli(occurred_at) AS at_ms, amount_tiyn,
           ifNull(if(event_type = 'PAYOUT', toString(kind), toString(event_type)), '') AS what, organizer_bin, wager_id,
           instrument_hash, ifNull(odds_milli, 0) AS odds, flags, market, outcome, ledger_partition, ledger_offset"""


def filters_of(chosen: Iterable[tuple[RuleSet, Rule]]) -> Filters:
    """Return the filters of rules, numbered."""
    every = [
        one for rules, rule in chosen for one in (rule.event, *(named.filter for named in rules.features_of(rule)))
    ]
    return {one: number for number, one in enumerate(dict.fromkeys(every))}


def passing_sql(filters: Filters) -> str:
    """Return the columns that say which filters a posting passes."""
    return ",\n           ".join(f"{passes_sql(one)} AS pass_{number}" for one, number in filters.items())


def any_sql(filters: Filters) -> str:
    """Return whether a posting passes any of the filters."""
    return " OR ".join(f"pass_{number}" for number in filters.values())


def key_sql(field: str) -> str:
    """Return the value of a field that is a key, never NULL."""
    return "ifNull(instrument_hash, '')" if field == "instrument_hash" else field


def passes_sql(one: Filter) -> str:
    """Return whether a posting passes a filter, 1 or 0."""
    said = []
    if one.kinds:
        said.append(f"what IN ({', '.join(repr(kind) for kind in one.kinds)})")
    said += _within("amount_tiyn", one.amount_tiyn)
    said += [*_within("odds", one.odds_milli), "odds > 0"] if one.odds_milli else []
    said += _within(f"toHour(at, '{ALMATY}')", one.hours)
    if one.flags:
        said.append(f"bitAnd(flags, {one.flag_bits}) != 0")
    if "instrument_hash" in one.has:
        said.append("isNotNull(instrument_hash)")
    if "odds_milli" in one.has:
        said.append("odds > 0")
    if "market" in one.has:
        said.append("market != ''")
    return f"({' AND '.join(said) or '1'})"


def _within(column: str, span: Range | None) -> list[str]:
    if span is None:
        return []
    low = [] if span.low is None else [f"{column} >= {span.low}"]
    return low + ([] if span.below is None else [f"{column} < {span.below}"])
