"""From when on the stage has all that a rule looks at, if it begins with a file that is put in force at an instant.

Reads     the files of rules so far; the one that is to follow, and its instant
Returns   `begin_too_early`: rules that would look at what was not kept, each with the first day that `since` may name
Promises  a rule with windows that is not among them has all that it ever looks at, whenever it was received (decision
          0046; box: alerts)

The stage keeps what passes a filter of some rule with windows, and only the texts that some rule asks for. What occurs
AHEAD_MAX or more after an instant is received after it. A rule that looks at single entries needs nothing of before:
what takes back a posting that the stage does not know leaves nothing of it.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from esep.clock import AHEAD_MAX, almaty_day_of
from esep.rules import Filter, Rule
from esep.stream_apps.alerts.columns import start_of_day_ms
from esep.stream_apps.alerts.program import Program, compile_rules, filters_of, following, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from esep.rule_files import RuleFile
    from esep.rules import RuleSet, Subject

_AHEAD_MS = AHEAD_MAX // timedelta(milliseconds=1)
_EVER = -(2**62)
_SUBJECTS: tuple[Subject, ...] = ("person", "instrument")


class TooEarly(NamedTuple):
    """A rule, and the first day that its `since` may name."""

    rule: Rule
    first_day: date


class _Kept(NamedTuple):
    """A file's program, and of each filter and text that it keeps, since which instant it has all that occurred."""

    program: Program
    since_ms: dict[Filter | str, int]


def begin_too_early(files: Sequence[RuleFile], rules: RuleSet, from_ms: int) -> list[TooEarly]:
    """Return the rules that a file may not have as they are. Raises FileUnusable where rules cannot be compiled."""
    return [one for subject in _SUBJECTS for one in _too_early(files, rules, from_ms, subject)]


def _too_early(files: Sequence[RuleFile], rules: RuleSet, from_ms: int, subject: Subject) -> Iterator[TooEarly]:
    first = compile_rules(files[0].rules, subject)
    kept = _Kept(first, dict.fromkeys(_looked_at(files[0].rules, first), _EVER))
    for file in files[1:]:
        kept = _followed(kept, file.rules, file.from_ms)
    known = {(one.rule.rule_id, one.rule.version) for one in kept.program.window_rules}
    for compiled in compile_rules(rules, subject).window_rules:
        rule = compiled.rule
        if (rule.rule_id, rule.version) in known:
            continue
        complete_ms = max(_complete_ms(kept, one, from_ms) for one in _needs(rules, rule))
        if max(rule.since_ms, from_ms - rule.lateness_ms - compiled.span_ms) < complete_ms:
            yield TooEarly(rule, almaty_day_of(complete_ms - 1) + timedelta(days=1))


def _followed(before: _Kept, rules: RuleSet, from_ms: int) -> _Kept:
    program = following(before.program, compile_rules(rules, before.program.subject), from_ms)
    since_ms: dict[Filter | str, int] = {}
    for compiled in program.window_rules:
        for one in _needs(rules, compiled.rule):
            own_ms = max(_complete_ms(before, one, from_ms), compiled.since_ms if isinstance(one, Filter) else _EVER)
            since_ms[one] = min(own_ms, since_ms.get(one, own_ms))
    return _Kept(program, since_ms)


def _complete_ms(before: _Kept, need: Filter | str, from_ms: int) -> int:
    """Return since which instant all that occurred is there when another file is taken."""
    swept_ms = start_of_day_ms(before.program.first_day_kept(from_ms))
    return max(swept_ms, before.since_ms.get(need, from_ms + _AHEAD_MS))


def _looked_at(rules: RuleSet, program: Program) -> set[Filter | str]:
    return {one for compiled in program.window_rules for one in _needs(rules, compiled.rule)}


def _needs(rules: RuleSet, rule: Rule) -> set[Filter | str]:
    return {*filters_of(rules, rule), *texts_of(rules, rule)}
