"""The files of rules that were put in force, one after the other, and what must hold of the next one.

Reads     texts of files, each with the instant from which it is in force
Returns   `RuleFiles`: which file is in force at which instant; `faults_of_next`
Promises  pure; files are added at the end and never changed, so that a replay of what was received at an instant finds
          the file of that instant (DESIGN §7; decision 0046; clauses D934-1..3)

A version of a rule means one thing for ever, since its alerts are known by it: a rule that changes, or is LIVE again
after it was not, is a new version.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from esep.clock import PUBLISHED_DELAY_MS, almaty_day_of
from esep.rule_diff import differences

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from esep.rules import RuleSet

AHEAD_MS_MIN = PUBLISHED_DELAY_MS  # Between a file's record and its instant: until then every reader knows of it.


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A file of rules. number: 1, 2, 3 … of these. from_ms: since when it is in force, UTC; 0: since ever.

    published_ms: when it was put there.
    """

    number: int
    from_ms: int
    text: str
    rules: RuleSet
    published_ms: int = 0

    @property
    def sha256(self) -> str:
        """What tells its text from another one, as `sha256sum` says it."""
        return sha256(self.text.encode()).hexdigest()


@dataclass(slots=True)
class RuleFiles:
    """All files in their order; there is always a first one, in force since ever. It may grow between two looks."""

    files: list[RuleFile] = field(default_factory=list)

    @classmethod
    def of(cls, rules: RuleSet, text: str = "") -> RuleFiles:
        """Return one file that is in force for ever."""
        return cls([RuleFile(1, 0, text, rules)])

    def place_at(self, instant_ms: int) -> int:
        """Return the place of the file that is in force at an instant."""
        return bisect_right(self.instants, instant_ms)

    def at(self, instant_ms: int) -> RuleFile:
        """Return the file that is in force at an instant."""
        return self.files[self.place_at(instant_ms)]

    @property
    def instants(self) -> list[int]:
        """From when on each file but the first is in force, ascending."""
        return [one.from_ms for one in self.files[1:]]


def faults_of_next(files: Sequence[RuleFile], following: RuleSet, from_ms: int) -> Iterator[str]:
    """Yield what keeps rules from following these files at an instant, a sentence each."""
    last = files[-1]
    if from_ms <= last.from_ms:
        yield "a file that is in force from that instant or a later one on was put there already"
    before = {(rule.rule_id, rule.version): rule for rule in (*last.rules.rules, *last.rules.silences) if rule.raised}
    gone = {
        (rule.rule_id, rule.version)
        for one in files[:-1]
        for rule in (*one.rules.rules, *one.rules.silences)
        if rule.raised
    } - before.keys()
    others = {one.rule_id for one in differences(last.rules, following, almaty_day_of(from_ms)) if one.is_other}
    for rule in (*following.rules, *following.silences):
        key = (rule.rule_id, rule.version)
        if not rule.raised:
            continue
        if key in gone:
            yield f"{rule.rule_id}: version {rule.version} was LIVE once and is not any more: give it a new version"
        if key in before and rule.rule_id in others:
            yield f"{rule.rule_id}: its alerts change: give it a new version"
