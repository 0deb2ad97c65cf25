"""The rules that raise alerts, as data that two engines compile: the stream and ClickHouse (DESIGN §7).

Reads     rules.yaml beside this file, or another of its form
Returns   `RuleSet`: features and rules, typed
Promises  a number of a rule stands in the file and nowhere else; what a rule cannot mean is refused with line and
          field; a changed rule is a new version of it (clauses D934-1..3, D934-7..11, R2021-3)

What a rule says: among the postings of one person, or of one means of payment (`subject`), that are in force (booked
and not taken back), in their total order, a posting that passes `event` fulfils the rule if each condition of `when`
holds. A feature is worked out over the
postings that pass its filter, come before the event in the total order or are the event itself, and occurred less than
its window before it; `key`: only those that have the event's own values there. Of each bucket the first posting that
fulfils the rule makes the alert. Nothing adds up to 0; the mean of nothing fulfils no condition, and no part of
nothing does. A silence (`SilenceRule`) is told by the nightly run alone, from hours and not from postings.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from esep.buckets import DAYS_MAX, Calendar
from esep.errors import FileUnusable
from esep.flags import FLAGS
from esep.rule_faults import faults_of
from esep.rule_parts import NIGHTLY_WINDOW_MS_MAX, AnyRule, Declared, Texts, Window
from esep.yaml_lines import read_lines, unusable, validated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esep.yaml_lines import Place

RULES_FILE = Path(__file__).with_name("rules.yaml")
HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
LATENESS_MS = 45 * DAY_MS  # How late a posting may arrive and still count in the stream; the rest is SQL's to settle.
ENTRY_DAYS_MAX = 45  # For how many days after a posting of an entry the stage decides on a correction of it.
WINDOW_MS_MAX = 90 * DAY_MS  # What a stage may have to remember, beside that.
LANGUAGES = ("kk", "ru", "en")
Kind = Literal["WAGER", "WINNING", "REFUND", "CASH_OUT", "DEPOSIT", "WITHDRAWAL"]
KINDS: tuple[Kind, ...] = get_args(Kind)  # What a posting moves: its event type, and of a payout its kind.
Subject = Literal["person", "instrument"]
Measured = Literal[
    "amount_tiyn", "return_tiyn", "odds_milli", "organizer_bin", "instrument_hash", "iin", "outcome",
]  # fmt: skip
Flag = Literal[
    "UNDER_21_HINT", "CREDIT_MONEY", "RESTRICTED", "DEBTOR", "OFFICIAL", "UNLICENSED", "ILLEGAL_RESOURCE",
]  # fmt: skip
SCORE, WEIGHT, POINTS = "score", ".weight", "points"  # How alerts tell a score, the weight of a part, and their unit.


def _exact(written: object) -> object:
    """Return a decimal number as it is written, and not as the nearest binary one."""
    if isinstance(written, bool) or not isinstance(written, int | float):
        raise ValueError("a number is expected")  # noqa: TRY004 - pydantic takes this one for its own
    return Fraction(Decimal(str(written)))


Number = Annotated[Fraction, BeforeValidator(_exact), Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Range(Declared):
    """Numbers from one on (inclusive) and below another."""

    low: int | None = Field(default=None, alias="from", ge=0)
    below: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _holds_something(self) -> Range:
        if self.low is None and self.below is None:
            raise ValueError("a range has `from` or `below`")
        if self.low is not None and self.below is not None and self.low >= self.below:
            raise ValueError("no number is in the range")
        return self


class Filter(Declared):
    """Which postings: all that is said must hold. hours: of the Almaty clock. flags: any of them. has: not null.

    A market is that of a bet on one outcome: a combined bet, or one whose outcomes are not reported, has none.
    """

    kinds: tuple[Kind, ...] = ()
    amount_tiyn: Range | None = None
    odds_milli: Range | None = None
    hours: Range | None = None
    flags: tuple[Flag, ...] = ()
    has: tuple[Literal["instrument_hash", "odds_milli", "market"], ...] = ()

    @property
    def flag_bits(self) -> int:
        """The flags as bits of the ledger's field."""
        return sum({FLAGS[flag] for flag in self.flags})


class Feature(Declared):
    """A value over a subject's postings. window: ms, 0: the event alone. key: fields that are as in the event.

    observed: the name under which alerts tell the value.
    """

    feature: Name
    observed: Name
    aggregate: Literal["sum", "count", "distinct", "mean"]
    field: Measured | None = None
    filter: Filter = Filter()
    window: Window
    key: tuple[Literal["organizer_bin", "instrument_hash", "iin", "wager_id", "market"], ...] = ()

    @property
    def unit(self) -> str:
        """What the value counts: tiyn, count or milli."""
        return {"sum": "tiyn", "mean": "milli"}.get(self.aggregate, "count")

    @model_validator(mode="after")
    def _field_suits_the_aggregate(self) -> Feature:
        fields = {
            "sum": ("amount_tiyn", "return_tiyn"),
            "count": (None,),
            "distinct": ("organizer_bin", "instrument_hash", "iin", "outcome"),
            "mean": ("odds_milli",),
        }[self.aggregate]
        if self.field not in fields:
            told = " or ".join(str(field) for field in fields if field) or "none"
            raise ValueError(f"field of a {self.aggregate}: {told}")
        if self.field in {"return_tiyn", "odds_milli"} and "odds_milli" not in self.filter.has:
            raise ValueError(f"{self.field} needs odds: `has: [odds_milli]` in the filter")
        if self.field == "instrument_hash" and "instrument_hash" not in self.filter.has:
            raise ValueError("instrument_hash must be there: `has: [instrument_hash]` in the filter")
        if self.field == "outcome" and not ("market" in self.key and "market" in self.filter.has):
            raise ValueError("outcomes are those of one market: `key: [market]`, and `has: [market]` in the filter")
        return self


class Condition(Declared):
    """What must hold: of a feature a limit, or with `of` a part of another one's value; or one of `any`; or `score`.

    score: conditions with a weight each; the weights of those that hold must reach at_least.
    """

    feature: Name | None = None
    at_least: Number | None = None
    at_most: Number | None = None
    of: Name | None = None
    any: tuple[Condition, ...] = ()
    score: tuple[Condition, ...] = ()
    weight: int | None = Field(default=None, ge=1)

    @property
    def limit(self) -> Fraction:
        """The number after at_least or at_most."""
        return self.at_least if self.at_least is not None else self.at_most or Fraction()

    @property
    def alternatives(self) -> tuple[Condition, ...]:
        """The plain conditions that it is made of: together those that hold must have the points `needed`."""
        return self.any or self.score or (self,)

    @property
    def points(self) -> int:
        """What a plain condition counts for if it holds."""
        return self.weight or 1

    @property
    def needed(self) -> int:
        """The points that must be reached: of `any`, and of a plain condition, those of one."""
        return int(self.limit) if self.score else 1

    @model_validator(mode="after")
    def _says_one_thing(self) -> Condition:
        if self.any:
            if self.model_fields_set != {"any"} or any(one.feature is None or one.weight for one in self.any):
                raise ValueError("`any` stands alone, over plain conditions")
            return self
        if self.score:
            if self.model_fields_set != {"score", "at_least"} or any(one.weight is None for one in self.score):
                raise ValueError("`score` stands with at_least alone, over plain conditions with a weight each")
            if self.limit.denominator != 1 or not 1 <= self.limit <= sum(one.points for one in self.score):
                raise ValueError("the points asked for are a whole number that the weights can reach")
            return self
        if self.feature is None or (self.at_least is None) == (self.at_most is None):
            raise ValueError("a condition names a feature and has one of at_least and at_most")
        if self.of is None and self.limit.denominator != 1:
            raise ValueError("a limit is a whole number, but for a part `of` a feature")
        return self


class Rule(AnyRule):
    """A rule about postings. subject: whose it looks at. bucket: what its alerts are told apart by.

    engine: who raises its alerts, the stage or the nightly run.
    """

    subject: Subject = "person"
    engine: Literal["stream", "nightly"] = "stream"
    event: Filter
    when: tuple[Condition, ...] = ()
    bucket: Literal["entry", "day", "week", "month"]

    @property
    def live(self) -> bool:
        """Whether the stage raises its alerts."""
        return self.raised and self.engine == "stream"

    @property
    def window_ms_max(self) -> int:
        """How long a window of its features may be."""
        return WINDOW_MS_MAX if self.engine == "stream" else NIGHTLY_WINDOW_MS_MAX

    @property
    def own_field(self) -> Literal["iin", "instrument_hash"]:
        """The field that is the same in all postings of the subject: a posting links a person and an instrument."""
        return "iin" if self.subject == "person" else "instrument_hash"

    @property
    def calendar(self) -> Calendar | None:
        """The kind of its buckets, or None where each entry is one."""
        return None if self.bucket == "entry" else self.bucket

    @property
    def lateness_ms(self) -> int:
        """How long before the clock a bucket may begin and still be decided on: one that is longer, longer."""
        return LATENESS_MS + (DAYS_MAX[self.calendar] - 1 if self.calendar else 0) * DAY_MS

    def conditions(self) -> Iterator[tuple[Condition, Place]]:
        """Yield each plain condition, those of `any` and `score` included, with its place in the rule."""
        for number, condition in enumerate(self.when):
            if condition.feature is not None:
                yield condition, ("when", number)
            for nth, one in enumerate(condition.any or condition.score):
                yield one, ("when", number, "any" if condition.any else "score", nth)


class SilenceRule(AnyRule):
    """A rule about what did not happen: hours without a posting of an organizer, in which it usually has some.

    An hour is usual where the organizer had postings in the same hour of the week in `usual_in` or more of the `weeks`
    weeks before it. others: it counts only where so many other organizers have postings in it. hours: how many that
    count, before the organizer's next posting, are a silence. One alert for each organizer and Almaty day on which a
    silence began. since: hours from that day on count; those before say what is usual.
    """

    engine: Literal["nightly"] = "nightly"
    bucket: Literal["day"] = "day"
    weeks: int = Field(ge=1, le=26)
    usual_in: int = Field(ge=1)
    hours: int = Field(ge=1)
    others: int = Field(ge=1)

    @property
    def subject(self) -> Literal["organizer"]:
        """Whom its alerts are about."""
        return "organizer"

    @property
    def calendar(self) -> Calendar:
        """The kind of its buckets."""
        return self.bucket

    @model_validator(mode="after")
    def _can_be_usual(self) -> SilenceRule:
        if self.usual_in > self.weeks:
            raise ValueError("`usual_in` is no more than `weeks`")
        return self


class RuleSet(Declared):
    """All features and rules of a file. withdrawn: what is said when an alert is. silences: rules about organizers."""

    withdrawn: Texts
    features: tuple[Feature, ...]
    rules: tuple[Rule, ...]
    silences: tuple[SilenceRule, ...] = ()

    @property
    def all_rules(self) -> tuple[Rule | SilenceRule, ...]:
        """The rules about postings, and those about what did not happen."""
        return (*self.rules, *self.silences)

    @cached_property
    def by_name(self) -> dict[str, Feature]:
        """The features by name."""
        return {feature.feature: feature for feature in self.features}

    def features_of(self, rule: Rule) -> tuple[Feature, ...]:
        """Return the features that a rule's conditions name, each once, in their order."""
        names = [name for condition, _ in rule.conditions() for name in (condition.feature, condition.of) if name]
        return tuple(self.by_name[name] for name in dict.fromkeys(names))

    def observed_of(self, rule: Rule) -> set[str]:
        """Return the names under which a rule's texts can tell what was observed."""
        scores = {SCORE for condition in rule.when if condition.score}
        return scores | {feature.observed for feature in self.features_of(rule)}

    def rule(self, rule_id: str) -> Rule:
        """Return the rule about postings with this id; FileUnusable where there is none."""
        for rule in self.rules:
            if rule.rule_id == rule_id:
                return rule
        if any(rule.rule_id == rule_id for rule in self.silences):
            raise FileUnusable(
                f"{rule_id} is about what did not happen, and no posting fulfils it",
                hint="`esep rules settle --dry-run` says what it would raise, of a file of rules where it is LIVE",
            )
        raise FileUnusable(f"there is no rule {rule_id}", hint="`esep rules list` shows all")


def load_rules(path: Path | None = None) -> RuleSet:
    """Return the rules in a file; FileUnusable names line and field of all that is wrong. None: the rules of esep."""
    if path is None:
        return _own_rules()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnusable(f"the rules {path} cannot be read", hint="set ESEP_RULES_FILE to where they are") from error
    return parse_rules(text, f"the file of rules {path.name}")


@cache
def _own_rules() -> RuleSet:
    return load_rules(RULES_FILE)


def parse_rules(text: str, what: str = "the file of rules") -> RuleSet:
    """Return the rules in a text; FileUnusable names line and field of all that is wrong."""
    value, lines = read_lines(text, what)
    rules = validated(value, lines, RuleSet, what)
    faults = list(faults_of(rules))
    if faults:
        raise unusable(faults, lines, what)
    return rules
