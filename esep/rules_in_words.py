"""Rules in words: their filters, features and conditions, what makes a silence, with every number as it is in the file.

Reads     parts of a `RuleSet`
Returns   texts, in English
Promises  two parts that mean different things read differently, but for the names of things (DESIGN §7)
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from esep.money import tenge_text

if TYPE_CHECKING:
    from esep.rules import Condition, Feature, Filter, Range, RuleSet, SilenceRule

_VALUES = {
    ("sum", "amount_tiyn"): "sum (tenge) of",
    ("sum", "return_tiyn"): "stake × odds (tenge) of",
    ("count", None): "number of",
    ("distinct", "organizer_bin"): "different organizers of",
    ("distinct", "instrument_hash"): "different means of payment of",
    ("distinct", "iin"): "different persons of",
    ("distinct", "outcome"): "different outcomes of",
    ("mean", "odds_milli"): "mean odds, by stake, of",
}
_SAME = {
    "organizer_bin": "organizer",
    "instrument_hash": "means of payment",
    "iin": "person",
    "wager_id": "bet",
    "market": "market",
}
_HAS = {"instrument_hash": "a means of payment", "odds_milli": "odds", "market": "one outcome in one market"}
_UNITS = ((24 * 3600 * 1000, "days"), (3600 * 1000, "hours"), (60 * 1000, "minutes"))


def whole_text(rules: RuleSet, condition: Condition, between: str = " or ") -> str:
    """Return a condition with all that it is made of. between: what stands between those of which one must hold."""
    if condition.score:
        parts = [f"{one.points} where {condition_text(rules, one)}" for one in condition.score]
        return f"at least {condition.needed} points: {'; '.join(parts)}"
    return between.join(condition_text(rules, one) for one in condition.alternatives)


def condition_text(rules: RuleSet, condition: Condition) -> str:
    """Return a plain condition: what is worked out, and what it is compared with."""
    feature = rules.by_name[condition.feature or ""]
    sign = "≥" if condition.at_least is not None else "≤"
    if condition.of is not None:
        part = Decimal(condition.limit.numerator) / condition.limit.denominator  # It was written as a decimal number.
        return f"{feature_text(feature)} {sign} {part.normalize():f} × {feature_text(rules.by_name[condition.of])}"
    return f"{feature_text(feature)} {sign} {_number(int(condition.limit), feature.unit)}"


def feature_text(feature: Feature) -> str:
    """Return what is worked out, over which postings of which time."""
    same = " and ".join(_SAME[key] for key in feature.key)
    within = f" within {window_text(feature.window)}" if feature.window else ", it alone"
    kinds, _, others = filter_text(feature.filter).partition(", ")
    which = f"{kinds} ({others})" if others else kinds
    return f"{_VALUES[feature.aggregate, feature.field]} {which}{within}{f', same {same}' if same else ''}"


def filter_text(one: Filter) -> str:
    """Return which postings pass."""
    said = [" / ".join(one.kinds) or "any posting"]
    said += [f"{_range(one.amount_tiyn, 'tiyn')} tenge"] if one.amount_tiyn else []
    said += [f"odds {_range(one.odds_milli, 'milli')}"] if one.odds_milli else []
    said += [f"hours {_range(one.hours, 'count')}"] if one.hours else []
    said += [f"flagged {' or '.join(one.flags)}"] if one.flags else []
    said += [f"with {_HAS[name]}" for name in one.has]
    return ", ".join(said)


def _range(span: Range, unit: str) -> str:
    low = [] if span.low is None else [f"from {_number(span.low, unit)}"]
    return " ".join(low + ([] if span.below is None else [f"below {_number(span.below, unit)}"]))


def silence_text(rule: SilenceRule) -> str:
    """Return what makes a silence."""
    past = f"postings in the same hour of the week in {rule.usual_in} or more of the {rule.weeks} weeks before"
    counts = f"{rule.others} or more other organizers have some, the licence is in force"
    return f"{rule.hours} or more hours without a posting, up to its next one, of those that count ({past}; {counts})"


def window_text(window_ms: int) -> str:
    """Return a length of time in the largest unit that it is more than one of."""
    for unit_ms, unit in _UNITS:
        if window_ms % unit_ms == 0 and (window_ms > unit_ms or unit == "minutes"):
            return f"{window_ms // unit_ms} {unit}"
    return f"{window_ms // 60_000} minutes"


def _number(value: int, unit: str) -> str:
    if unit == "tiyn":
        return tenge_text(value)
    return f"{value / 1000:.3f}" if unit == "milli" else str(value)
