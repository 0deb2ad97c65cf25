"""What a file of rules changes against another one, in words.

Reads     two `RuleSet`s
Returns   `Difference` of each rule that is not the same in both
Promises  pure; a number that is another one is told with what it was; nothing that changes an alert or its text is left
          out, whatever it is; says where a rule that is LIVE lacks a new version, or a day from which it counts
          (DESIGN §7)
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal

from esep.rules import LANGUAGES, Rule, SilenceRule
from esep.rules_in_words import feature_text, filter_text, whole_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from esep.rule_parts import AnyRule
    from esep.rules import Condition, RuleSet

_SAME_VERSION = "it is LIVE and its alerts change: give it a new version, since precision is counted by version"
_COMMON = ("version", "mode", "waits", "since", "severity", "basis", "confuses", "needs")
_PLAIN = (*_COMMON, "engine", "subject", "bucket")
_OF_SILENCES = ("weeks", "usual_in", "hours", "others")
_OF_ALERTS = (
    "engine",
    "waits",
    "since",
    "subject",
    "bucket",
)  # Of the plain ones, those that decide which alerts there are.


@dataclass(frozen=True, slots=True)
class Difference:
    """How a rule differs. words: a sentence each. is_other: whether it may raise other alerts than before."""

    rule_id: str
    kind: Literal["new", "gone", "changed"]
    words: tuple[str, ...]
    is_other: bool


def differences(old: RuleSet, new: RuleSet, today: date) -> list[Difference]:
    """Return how rules differ, in the order of the new file, those that are gone last. today: of Almaty."""
    before = {rule.rule_id: rule for rule in old.all_rules}
    after = {rule.rule_id: rule for rule in new.all_rules}
    found = [
        _difference(old, before[name], new, rule, today) if name in before else _new(rule, today)
        for name, rule in after.items()
    ]
    gone = [_gone(rule) for name, rule in before.items() if name not in after]
    withdrawn = list(_texts("text of what is withdrawn", old.withdrawn, new.withdrawn))
    all_rules = [Difference("(every rule)", "changed", tuple(withdrawn), is_other=False)] if withdrawn else []
    return [*(one for one in found if one is not None), *gone, *all_rules]


def _difference(old: RuleSet, before: AnyRule, new: RuleSet, after: AnyRule, today: date) -> Difference | None:
    if isinstance(before, Rule) and isinstance(after, Rule):
        return _changed(old, before, new, after, today)
    plain = _plain(before, after, (*_COMMON, *_OF_SILENCES))
    words = [*plain.values(), *_texts("text", before.reason, after.reason)]
    is_other = bool(plain.keys() & {"waits", "since", *_OF_SILENCES})
    if is_other and "version" not in plain and before.raised and after.raised:
        words.append(_SAME_VERSION)
    if words and not before.raised:
        words += _without_past(after, today)
    return Difference(before.rule_id, "changed", tuple(words), is_other) if words else None


def _new(rule: AnyRule, today: date) -> Difference:
    words = [f"{rule.mode}, version {rule.version}, {rule.severity}", *_without_past(rule, today)]
    return Difference(rule.rule_id, "new", tuple(words), is_other=True)


def _gone(rule: AnyRule) -> Difference:
    words = (f"was {rule.mode}, version {rule.version}; its alerts stay as they are",)
    return Difference(rule.rule_id, "gone", words, is_other=True)


def _changed(old: RuleSet, before: Rule, new: RuleSet, after: Rule, today: date) -> Difference | None:
    conditions = list(_conditions(old, before, new, after))
    if before.event != after.event:
        conditions.insert(0, f"fulfilled by: {filter_text(before.event)} → {filter_text(after.event)}")
    plain = _plain(before, after, _PLAIN)
    words = [*plain.values(), *conditions, *_texts("text", before.reason, after.reason)]
    if not words:
        return None
    is_other = bool(conditions or plain.keys() & set(_OF_ALERTS))
    if is_other and "version" not in plain and before.raised and after.raised:
        words.append(_SAME_VERSION)
    if is_other or not before.live:
        words += _without_past(after, today)
    return Difference(before.rule_id, "changed", tuple(words), is_other)


def _plain(before: AnyRule, after: AnyRule, names: Iterable[str]) -> dict[str, str]:
    """Return in words which of these fields differ; of two kinds of rule, those that one of them has not, too."""
    values = {name: (getattr(before, name, None), getattr(after, name, None)) for name in names}
    return {name: f"{name}: {_said(was)} → {_said(now)}" for name, (was, now) in values.items() if was != now}


def _without_past(rule: AnyRule, today: date) -> Iterator[str]:
    """Yield what is to be said where a rule begins in the stage with windows that lack their beginning.

    And where the nightly run would tell of organizers whatever was years ago.
    """
    if isinstance(rule, Rule) and rule.live and rule.calendar and (rule.since is None or rule.since <= today):
        yield "`since` is to be a day that has not begun, unless the stage has kept all that the rule looks at"
    if isinstance(rule, SilenceRule) and rule.raised and rule.since is None:
        yield "`since` is not given: the first nightly run tells all silences of the ledger"


def _conditions(old: RuleSet, before: Rule, new: RuleSet, after: Rule) -> Iterator[str]:
    """Yield how conditions differ, place by place; what a condition says of its features is part of it."""
    for was, now in zip_longest(before.when, after.when):
        old_text, new_text = _condition(old, was), _condition(new, now)
        if old_text == new_text:
            continue
        if old_text and new_text:
            yield f"condition: {old_text} → {new_text}"
        else:
            yield f"condition taken away: {old_text}" if old_text else f"condition added: {new_text}"
    for name in {one.feature: one for rules, rule in ((old, before), (new, after)) for one in rules.features_of(rule)}:
        was, now = old.by_name.get(name), new.by_name.get(name)
        if was is not None and now is not None and was != now and feature_text(was) == feature_text(now):
            yield f"{name} is told as {was.observed} → {now.observed}"


def _condition(rules: RuleSet, condition: Condition | None) -> str:
    return "" if condition is None else whole_text(rules, condition)


def _texts(what: str, before: object, after: object) -> Iterator[str]:
    for language in LANGUAGES:
        was, now = getattr(before, language), getattr(after, language)
        if was != now:
            yield f"{what} ({language}): “{was}” → “{now}”"


def _said(value: object) -> str:
    return "nothing" if value is None else str(value)
