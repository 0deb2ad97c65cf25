"""The rules that are LIVE, compiled for the stream: filters as bits, windows, conditions in whole numbers, bounds.

Reads     a `RuleSet`; whether the rules about persons or about means of payment are asked for
Returns   `Program`: what the stage has to look at and to remember
Promises  a pure function of the rules; a posting that passes no filter of the program is of no use to any rule (box:
          alerts)

A rule without windows that has a bucket for each entry looks at entries one by one; all others look at windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from esep.clock import ALMATY
from esep.errors import FileUnusable
from esep.rules import DAY_MS, KINDS, LATENESS_MS
from esep.stream_apps.alerts.bounds import bounds_of
from esep.stream_apps.alerts.columns import HAS_INSTRUMENT, HAS_MARKET, columns_of, day_of, partition_and_offset

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from esep.rule_parts import Texts
    from esep.rules import Condition, Feature, Filter, Range, Rule, RuleSet, Subject
    from esep.stream_apps.alerts.bounds import Bounds
    from esep.stream_apps.alerts.columns import Posting

_FILTERS_MAX = 62  # One bit each in a signed number of 64.
_KIND_MASK = HAS_INSTRUMENT - 1


class Test(NamedTuple):
    """A plain condition in whole numbers: value * denominator against numerator, or against numerator * value of `of`.

    points: what it counts for if it holds.
    """

    feature: str
    of: str | None
    numerator: int
    denominator: int
    at_least: bool
    points: int


class Asked(NamedTuple):
    """A condition: those of its tests that hold must have the points `needed` together. is_score: it tells them.

    spare: how many points may be missed.
    """

    tests: tuple[Test, ...]
    needed: int
    is_score: bool
    spare: int


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule for the stream. bits: of all its filters. features: by name, each with its bit.

    span_ms: the longest window. since_ms: what occurred before does not count. asked: all of it has to hold.
    helps: of the filters of what may make a condition hold that did not, when a posting leaves, and when one comes.
    number: of the first of the files that have this version LIVE. begins: by partition of the ledger, the first offset
    that arrived under it; what arrived before is in its windows and fulfils nothing.
    """

    rule: Rule
    features: dict[str, tuple[Feature, int]]
    event_bit: int
    bits: int
    span_ms: int
    bounds: Bounds
    asked: tuple[Asked, ...]
    since_ms: int
    helps: tuple[int, int]
    number: int = 1
    begins: Mapping[int, int] = field(default_factory=dict)

    def sees(self, occurred_ms: np.ndarray, bits: np.ndarray) -> np.ndarray:
        """Return which postings the rule looks at."""
        seen: np.ndarray = ((bits & self.bits) != 0) & (occurred_ms >= self.since_ms)
        return seen

    def may_fulfil(self, posting: Posting) -> bool:
        """Return whether a posting is one that may fulfil the rule."""
        if not posting.bits & self.event_bit:
            return False
        if not self.begins:  # Nearly always.
            return True
        partition, offset = partition_and_offset(posting.offset)
        return offset >= self.begins.get(partition, 0)


@dataclass(frozen=True, slots=True)
class Program:
    """All LIVE rules of a subject. kept_ms: how long before the clock a posting may have occurred and still matter.

    number: of the file. first_day: nothing of before that day is sure to be kept, since an earlier file kept less.
    keeps_wager, keeps_linked, keeps_market: whether any rule asks for these texts.
    """

    subject: Subject
    filters: tuple[Filter, ...]
    entry_rules: tuple[Compiled, ...]
    window_rules: tuple[Compiled, ...]
    kept_ms: int
    keeps_wager: bool
    keeps_linked: bool
    keeps_market: bool
    withdrawn: Texts
    number: int = 1
    first_day: int = 0

    def first_day_kept(self, clock_ms: int) -> int:
        """Return the first day of UTC+5 whose postings still matter at a clock."""
        return max(self.first_day, day_of(clock_ms - self.kept_ms))

    def begun(self, takings: Mapping[int, Mapping[int, int]]) -> Program:
        """Return the program of a partition. takings: by file that it took, the first offsets that arrived under it."""

        def of(compiled: Compiled) -> Compiled:
            taken = [number for number in takings if number >= compiled.number > 1]
            return replace(compiled, begins=takings[min(taken)]) if taken else compiled

        return replace(
            self, entry_rules=tuple(map(of, self.entry_rules)), window_rules=tuple(map(of, self.window_rules))
        )

    @property
    def idle(self) -> bool:
        """Whether there is no rule to look at anything for."""
        return not (self.entry_rules or self.window_rules)

    def bits(self, facts: np.ndarray, asked: int = -1) -> np.ndarray:
        """Return for each posting the filters that it passes, as bits of an int64. asked: those to look at."""
        bits = np.zeros(len(facts), np.int64)
        for number, one in enumerate(self.filters):
            if asked >> number & 1:
                bits |= passes(one, facts).astype(np.int64) << number
        return bits

    def with_bits(self, postings: Sequence[Posting]) -> list[Posting]:
        """Return postings with their bits, in their order."""
        bits = self.bits(columns_of([bytes(16)] * len(postings), postings).facts).tolist()
        return [one._replace(bits=own) for one, own in zip(postings, bits, strict=True)]


def compile_rules(rules: RuleSet, subject: Subject = "person") -> Program:
    """Return the program of the rules about a subject that are LIVE."""
    live = [rule for rule in rules.rules if rule.live and rule.subject == subject]
    filters = tuple(dict.fromkeys(one for rule in live for one in filters_of(rules, rule)))
    if len(filters) > _FILTERS_MAX:
        raise FileUnusable(
            "too many rules are LIVE",
            detail=f"they have {len(filters)} different filters, and the stage can tell {_FILTERS_MAX} apart",
            hint="let rules share filters, or make some SHADOW",
        )
    bits = {one: 1 << number for number, one in enumerate(filters)}
    compiled = [_compiled(rules, rule, bits) for rule in live]
    texts = {text for rule in live for text in texts_of(rules, rule)}
    windows = tuple(one for one in compiled if one.rule.calendar)
    return Program(
        subject=subject,
        filters=filters,
        entry_rules=tuple(one for one in compiled if not one.rule.calendar),
        window_rules=windows,
        kept_ms=max([LATENESS_MS + DAY_MS, *(one.rule.lateness_ms + one.span_ms for one in windows)]),
        keeps_wager="wager_id" in texts,
        keeps_linked=subject == "instrument" or "linked" in texts,  # Its alerts name the persons.
        keeps_market="market" in texts,
        withdrawn=rules.withdrawn,
    )


def following(before: Program, after: Program, from_ms: int) -> Program:
    """Return a program as the one of the file after another's. from_ms: since when that file is in force."""
    number = before.number + 1
    known = {(one.rule.rule_id, one.rule.version): one.number for one in (*before.entry_rules, *before.window_rules)}

    def of(compiled: Compiled) -> Compiled:
        return replace(compiled, number=known.get((compiled.rule.rule_id, compiled.rule.version), number))

    return replace(
        after,
        entry_rules=tuple(map(of, after.entry_rules)),
        window_rules=tuple(map(of, after.window_rules)),
        number=number,
        first_day=before.first_day_kept(from_ms),
    )


def texts_of(rules: RuleSet, rule: Rule) -> Iterable[str]:
    """Return which texts of a posting a rule asks for: wager_id, linked (what a person's one is linked to), market."""
    for feature in rules.features_of(rule):
        yield from {"wager_id", "market"} & set(feature.key)  # Outcomes need a market, too.
        if "instrument_hash" in (feature.field, *feature.key):
            yield "linked"


def filters_of(rules: RuleSet, rule: Rule) -> Iterable[Filter]:
    """Return the filters of a rule: whatever passes one of them it looks at."""
    return [rule.event, *(feature.filter for feature in rules.features_of(rule))]


def _compiled(rules: RuleSet, rule: Rule, bits: dict[Filter, int]) -> Compiled:
    features = {feature.feature: (feature, bits[feature.filter]) for feature in rules.features_of(rule)}
    span_ms = max((feature.window for feature, _ in features.values()), default=0)
    asked = tuple(map(_asked, rule.when))
    return Compiled(
        rule=rule,
        features=features,
        event_bit=bits[rule.event],
        bits=int(np.bitwise_or.reduce([bits[one] for one in filters_of(rules, rule)])),
        span_ms=span_ms,
        bounds=bounds_of(rules, rule, bits),
        asked=asked,
        since_ms=rule.since_ms,
        helps=_helps(features, [test for one in asked for test in one.tests]),
    )


def _asked(condition: Condition) -> Asked:
    tests = tuple(map(_test, condition.alternatives))
    return Asked(tests, condition.needed, bool(condition.score), sum(test.points for test in tests) - condition.needed)


def _helps(features: dict[str, tuple[Feature, int]], tests: Iterable[Test]) -> tuple[int, int]:
    """Return `Compiled.helps`: what comes makes sums and counts larger, a mean goes either way."""
    by_leaving, by_coming = 0, 0
    for test in tests:
        feature, bit = features[test.feature]
        of_bit = features[test.of][1] if test.of else 0
        moves = feature.aggregate == "mean"
        by_coming |= of_bit | (bit if test.at_least or moves else 0)
        by_leaving |= (of_bit if test.at_least else 0) | (bit if not test.at_least or moves else 0)
    return by_leaving, by_coming


def _test(condition: Condition) -> Test:
    limit = condition.limit
    at_least = condition.at_least is not None
    return Test(condition.feature or "", condition.of, limit.numerator, limit.denominator, at_least, condition.points)


def passes(one: Filter, facts: np.ndarray) -> np.ndarray:
    """Return which postings pass a filter; what takes back passes any flags, since lists may have changed meanwhile."""
    passed = np.ones(len(facts), np.bool_)
    if one.kinds:
        wanted = np.zeros(HAS_INSTRUMENT, np.bool_)
        wanted[[KINDS.index(kind) for kind in one.kinds]] = True
        passed &= wanted[facts["kind"] & _KIND_MASK]
    if one.amount_tiyn:
        passed &= _within(one.amount_tiyn, np.abs(facts["amount"]))
    if one.odds_milli:
        passed &= (facts["odds"] > 0) & _within(one.odds_milli, facts["odds"])
    if one.hours:
        passed &= _within(one.hours, _almaty_hours(facts["occurred_ms"]))
    if one.flags:
        passed &= ((facts["flags"] & one.flag_bits) != 0) | (facts["amount"] < 0)
    if "instrument_hash" in one.has:
        passed &= (facts["kind"] & HAS_INSTRUMENT) != 0
    if "odds_milli" in one.has:
        passed &= facts["odds"] > 0
    if "market" in one.has:
        passed &= (facts["kind"] & HAS_MARKET) != 0
    return passed


def _within(span: Range, numbers: np.ndarray) -> np.ndarray:
    passed = np.ones(len(numbers), np.bool_)
    if span.low is not None:
        passed &= numbers >= span.low
    if span.below is not None:
        passed &= numbers < span.below
    return passed


def _almaty_hours(occurred_ms: np.ndarray) -> np.ndarray:
    instants = pl.Series(np.ascontiguousarray(occurred_ms)).cast(pl.Datetime("ms", "UTC"))
    return instants.dt.convert_time_zone(ALMATY).dt.hour().to_numpy()
