"""What was found of the planted month: each scheme, each near miss, and how many alerts on the rest.

Reads     the answer sheet, meant.yaml; what came of the month, the alerts that the rules' SQL finds
Returns   `Outcome` of each story; `RuleCounts` of each rule
Promises  an alert is on a story if it names one of its persons, and finds a scheme if it names whom it should name
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict, TypeAdapter

from esep.yaml_text import from_yaml
from tests.planted.answers import Answer, answers

if TYPE_CHECKING:
    from tests.planted.line import Alerts, Passed

FOUND, BY_CHANCE, REFUSED, NOT_FOUND = "found", "by chance", "refused by intake", "not found"
RAISED, LEFT_ALONE = "raised", "left alone"
_FILE = Path(__file__).with_name("meant.yaml")


class Meant(BaseModel):
    """meant: rules that are meant for a scheme. why: it is not found by one of them, or a near miss is raised."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    story: str
    meant: tuple[str, ...] = ()
    why: str = ""


class Outcome(NamedTuple):
    """rules: how many alerts of each find the scheme, or are raised on the near miss; withdrawn: were taken back."""

    answer: Answer
    result: str
    rules: Counter[str]
    withdrawn: Counter[str]
    refused: Counter[str]
    why: str


@dataclass
class RuleCounts:
    """How many alerts of a rule are on schemes, on near misses, and on the rest; persons: how many of the rest."""

    schemes: int = 0
    near_misses: int = 0
    rest: int = 0
    persons: set[str] = field(default_factory=set)


@cache
def meant() -> dict[str, Meant]:
    read = TypeAdapter(tuple[Meant, ...]).validate_python(from_yaml(_FILE.read_text(encoding="utf-8")))
    return {one.story: one for one in read}


def all_alerts(passed: Passed, in_ledger: Alerts) -> Alerts:
    """Return what an officer has: what the stage has raised, and what rules find that SQL alone applies."""
    later = {key: told for key, told in in_ledger.items() if key.rule_id not in passed.watched}
    return passed.alerts | later


def outcomes(passed: Passed, alerts: Alerts) -> list[Outcome]:
    """Return what became of each story, in the order of the sheet."""
    found = _found(alerts)
    return [_outcome(answer, found[answer.story], passed) for answer in answers().values()]


def counts(alerts: Alerts) -> dict[str, RuleCounts]:
    """Return by rule how many alerts there are on what."""
    story_of = {iin: answer for answer in answers().values() for iin in answer.persons.values()}
    by_rule: defaultdict[str, RuleCounts] = defaultdict(RuleCounts)
    for key, told in alerts.items():
        told_of = [story_of[iin] for iin in told.persons if iin in story_of]
        one = by_rule[key.rule_id]
        if any(answer.is_scheme for answer in told_of):
            one.schemes += 1
        elif told_of:
            one.near_misses += 1
        else:
            one.rest += 1
            one.persons |= {*told.persons}
    return dict(sorted(by_rule.items()))


def _found(alerts: Alerts) -> defaultdict[str, Counter[str]]:
    """Return by story how many alerts of each rule name who should be named."""
    wanted = {iin: answer.story for answer in answers().values() for iin in _wanted(answer)}
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for key, told in alerts.items():
        for story in {wanted[iin] for iin in told.persons if iin in wanted}:
            found[story][key.rule_id] += 1
    return found


def _wanted(answer: Answer) -> set[str]:
    """Return the persons whom an alert should name; where an organizer is wanted, or nobody, any of the story."""
    return answer.wanted_iins or {*answer.persons.values()}


def _outcome(answer: Answer, rules: Counter[str], passed: Passed) -> Outcome:
    declared = meant().get(answer.story, Meant(story=answer.story))
    refused = Counter({code: n for (story, code), n in passed.refused.items() if story == answer.story})
    persons = {*answer.persons.values()}
    withdrawn = Counter({rule: n for (iin, rule), n in passed.withdrawn.items() if iin in persons})
    if not answer.is_scheme:
        result = RAISED if rules else LEFT_ALONE
    elif rules.keys() & {*declared.meant}:
        result = FOUND
    else:
        result = BY_CHANCE if rules else REFUSED if refused else NOT_FOUND
    return Outcome(answer, result, rules, withdrawn, refused, declared.why)
