"""What must hold of sums, wherever a rule is fulfilled: how the stream sees who is far from a rule.

Reads     a `RuleSet` and one of its rules; the bits of their filters
Returns   `Bounds`: what is added up of postings, and what of it has to be reached
Promises  a person (or what is keyed apart, a bet) of whom one bound does not hold cannot fulfil the rule; a condition
          of which nothing can be said has none (box: alerts)

As in SQL (`sinks/clickhouse/alerts/reach_sql.py`): time is cut into stretches of the rule's longest window. A window
that ends in one stretch lies in it and in the one before, so that all that was booked in the two is as much as it may
hold. Different values are counted whatever their key: by each key there are no more. Of a part `of` a sum, the smallest
posting of that sum is what it comes to at least. What nothing bounds counts as held in a score. What all features are
keyed by is bounded apart, over all that is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from esep.rules import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from esep.rules import Condition, Feature, Filter, Rule, RuleSet

What = Literal["count", "amount_tiyn", "return_tiyn", "organizer_bin", "instrument_hash", "iin", "outcome"]
_WHAT: dict[tuple[str, str | None], What] = {
    ("sum", "amount_tiyn"): "amount_tiyn",
    ("sum", "return_tiyn"): "return_tiyn",
    ("count", None): "count",
    ("distinct", "organizer_bin"): "organizer_bin",
    ("distinct", "instrument_hash"): "instrument_hash",
    ("distinct", "iin"): "iin",
    ("distinct", "outcome"): "outcome",
}
DISTINCT = frozenset({"organizer_bin", "instrument_hash", "iin", "outcome"})


class Measure(NamedTuple):
    """What is taken of the postings that pass `bit`: a sum, their number, or how many different values they have.

    least: the smallest posting of a sum or a number, instead.
    """

    bit: int
    what: What
    least: bool = False


class Bound(NamedTuple):
    """`most` reaches the limit, or this part of `least`; most None: `least` is there at all."""

    most: Measure | None
    limit: float
    least: Measure | None


class Enough(NamedTuple):
    """Those of the bounds that hold have at least the points `needed` together. points: of each."""

    bounds: tuple[Bound, ...]
    points: tuple[int, ...]
    needed: int


class Apart(NamedTuple):
    """What is added up together: postings of one subject that have the same `key`, in one stretch of time.

    stretch_ms: 0 where all that is kept is one.
    """

    key: tuple[str, ...]
    stretch_ms: int


class Bounds(NamedTuple):
    """The bounds of a rule. event: the number of its events. of_sums: each has to hold."""

    apart: Apart
    event: Measure
    of_sums: tuple[Enough, ...]

    @property
    def measures(self) -> list[Measure]:
        """All that has to be known."""
        bounds = [bound for enough in self.of_sums for bound in enough.bounds]
        return [self.event, *(one for bound in bounds for one in (bound.most, bound.least) if one)]


def bounds_of(rules: RuleSet, rule: Rule, bits: Mapping[Filter, int]) -> Bounds:
    """Return the bounds of a rule. bits: of each filter."""
    windowed = [feature for feature in rules.features_of(rule) if feature.window]
    key = tuple(sorted(set.intersection(*(set(one.key) for one in windowed)))) if windowed else ()
    stretch_ms = 0 if key else max([DAY_MS, *(feature.window for feature in windowed)])
    of_sums = []
    for condition in rule.when:
        parts = [(_bound(rules, one, bits), one.points) for one in condition.alternatives]
        known = [(bound, points) for bound, points in parts if bound]
        needed = condition.needed - sum(points for bound, points in parts if not bound)  # They may hold.
        if needed > 0:
            of_sums.append(Enough(tuple(bound for bound, _ in known), tuple(points for _, points in known), needed))
    return Bounds(Apart(key, stretch_ms), Measure(bits[rule.event], "count"), tuple(of_sums))


def _bound(rules: RuleSet, condition: Condition, bits: Mapping[Filter, int]) -> Bound | None:
    most = _most(rules.by_name[condition.feature or ""], bits) if condition.at_least is not None else None
    if condition.of is None:
        return Bound(most, float(condition.limit), None) if most else None
    whole = _most(rules.by_name[condition.of], bits)
    if whole is None or whole.what in DISTINCT:
        return None
    return Bound(most, float(condition.limit), whole._replace(least=True))  # A part of nothing holds of nothing.


def _most(feature: Feature, bits: Mapping[Filter, int]) -> Measure | None:
    """Return what is as much as a feature ever comes to; None: nothing bounds it."""
    what = _WHAT.get((feature.aggregate, feature.field))
    return Measure(bits[feature.filter], what) if what else None
