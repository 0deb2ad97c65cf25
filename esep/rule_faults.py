"""What is wrong between parts of a file of rules that are right by themselves.

Reads     a `RuleSet`, each part of which is valid
Returns   `faults_of`: faults with their places in the file
Promises  a rule without a fault compiles for both engines (DESIGN §7)
"""

from __future__ import annotations

from collections import defaultdict
from string import Formatter
from typing import TYPE_CHECKING

from esep.rule_parts import SILENT_HOURS
from esep.yaml_lines import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from esep.rule_parts import AnyRule
    from esep.rules import Feature, Rule, RuleSet
    from esep.yaml_lines import Place

_BETS = {"WAGER", "WINNING", "REFUND", "CASH_OUT"}  # These name a bet.


def faults_of(rules: RuleSet) -> Iterator[Fault]:
    """Yield what is wrong between parts that are right by themselves."""
    yield from _repeated(rules)
    yield from _wrong_silences(rules)
    using: defaultdict[str, list[Rule]] = defaultdict(list)
    for number, rule in enumerate(rules.rules):
        named = [name for condition, _ in rule.conditions() for name in (condition.feature, condition.of) if name]
        for name in named:
            using[name].append(rule)
        place: Place = ("rules", number)
        if unknown := list(_unknown(rules, rule, place)):
            yield from unknown
        else:
            yield from _wrong_scores(rule, place)
            yield from _misfits(rules, rule, place)
            yield from _wrong_words(rules.observed_of(rule), rule, place)
    for number, feature in enumerate(rules.features):
        if feature.feature not in using:
            yield Fault(("features", number), "no rule uses it")
        elif any(feature.window > rule.window_ms_max for rule in using[feature.feature]):
            yield Fault(
                ("features", number, "window"), "the stage looks back 90 days at most; `engine: nightly` further"
            )


def _repeated(rules: RuleSet) -> Iterator[Fault]:
    named_parts = [[(("features", number), one.feature) for number, one in enumerate(rules.features)]]
    named_parts.append(
        [
            ((part, number), one.rule_id)
            for part, own in (("rules", rules.rules), ("silences", rules.silences))
            for number, one in enumerate(own)
        ]
    )
    for named in named_parts:
        for number, (place, name) in enumerate(named):
            if name in [other for _, other in named[:number]]:
                yield Fault(place, "there is another one of this name")


def _wrong_silences(rules: RuleSet) -> Iterator[Fault]:
    for number, rule in enumerate(rules.silences):
        place: Place = ("silences", number)
        if rule.severity == "MANDATORY":
            yield Fault((*place, "severity"), "a mandatory report is about a person: no silence asks for one")
        yield from _wrong_words({SILENT_HOURS}, rule, place)


def _unknown(rules: RuleSet, rule: Rule, place: Place) -> Iterator[Fault]:
    for condition, within in rule.conditions():
        for field in ("feature", "of"):
            name = getattr(condition, field)
            if name is not None and name not in rules.by_name:
                yield Fault((*place, *within, field), f"there is no feature {name}")


def _wrong_scores(rule: Rule, place: Place) -> Iterator[Fault]:
    for number, condition in enumerate(rule.when):
        if condition.weight is not None:
            yield Fault((*place, "when", number, "weight"), "only what `score` is made of has a weight")
    if len([condition for condition in rule.when if condition.score]) > 1:
        yield Fault((*place, "when"), "a rule has one `score`")


def _misfits(rules: RuleSet, rule: Rule, place: Place) -> Iterator[Fault]:
    features = rules.features_of(rule)
    if rule.waits and rule.engine == "stream":
        yield Fault((*place, "waits"), "the stage waits for nothing: `engine: nightly` does")
    yield from _wrong_buckets(rule, features, place)
    for condition, within in rule.conditions():
        for field in ("feature", "of"):
            named = rules.by_name.get(getattr(condition, field) or "")
            if named is not None and rule.own_field in {named.field, *named.key}:
                yield Fault((*place, *within, field), f"each {rule.subject} has one {rule.own_field} only")
    for condition, within in rule.conditions():
        feature, of = rules.by_name[condition.feature or ""], rules.by_name.get(condition.of or "")
        if of is not None and (feature.aggregate == "mean" or of.aggregate == "mean" or feature.unit != of.unit):
            yield Fault((*place, *within, "of"), f"{condition.feature} cannot be a part of {condition.of}")
    keys = {key for feature in features for key in feature.key}
    for key in sorted(keys & {"instrument_hash", "market"} - set(rule.event.has)):
        yield Fault((*place, "event"), f"a feature's key needs `has: [{key}]` here")
    if "wager_id" in keys and not (rule.event.kinds and set(rule.event.kinds) <= _BETS):
        yield Fault((*place, "event"), "a feature's key needs `kinds` here, of those that name a bet")


def _wrong_buckets(rule: Rule, features: Sequence[Feature], place: Place) -> Iterator[Fault]:
    if rule.bucket != "entry":
        return
    what = {
        "a rule with a window": any(feature.window for feature in features),
        "a rule of the nightly run": rule.engine == "nightly",
        "a rule about a means of payment": rule.subject == "instrument",
    }
    for one, is_so in what.items():
        if is_so:
            yield Fault((*place, "bucket"), f"{one} is told apart by day, week or month")


def _wrong_words(known: set[str], rule: AnyRule, place: Place) -> Iterator[Fault]:
    for language in type(rule.reason).model_fields:
        for _, name, _, _ in Formatter().parse(getattr(rule.reason, language)):
            if name is not None and name.removesuffix(".limit") not in known:
                yield Fault((*place, "reason", language), f"{{{name}}} is no observed value of this rule")
