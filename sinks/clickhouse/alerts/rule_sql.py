"""A rule as one SQL statement over the ledger: the second engine beside the stream (DESIGN §7).

Reads     a `RuleSet` and one of its rules, LIVE or SHADOW
Returns   a SELECT: rule_id, rule_version, iin or instrument_hash (whatever the rule is about), bucket, occurred_at,
          observations, evidence, evidence_iins (the person of each of its postings), judged (what each condition looked
          at, whether it holds or not, and what stands behind `of`), a row for each alert that stands; or the same over
          a table of what is in force: without evidence, and far faster where most are out of reach
Promises  the alerts of the stream, to the unit, for any ledger in which nothing came later than the stream waits for;
          no limit of lateness of its own; works in O(n log n) of a subject's postings, however many there are; nothing
          in it names a person (box: sinks/clickhouse)

A window of length w ends at its event in the total order and holds what occurred less than w before. So each posting
comes at its place in the total order and goes w later, ahead of all that occurs at that instant, and a value is the sum
of what has come and not gone. Different values are counted by the spans for which each of them is there: it comes with
a posting unless the same value came less than w before, and goes w after a posting unless it comes again within w.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from esep.clock import ALMATY
from esep.rules import POINTS, SCORE, WEIGHT
from esep.sinks.clickhouse.alerts.filter_sql import READ, any_sql, filters_of, key_sql, passing_sql
from esep.sinks.clickhouse.alerts.reach_sql import reach_sql, stretch_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from esep.rules import Condition, Feature, Filter, Rule, RuleSet

EVIDENCE_MAX = 10_000  # The latest ones, as the stream tells them.
_ORDER = "at_ms, entry_id, revision"
_MOVES = "move_ms, comes, entry_id, revision"
_BUCKETS = {
    "entry": "entry_id",
    "day": f"toString(toDate(at, '{ALMATY}'))",
    "week": f"concat(leftPad(toString(toISOYear(at, '{ALMATY}')), 4, '0'), '-W', "
    f"leftPad(toString(toISOWeek(at, '{ALMATY}')), 2, '0'))",
    "month": f"formatDateTime(at, '%Y-%m', '{ALMATY}')",
}
_IN_FORCE = """taken_back AS (
    SELECT {owner}, entry_id, occurred_at, -amount_tiyn AS amount_tiyn, max(revision) + 1 AS until
    FROM {postings} WHERE leg < 0{owned} GROUP BY {owner}, entry_id, occurred_at, amount_tiyn
),
looked_at AS (
    SELECT {read}
    FROM {postings} LEFT JOIN taken_back USING ({owner}, entry_id, occurred_at, amount_tiyn)
    WHERE leg > 0 AND ifNull(until, 0) <= revision + 1{owned}{spans}
)"""
_FULFILLED = """seen AS (
    SELECT *, {passes}
    FROM looked_at
),
{reach}in_force AS (
    SELECT * FROM seen WHERE ({relevant}){near}
),
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
),
spread AS (
    SELECT *, arrayJoin([0, 1]) AS later, intDiv(event_ms, {stretch}) - later AS stretch FROM fulfilled
)"""
_ALERTS = """
SELECT '{rule_id}' AS rule_id, {version} AS rule_version, subject AS {owner}, bucket, event_at AS occurred_at,
    any({observations}) AS observations,
    arrayMap(one -> (one.2, one.3, one.4, one.5, one.6, one.7, one.8)::Tuple(entry_id String, revision Int32, leg Int32,
        occurred_at DateTime64(3, 'UTC'), amount_tiyn Int64, ledger_partition Int32, ledger_offset Int64),
        {told}
    ) AS evidence,
    arrayMap(one -> one.9, {told}) AS evidence_iins,
    any({judged}) AS judged
{joined}
GROUP BY subject, bucket, event_at
ORDER BY {owner}, bucket"""
_FOUND = """
SELECT '{rule_id}' AS rule_id, {version} AS rule_version, subject AS owner, bucket, event_at AS occurred_at,
    event_id AS fulfilled_by, {observations} AS observations, """
_FOUND_OF_PERSON = f"""{_FOUND}[subject] AS persons
FROM fulfilled"""
_FOUND_OF_INSTRUMENT = f"""{_FOUND}groupUniqArray(in_force.iin) AS persons
{{joined}}
GROUP BY subject, bucket, event_at, event_id, observations"""
# A window lies in the stretch in which it ends and the one before, each as long as the longest.
_JOINED = """FROM spread INNER JOIN in_force
    ON subject = in_force.{owner} AND stretch = intDiv(in_force.at_ms, {stretch})
WHERE ({order}) <= (event_ms, event_id, event_revision) AND ({evidence})"""
_TOLD = f"""arraySlice(arraySort(groupArray((
            at_ms, entry_id, revision, leg, at, amount_tiyn, ledger_partition, ledger_offset, iin
        ))), -{EVIDENCE_MAX})"""


class _Looked(NamedTuple):
    """What a condition looks at, as expressions; name and unit as they are."""

    holds: str
    name: str
    value: str
    threshold: str
    unit: str


def rule_sql(rules: RuleSet, rule: Rule, first_ms: int | None = None, end_ms: int | None = None, only: str = "") -> str:
    """Return the statement. first_ms, end_ms: only events from one instant on and before another, UTC.

    only: a statement that gives the persons, or means of payment, that are looked at; none: all.
    """
    parts = _parts(rules, rule, first_ms, end_ms)
    owned = "" if rule.subject == "person" else " AND isNotNull(instrument_hash)"
    owned += f" AND {rule.own_field} IN ({only})" if only else ""
    low, high = span_of(rules, rule, first_ms, end_ms)
    spans = f" AND occurred_at >= fromUnixTimestamp64Milli({low}, 'UTC')" if low is not None else ""
    spans += f" AND occurred_at < fromUnixTimestamp64Milli({high}, 'UTC')" if high is not None else ""
    in_force = in_force_sql(rule.own_field, "ledger FINAL", owned, spans)
    return f"WITH {in_force},\n" + (_FULFILLED + _ALERTS).format(**parts, reach="", near="")


def found_sql(rules: RuleSet, rule: Rule, table: str, first_ms: int | None = None, end_ms: int | None = None) -> str:
    """Return a statement over what is in force, a table with the columns of `in_force_sql` that hold for the subject.

    It gives rule_id, rule_version, owner, bucket, occurred_at, fulfilled_by (an entry), observations and
    persons (all of the evidence): the alerts of `rule_sql`.
    """
    low, high = span_of(rules, rule, first_ms, end_ms)
    spans = [] if low is None else [f"at_ms >= {low}"]
    spans += [] if high is None else [f"at_ms < {high}"]
    looked_at = f"looked_at AS (SELECT * FROM {table} WHERE {' AND '.join(spans) or '1'})"  # noqa: S608 - our own
    reach, near = reach_sql(rules, rule)
    found = _FOUND_OF_PERSON if rule.subject == "person" else _FOUND_OF_INSTRUMENT
    parts = _parts(rules, rule, first_ms, end_ms)
    return f"WITH {looked_at},\n" + (_FULFILLED + found).format(**parts, reach=reach, near=near)


def in_force_sql(owner: str, postings: str, owned: str, spans: str) -> str:
    """Return `looked_at`, a common table expression: what is in force of these postings.

    owner: the field by which what was taken back is known. owned, spans: further conditions, spans only of what counts.
    """
    return _IN_FORCE.format(owner=owner, postings=postings, read=READ, owned=owned, spans=spans)


def _parts(rules: RuleSet, rule: Rule, first_ms: int | None, end_ms: int | None) -> dict[str, object]:
    """Return what stands in for the names of the statements."""
    features = rules.features_of(rule)
    filters = filters_of([(rules, rule)])
    numbers = {feature.feature: number for number, feature in enumerate(features)}
    conditions = [condition for condition, _ in rule.conditions()]
    keys = sorted({key for feature in features for key in feature.key})
    held = {id(condition): _holds(rules, condition, numbers) for condition in conditions}
    kept = [
        *(f"value_{number}" for number in numbers.values()),
        *(f"{key_sql(key)} AS event_{key}" for key in keys),
    ]
    events = [f"pass_{filters[rule.event]}"]
    events += [] if first_ms is None else [f"at_ms >= {first_ms}"]
    events += [] if end_ms is None else [f"at_ms < {end_ms}"]
    parts = {
        "owner": rule.own_field,
        "passes": passing_sql(filters),
        "relevant": any_sql(filters),
        "told": _TOLD,
        "shifts": ", ".join(map(str, sorted({0, *(one.window for one in features)}))),
        "links": ", ".join(_links(rule, features, filters)) or "1 AS no_links",
        "values": ", ".join(f"{_value(rule, one, filters)} AS value_{numbers[one.feature]}" for one in features)
        or "1 AS none",
        "kept": ", ".join(kept) or "1 AS nothing",
        "bucket": _BUCKETS[rule.bucket],
        "event": " AND ".join(events),
        "conditions": "".join(f"\n      AND ({_reached(condition, held)})" for condition in rule.when),
        "rule_id": rule.rule_id,
        "version": rule.version,
        "observations": _observations(_looked_at(rules, rule, held, numbers)),
        "judged": _judged(rules, rule, held, numbers),
        "stretch": stretch_ms(rules, rule),
    }
    evidence = "\n   OR ".join(_evidence(rules, conditions, held, filters))
    return parts | {"joined": _JOINED.format(**parts, order=_ORDER, evidence=evidence)}


def span_of(rules: RuleSet, rule: Rule, first_ms: int | None, end_ms: int | None) -> tuple[int | None, int | None]:
    """Return what bounds the postings: those before the first event matter as far as the longest window."""
    longest_ms = max((feature.window for feature in rules.features_of(rule)), default=0)
    first = max(rule.since_ms, -(2**62) if first_ms is None else first_ms - longest_ms)
    return (first if first > -(2**62) else None), end_ms


def _links(rule: Rule, features: Iterable[Feature], filters: dict[Filter, int]) -> Iterator[str]:
    """Yield for each field of which values are counted when the same value came before and comes next."""
    counted = {(_counted(one, filters), *_spread(one, filters)) for one in features if one.aggregate == "distinct"}
    for name, among, number in sorted(counted):
        window = (
            f"(PARTITION BY {rule.own_field}, {among}, pass_{number} ORDER BY {_ORDER}"
            " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
        )
        yield f"lagInFrame(toNullable(at_ms)) OVER {window} AS before_{name}"
        yield f"leadInFrame(toNullable(at_ms)) OVER {window} AS after_{name}"


def _counted(feature: Feature, filters: dict[Filter, int]) -> str:
    """Return a name for what is counted: different values of a field, by its key, of what passes its filter."""
    return "_".join([str(feature.field), *feature.key, str(filters[feature.filter])])


def _spread(feature: Feature, filters: dict[Filter, int]) -> tuple[str, int]:
    return ", ".join(map(key_sql, [str(feature.field), *feature.key])), filters[feature.filter]


def _value(rule: Rule, feature: Feature, filters: dict[Filter, int]) -> str:
    """Return a feature's value at a posting that comes."""
    number = filters[feature.filter]
    if feature.aggregate == "distinct":
        before, after = (f"{side}_{_counted(feature, filters)}" for side in ("before", "after"))
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
    return f"PARTITION BY {', '.join([rule.own_field, *map(key_sql, feature.key)])}"


def _holds(rules: RuleSet, condition: Condition, numbers: dict[str, int]) -> str:
    value, limit = f"value_{numbers[condition.feature or '']}", condition.limit
    sign = ">=" if condition.at_least is not None else "<="
    if condition.of is None:
        held = f"{value} {sign} {limit}"
        return f"ifNull({held}, 0)" if rules.by_name[condition.feature or ""].aggregate == "mean" else held
    whole = f"value_{numbers[condition.of]}"
    return f"({whole} > 0 AND toInt256({value}) * {limit.denominator} {sign} toInt256({whole}) * {limit.numerator})"


def _reached(condition: Condition, held: dict[int, str]) -> str:
    """Return whether enough of what a condition is made of holds."""
    if condition.score:
        return f"{_points(condition, held)} >= {condition.needed}"
    return " OR ".join(held[id(one)] for one in condition.alternatives)


def _points(condition: Condition, held: dict[int, str]) -> str:
    return " + ".join(f"if({held[id(one)]}, {one.points}, 0)" for one in condition.score)


def _threshold(condition: Condition, numbers: dict[str, int]) -> str:
    limit = condition.limit
    if condition.of is None:
        return str(limit)
    up = limit.denominator - 1 if condition.at_least is not None else 0
    return f"intDiv(toInt256(value_{numbers[condition.of]}) * {limit.numerator} + {up}, {limit.denominator})"


def _looked_at(rules: RuleSet, rule: Rule, held: dict[int, str], numbers: dict[str, int]) -> Iterator[_Looked]:
    """Yield what each condition looks at; of a score its points, and behind each part its weight, too."""
    for condition in rule.when:
        if condition.score:
            yield _Looked("1", SCORE, _points(condition, held), str(condition.needed), POINTS)
        for one in condition.alternatives:
            feature, holds = rules.by_name[one.feature or ""], held[id(one)]
            value, threshold = f"value_{numbers[feature.feature]}", _threshold(one, numbers)
            yield _Looked(holds, feature.observed, value, threshold, feature.unit)
            if condition.score:
                weight = f"{feature.observed}{WEIGHT}"
                yield _Looked(holds, weight, str(one.points), str(condition.needed), POINTS)


def _observations(looked_at: Iterable[_Looked]) -> str:
    """Return an array of what was observed, of the conditions that hold."""
    told = []
    for holds, name, value, threshold, unit in looked_at:
        observed = f"('{name}', {_long(f'ifNull({value}, 0)')}, {_long(threshold)}, '{unit}')"
        told.append(f"(toUInt8({holds}), {observed})")
    kind = "Array(Tuple(name String, value Int64, threshold Int64, unit String))"
    if not told:
        return f"[]::{kind}"
    return f"CAST(arrayMap(one -> one.2, arrayFilter(one -> one.1, [{', '.join(told)}])), '{kind}')"


def _judged(rules: RuleSet, rule: Rule, held: dict[int, str], numbers: dict[str, int]) -> str:
    """Return an array of what each condition looked at, and then of what stands behind `of`."""
    of = [rules.by_name[name] for name in dict.fromkeys(one.of for one, _ in rule.conditions() if one.of)]
    behind = [_Looked("0", one.observed, f"value_{numbers[one.feature]}", "0", one.unit) for one in of]
    parts = []
    for holds, name, value, threshold, unit in [*_looked_at(rules, rule, held, numbers), *behind]:
        known = f"if(isNull({value}), NULL, toNullable({_long(f'assumeNotNull({value})')}))"
        parts.append(f"(toUInt8({holds}), '{name}', {known}, {_long(threshold)}, '{unit}')")
    kind = "Array(Tuple(holds UInt8, name String, value Nullable(Int64), threshold Int64, unit String))"
    return f"CAST([{', '.join(parts)}], '{kind}')"


def _long(number: str) -> str:
    return f"toInt64(least(toInt256({number}), toInt256('9223372036854775807')))"


def _evidence(
    rules: RuleSet, conditions: Iterable[Condition], held: dict[int, str], filters: dict[Filter, int]
) -> Iterator[str]:
    """Yield what makes a posting evidence: it is the event, or in a window of a condition that holds."""
    yield "at_ms = event_ms AND entry_id = event_id AND revision = event_revision"
    for condition in conditions:
        for name in filter(None, (condition.feature, condition.of)):
            feature = rules.by_name[name]
            if feature.window:
                same = "".join(f" AND {key_sql(key)} = event_{key}" for key in feature.key)
                yield (
                    f"pass_{filters[feature.filter]} AND at_ms > event_ms - {feature.window}{same}"
                    f" AND {held[id(condition)]}"
                )
