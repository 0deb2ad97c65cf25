"""A rule as one SQL statement over the ledger: the second engine beside the stream (DESIGN §7).

Reads     a `RuleSet` and one of its rules, LIVE or SHADOW
Returns   a SELECT: rule_id, rule_version, iin or instrument_hash (whatever the rule is about), bucket, occurred_at,
          observations, evidence, evidence_iins (the person of each of its postings), a row for each alert that stands
Promises  the alerts of the stream, to the unit, for any ledger in which nothing came later than the stream waits for;
          no limit of lateness of its own; works in O(n log n) of a subject's postings, however many there are; nothing
          in it names a person (box: sinks/clickhouse)

A window of length w ends at its event in the total order and holds what occurred less than w before. So each posting
comes at its place in the total order and goes w later, ahead of all that occurs at that instant, and a value is the sum
of what has come and not gone. Different values are counted by the spans for which each of them is there: it comes with
a posting unless the same value came less than w before, and goes w after a posting unless it comes again within w.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.clock import ALMATY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from esep.rules import Condition, Feature, Filter, Range, Rule, RuleSet

EVIDENCE_MAX = 10_000  # The latest ones, as the stream tells them.
_ORDER = "at_ms, entry_id, revision"
_MOVES = "move_ms, comes, entry_id, revision"
_KIND = "ifNull(if(event_type = 'PAYOUT', toString(kind), toString(event_type)), '')"
_BUCKETS = {
    "entry": "entry_id",
    "day": f"toString(toDate(at, '{ALMATY}'))",
    "week": f"concat(leftPad(toString(toISOYear(at, '{ALMATY}')), 4, '0'), '-W', "
    f"leftPad(toString(toISOWeek(at, '{ALMATY}')), 2, '0'))",
    "month": f"formatDateTime(at, '%Y-%m', '{ALMATY}')",
}
_LEDGER = """taken_back AS (
    SELECT {owner}, entry_id, occurred_at, -amount_tiyn AS amount_tiyn, max(revision) + 1 AS until
    FROM ledger FINAL WHERE leg < 0{owned} GROUP BY {owner}, entry_id, occurred_at, amount_tiyn
),
looked_at AS (
    SELECT iin, entry_id, revision, leg, occurred_at AS at, toUnixTimestamp64Milli(occurred_at) AS at_ms, amount_tiyn,
           {kind} AS what, organizer_bin, wager_id, instrument_hash, ifNull(odds_milli, 0) AS odds, flags,
           ledger_partition, ledger_offset
    FROM ledger FINAL LEFT JOIN taken_back USING ({owner}, entry_id, occurred_at, amount_tiyn)
    WHERE leg > 0 AND ifNull(until, 0) <= revision + 1{owned}{spans}
),
in_force AS (
    SELECT *, {passes}
    FROM looked_at WHERE {relevant}
)"""
_STATEMENT = """WITH {ledger},
moves AS (
    SELECT *, {links},
           arrayJoin([{shifts}]::Array(Int64)) AS shift, at_ms + shift AS move_ms, shift = 0 AS comes
    FROM in_force
),
judged AS (
    SELECT *, {values}
    FROM moves
),
fulfilled AS (
    SELECT {owner} AS subject, at_ms AS event_ms, entry_id AS event_id, revision AS event_revision, at AS event_at,
           {kept},
           {bucket} AS bucket
    FROM judged WHERE comes AND {event}{conditions}
    ORDER BY subject, bucket, event_ms, event_id, event_revision LIMIT 1 BY subject, bucket
)
SELECT '{rule_id}' AS rule_id, {version} AS rule_version, subject AS {owner}, bucket, event_at AS occurred_at,
    any({observations}) AS observations,
    arrayMap(one -> (one.2, one.3, one.4, one.5, one.6, one.7, one.8)::Tuple(entry_id String, revision Int32, leg Int32,
        occurred_at DateTime64(3, 'UTC'), amount_tiyn Int64, ledger_partition Int32, ledger_offset Int64),
        {told}
    ) AS evidence,
    arrayMap(one -> one.9, {told}) AS evidence_iins
FROM fulfilled INNER JOIN in_force ON fulfilled.subject = in_force.{owner}
WHERE ({order}) <= (event_ms, event_id, event_revision) AND ({evidence})
GROUP BY subject, bucket, event_at
ORDER BY {owner}, bucket"""
_TOLD = f"""arraySlice(arraySort(groupArray((
            at_ms, entry_id, revision, leg, at, amount_tiyn, ledger_partition, ledger_offset, iin
        ))), -{EVIDENCE_MAX})"""


def rule_sql(rules: RuleSet, rule: Rule, first_ms: int | None = None, end_ms: int | None = None) -> str:
    """Return the statement. first_ms, end_ms: only events from one instant on and before another, UTC."""
    features = rules.features_of(rule)
    filters = _numbered([rule.event, *(feature.filter for feature in features)])
    numbers = {feature.feature: number for number, feature in enumerate(features)}
    conditions = [condition for condition, _ in rule.conditions()]
    keys = sorted({key for feature in features for key in feature.key})
    held = {id(condition): _holds(rules, condition, numbers) for condition in conditions}
    ledger = _LEDGER.format(
        owner=rule.own_field,
        owned="" if rule.subject == "person" else " AND isNotNull(instrument_hash)",
        kind=_KIND,
        spans=_spans(rule, features, first_ms, end_ms),
        passes=",\n           ".join(f"{_passes(one)} AS pass_{number}" for one, number in filters.items()),
        relevant=" OR ".join(f"pass_{number}" for number in filters.values()),
    )
    kept = [
        *(f"value_{number}" for number in numbers.values()),
        *(f"{_key(key)} AS event_{key}" for key in keys),
    ]
    events = [f"pass_{filters[rule.event]}"]
    events += [] if first_ms is None else [f"at_ms >= {first_ms}"]
    events += [] if end_ms is None else [f"at_ms < {end_ms}"]
    return _STATEMENT.format(
        ledger=ledger,
        owner=rule.own_field,
        told=_TOLD,
        shifts=", ".join(map(str, sorted({0, *(one.window for one in features)}))),
        links=", ".join(_links(rule, features, filters)) or "1 AS no_links",
        values=", ".join(f"{_value(rule, one, filters)} AS value_{numbers[one.feature]}" for one in features)
        or "1 AS none",
        kept=", ".join(kept) or "1 AS nothing",
        bucket=_BUCKETS[rule.bucket],
        event=" AND ".join(events),
        conditions="".join(
            f"\n      AND ({' OR '.join(held[id(one)] for one in condition.alternatives)})" for condition in rule.when
        ),
        rule_id=rule.rule_id,
        version=rule.version,
        observations=_observations(rules, conditions, held, numbers),
        evidence="\n   OR ".join(_evidence(rules, conditions, held, filters)),
        order=_ORDER,
    )


def _numbered(filters: Iterable[Filter]) -> dict[Filter, int]:
    return {one: number for number, one in enumerate(dict.fromkeys(filters))}


def _spans(rule: Rule, features: Iterable[Feature], first_ms: int | None, end_ms: int | None) -> str:
    """Return what bounds the ledger's rows: those before the first event matter as far as the longest window."""
    longest_ms = max((feature.window for feature in features), default=0)
    first = max(rule.since_ms, -(2**62) if first_ms is None else first_ms - longest_ms)
    low = f" AND occurred_at >= fromUnixTimestamp64Milli({first}, 'UTC')" if first > -(2**62) else ""
    high = "" if end_ms is None else f" AND occurred_at < fromUnixTimestamp64Milli({end_ms}, 'UTC')"
    return low + high


def _passes(one: Filter) -> str:
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
    return f"({' AND '.join(said) or '1'})"


def _within(column: str, span: Range | None) -> list[str]:
    if span is None:
        return []
    low = [] if span.low is None else [f"{column} >= {span.low}"]
    return low + ([] if span.below is None else [f"{column} < {span.below}"])


def _links(rule: Rule, features: Iterable[Feature], filters: dict[Filter, int]) -> Iterator[str]:
    """Yield for each field of which values are counted when the same value came before and comes next."""
    counted = {(one.field, filters[one.filter]) for one in features if one.aggregate == "distinct"}
    for field, number in sorted(counted, key=str):
        window = (
            f"(PARTITION BY {rule.own_field}, {_key(str(field))}, pass_{number} ORDER BY {_ORDER}"
            " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
        )
        yield f"lagInFrame(toNullable(at_ms)) OVER {window} AS before_{field}_{number}"
        yield f"leadInFrame(toNullable(at_ms)) OVER {window} AS after_{field}_{number}"


def _value(rule: Rule, feature: Feature, filters: dict[Filter, int]) -> str:
    """Return a feature's value at a posting that comes."""
    number = filters[feature.filter]
    if feature.aggregate == "distinct":
        before, after = (f"{side}_{feature.field}_{number}" for side in ("before", "after"))
        begins = f"toInt64(pass_{number} AND (isNull({before}) OR at_ms - {before} >= {feature.window}))"
        ends = f"toInt64(pass_{number} AND (isNull({after}) OR {after} - at_ms >= {feature.window}))"
        return _there(rule, feature, begins, ends) if feature.window else f"toInt64(pass_{number})"
    parts = {
        "count": ("1",),
        "sum": ("amount_tiyn",) if feature.field == "amount_tiyn" else ("intDiv(toInt128(amount_tiyn) * odds, 1000)",),
        "mean": ("amount_tiyn", "toInt128(amount_tiyn) * odds"),
    }[feature.aggregate]
    counted = [f"if(pass_{number}, toInt128({part}), toInt128(0))" for part in parts]
    sums = [_there(rule, feature, one, one) for one in counted] if feature.window else counted
    return f"if({sums[0]} = 0, NULL, intDiv({sums[1]}, {sums[0]}))" if feature.aggregate == "mean" else sums[0]


def _there(rule: Rule, feature: Feature, comes: str, goes: str) -> str:
    """Return the sum of what has come and not gone."""
    move = f"multiIf(comes, {comes}, shift = {feature.window}, -{goes}, 0)"
    return f"sum({move}) OVER ({_of(rule, feature)} ORDER BY {_MOVES} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"


def _of(rule: Rule, feature: Feature) -> str:
    return f"PARTITION BY {', '.join([rule.own_field, *map(_key, feature.key)])}"


def _key(field: str) -> str:
    return "ifNull(instrument_hash, '')" if field == "instrument_hash" else field


def _holds(rules: RuleSet, condition: Condition, numbers: dict[str, int]) -> str:
    value, limit = f"value_{numbers[condition.feature or '']}", condition.limit
    sign = ">=" if condition.at_least is not None else "<="
    if condition.of is None:
        held = f"{value} {sign} {limit}"
        return f"ifNull({held}, 0)" if rules.by_name[condition.feature or ""].aggregate == "mean" else held
    whole = f"value_{numbers[condition.of]}"
    return f"({whole} > 0 AND toInt256({value}) * {limit.denominator} {sign} toInt256({whole}) * {limit.numerator})"


def _threshold(condition: Condition, numbers: dict[str, int]) -> str:
    limit = condition.limit
    if condition.of is None:
        return str(limit)
    up = limit.denominator - 1 if condition.at_least is not None else 0
    return f"intDiv(toInt256(value_{numbers[condition.of]}) * {limit.numerator} + {up}, {limit.denominator})"


def _observations(
    rules: RuleSet, conditions: Iterable[Condition], held: dict[int, str], numbers: dict[str, int]
) -> str:
    """Return an array of what was observed, of the conditions that hold."""
    told = []
    for condition in conditions:
        feature = rules.by_name[condition.feature or ""]
        value, threshold = (
            f"toInt64(least(toInt256(ifNull({one}, 0)), toInt256('9223372036854775807')))"
            for one in (f"value_{numbers[feature.feature]}", _threshold(condition, numbers))
        )
        told.append(f"(toUInt8({held[id(condition)]}), ('{feature.observed}', {value}, {threshold}, '{feature.unit}'))")
    kind = "Array(Tuple(name String, value Int64, threshold Int64, unit String))"
    if not told:
        return f"[]::{kind}"
    return f"CAST(arrayMap(one -> one.2, arrayFilter(one -> one.1, [{', '.join(told)}])), '{kind}')"


def _evidence(
    rules: RuleSet, conditions: Iterable[Condition], held: dict[int, str], filters: dict[Filter, int]
) -> Iterator[str]:
    """Yield what makes a posting evidence: it is the event, or in a window of a condition that holds."""
    yield "at_ms = event_ms AND entry_id = event_id AND revision = event_revision"
    for condition in conditions:
        for name in filter(None, (condition.feature, condition.of)):
            feature = rules.by_name[name]
            if feature.window:
                same = "".join(f" AND {_key(key)} = event_{key}" for key in feature.key)
                yield (
                    f"pass_{filters[feature.filter]} AND at_ms > event_ms - {feature.window}{same}"
                    f" AND {held[id(condition)]}"
                )
