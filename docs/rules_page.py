"""The page of the rules: what each looks at, in words, and what it says.

Reads     esep/rules.yaml
Returns   the text of docs/rules.md
Promises  every number on the page is the file's
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.money import tenge_text
from esep.rules import load_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esep.rules import Condition, Feature, Filter, Range, Rule, RuleSet

_HEAD = """# Rules

Made from `esep/rules.yaml` by `make pages`. LIVE: the stage raises its alerts. SHADOW: it raises none; `esep rules
count` says what it would find ([for compliance officers](compliance.md)). A rule looks at one person's postings over
all organizers, or at those of one means of payment, whoever used it: at those that are in force, corrected ones as they
are now. It is fulfilled by a posting, together with what came before it; the first one of each day, week or month
(Almaty's) makes the alert.
"""
_VALUES = {
    ("sum", "amount_tiyn"): "sum (tenge) of",
    ("sum", "return_tiyn"): "stake × odds (tenge) of",
    ("count", None): "number of",
    ("distinct", "organizer_bin"): "different organizers of",
    ("distinct", "instrument_hash"): "different means of payment of",
    ("distinct", "iin"): "different persons of",
    ("mean", "odds_milli"): "mean odds, by stake, of",
}
_SAME = {"organizer_bin": "organizer", "instrument_hash": "means of payment", "iin": "person", "wager_id": "bet"}
_SUBJECTS = {"person": "person", "instrument": "means of payment"}
_UNITS = ((24 * 3600 * 1000, "days"), (3600 * 1000, "hours"), (60 * 1000, "minutes"))


def rules_page() -> str:
    """Return the page."""
    rules = load_rules()
    parts = [_HEAD]
    parts += ["\n".join(_section(rules, rule)) + "\n" for rule in rules.rules]
    return "\n".join(parts)


def _section(rules: RuleSet, rule: Rule) -> Iterator[str]:
    yield f"## {rule.rule_id}"
    yield ""
    each = "for each entry" if rule.bucket == "entry" else f"for each {_SUBJECTS[rule.subject]} and {rule.bucket}"
    since = f" since {rule.since}" if rule.since else ""
    yield f"{rule.mode}{since} · version {rule.version} · {rule.severity.lower()} · one alert {each}"
    yield ""
    yield f"- rests on: {rule.basis}"
    yield f"- fulfilled by: {_filter(rule.event)}"
    for condition in rule.when:
        said = [_condition(rules, one) for one in condition.alternatives]
        yield f"- and: {' **or** '.join(said)}"
    yield f"- likely to be taken for it: {rule.confuses}"
    yield ""
    yield f"> {_shown(rule.reason.en)}<br>{_shown(rule.reason.ru)}<br>{_shown(rule.reason.kk)}"


def _condition(rules: RuleSet, condition: Condition) -> str:
    feature = rules.by_name[condition.feature or ""]
    sign = "≥" if condition.at_least is not None else "≤"
    if condition.of is not None:
        return f"{_feature(feature)} {sign} {float(condition.limit):g} × {_feature(rules.by_name[condition.of])}"
    return f"{_feature(feature)} {sign} {_number(int(condition.limit), feature.unit)}"


def _feature(feature: Feature) -> str:
    same = " and ".join(_SAME[key] for key in feature.key)
    within = f" within {_window(feature.window)}" if feature.window else ", it alone"
    kinds, _, others = _filter(feature.filter).partition(", ")
    which = f"{kinds} ({others})" if others else kinds
    return f"{_VALUES[feature.aggregate, feature.field]} {which}{within}{f', same {same}' if same else ''}"


def _filter(one: Filter) -> str:
    said = [" / ".join(one.kinds) or "any posting"]
    said += [f"{_range(one.amount_tiyn, 'tiyn')} tenge"] if one.amount_tiyn else []
    said += [f"odds {_range(one.odds_milli, 'milli')}"] if one.odds_milli else []
    said += [f"hours {_range(one.hours, 'count')}"] if one.hours else []
    said += [f"flagged {' or '.join(one.flags)}"] if one.flags else []
    said += [f"with {'a means of payment' if name == 'instrument_hash' else 'odds'}" for name in one.has]
    return ", ".join(said)


def _range(span: Range, unit: str) -> str:
    low = [] if span.low is None else [f"from {_number(span.low, unit)}"]
    return " ".join(low + ([] if span.below is None else [f"below {_number(span.below, unit)}"]))


def _window(window_ms: int) -> str:
    for unit_ms, unit in _UNITS:
        if window_ms % unit_ms == 0 and (window_ms > unit_ms or unit == "minutes"):
            return f"{window_ms // unit_ms} {unit}"
    return f"{window_ms // 60_000} minutes"


def _number(value: int, unit: str) -> str:
    if unit == "tiyn":
        return tenge_text(value)
    return f"{value / 1000:.3f}" if unit == "milli" else str(value)


def _shown(text: str) -> str:
    """Return a text with its values in a form that the page does not take for something of its own."""
    return text.replace("{", "‹").replace("}", "›").replace(".limit", " limit")
