"""Who is far from a rule, told in SQL from sums alone, before any window is worked out.

Reads     a `RuleSet` and one of its rules
Returns   common table expressions over `seen`, and the condition by which a posting is within reach
Promises  a posting without which an alert would be another one is within reach; what is left in leads to no alert that
          would not be there without this (DESIGN §7; box: sinks/clickhouse)

Time is cut into stretches of the rule's longest window. A window that ends in one stretch lies in it and in the one
before, so that all that was booked in the two is as much as any window of that length may hold. Where this is below
what a condition asks for, no event of the stretch fulfils the rule; where it is not, the two stretches are looked at
closely. An event of the former one then has windows that may lack their beginning. They hold less than they should,
and what they should hold is already below what that condition asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.rules import DAY_MS
from esep.sinks.clickhouse.alerts.filter_sql import READ, any_sql, filters_of, key_sql, passing_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from esep.rules import Condition, Feature, Rule, RuleSet
    from esep.sinks.clickhouse.alerts.filter_sql import Filters

_REACH = """booked AS (
    SELECT {group}, intDiv(at_ms, {stretch}) AS stretch, {measures}
    FROM seen WHERE {relevant} GROUP BY {names}, stretch
),
near AS (
    SELECT {names}, stretch + later AS ends_in
    FROM booked ARRAY JOIN [0, 1] AS later GROUP BY {names}, ends_in HAVING {bounds}
),
"""
_NEAR = """
      AND ({own}, intDiv(at_ms, {stretch})) IN (SELECT {names}, arrayJoin([ends_in, ends_in - 1]) FROM near)"""
_OWNERS = """WITH looked_at AS (
    SELECT {read} FROM person_posting WHERE {where} AND isNotNull(instrument_hash)
),
seen AS (
    SELECT *, {passes}
    FROM looked_at
),
booked AS (
    SELECT assumeNotNull(instrument_hash) AS owner, {measures} FROM seen GROUP BY owner
)
SELECT owner FROM booked GROUP BY owner HAVING {reached}"""


def stretch_ms(rules: RuleSet, rule: Rule) -> int:
    """Return the length of a stretch: the longest window, or a day."""
    return max([DAY_MS, *(feature.window for feature in rules.features_of(rule))])


def reach_sql(rules: RuleSet, rule: Rule) -> tuple[str, str]:
    """Return the expressions and the condition; empty ones where no feature has a window."""
    filters = filters_of([(rules, rule)])
    windowed = [feature for feature in rules.features_of(rule) if feature.window]
    if not windowed:
        return "", ""
    keys = sorted(set.intersection(*(set(feature.key) for feature in windowed)))  # Each value of these is for itself.
    measures = _Measures(filters)
    bounds = ["sumIf(events, later = 0) > 0", *_bounds(rules, rule, measures)]
    own = [rule.own_field, *map(key_sql, keys)]
    names = [f"own_{number}" for number in range(len(own))]
    parts = {
        "group": ", ".join(f"{one} AS {name}" for one, name in zip(own, names, strict=True)),
        "own": ", ".join(own),
        "names": ", ".join(names),
        "stretch": stretch_ms(rules, rule),
        "measures": ", ".join([f"countIf(pass_{filters[rule.event]}) AS events", *measures.columns]),
        "relevant": any_sql(filters),
        "bounds": " AND ".join(bounds),
    }
    return _REACH.format(**parts), _NEAR.format(**parts)


def owners_sql(chosen: Iterable[tuple[RuleSet, Rule]], where: str) -> str:
    """Return a statement that gives the means of payment, each once, that can reach any of these rules about them.

    where: of which rows of `person_posting`; what was taken back is among them, and only adds to what is reached.
    """
    chosen = list(chosen)
    filters = filters_of(chosen)
    measures = _Measures(filters)
    reached = [
        " AND ".join([f"max(event_{filters[rule.event]})", *_bounds(rules, rule, measures)]) for rules, rule in chosen
    ]
    events = [f"max(pass_{number}) AS event_{number}" for number in {filters[rule.event] for _, rule in chosen}]
    return _OWNERS.format(
        read=READ,
        where=where,
        passes=passing_sql(filters),
        measures=", ".join([*events, *measures.columns]),
        reached=" OR ".join(f"({one})" for one in reached),
    )


class _Measures:
    """What is added up of a stretch, as columns of `booked`, each once."""

    def __init__(self, filters: Filters) -> None:
        self._filters = filters
        self._names: dict[str, str] = {}

    @property
    def columns(self) -> list[str]:
        """The columns."""
        return [f"{said} AS {name}" for said, name in self._names.items()]

    def most(self, feature: Feature) -> str | None:
        """Return what a feature comes to at most, over what is put together; None: nothing bounds it."""
        passing = self._passing(feature)
        if feature.aggregate == "mean":
            return None
        if feature.aggregate == "distinct":
            return f"uniqExactIfMerge({self._column(f'uniqExactIfState(assumeNotNull({feature.field}), {passing})')})"
        return f"sum({self._column(f'sumIf({_part(feature)}, {passing})')})"

    def least_part(self, feature: Feature) -> str:
        """Return the smallest number of those that add up to a feature; NULL where there is none."""
        part = _part(feature)
        return f"min({self._column(f'minIf(toNullable({part}), {self._passing(feature)} AND {part} > 0)')})"

    def _passing(self, feature: Feature) -> str:
        return f"pass_{self._filters[feature.filter]}"

    def _column(self, said: str) -> str:
        return self._names.setdefault(said, f"measure_{len(self._names)}")


def _part(feature: Feature) -> str:
    """Return what a posting adds to a sum or a number, at most 1 to a number of different values."""
    if feature.aggregate in {"count", "distinct"}:
        return "toInt128(1)"
    return "toInt128(amount_tiyn)" if feature.field == "amount_tiyn" else "intDiv(toInt128(amount_tiyn) * odds, 1000)"


def _bounds(rules: RuleSet, rule: Rule, measures: _Measures) -> Iterator[str]:
    """Yield what must hold of all that is put together, for each condition of which that can be said."""
    for condition in rule.when:
        held = [_bound(rules, one, measures) for one in condition.alternatives]
        if condition.score:
            points = [f"if({bound or 1}, {one.points}, 0)" for one, bound in zip(condition.score, held, strict=True)]
            yield f"({' + '.join(points)} >= {condition.needed})"
        elif all(held):
            yield f"({' OR '.join(map(str, held))})"


def _bound(rules: RuleSet, condition: Condition, measures: _Measures) -> str | None:
    limit, most = condition.limit, None
    if condition.at_least is not None:
        most = measures.most(rules.by_name[condition.feature or ""])
    if condition.of is None:
        return None if most is None else f"{most} >= {limit}"
    least = measures.least_part(rules.by_name[condition.of])  # A part of nothing holds of nothing.
    if most is None:
        return f"isNotNull({least})"
    return f"ifNull(toInt256({most}) * {limit.denominator} >= toInt256({least}) * {limit.numerator}, 0)"
