"""The page docs/planted-schemes.md: what was found of the planted month, and what was not and why.

Reads     outcomes, counts by rule, the size of the month
Returns   the page; of it what the size of the background does not change
Promises  the same for the same run
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.planted.outcomes import BY_CHANCE, FOUND, LEFT_ALONE, NOT_FOUND, RAISED, REFUSED, RuleCounts
from tests.planted.teller import STORIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.planted.line import Alerts, Passed
    from tests.planted.month import Month
    from tests.planted.outcomes import Outcome

FILE = Path(__file__).resolve().parent.parent.parent / "docs" / "planted-schemes.md"
_HEAD = """# Planted schemes

Made by `make planted`. A made-up month of October 2026: stories of people who launder, lend their cards, or are not
allowed to bet, planted among ordinary bets of the simulator, and beside each scheme near misses, which look like it
and are nothing of the kind. They were written from the law's texts and from what is known of typologies, before their
author had read any rule ([0038](decisions/0038-planted-schemes.md)), and were not changed since in order to be found.
The month goes through intake, totals and alerts with all rules LIVE, SHADOW ones too, and the rules' SQL looks through
the ledger.

*found*: by a rule that is meant for such a scheme, which names whom an alert should name. *by chance*: only rules that
are about something else name them, so that an officer sees a person and not the scheme. *refused by intake*: no alert,
but the bets were not accepted.
"""


def page(
    month: Month, passed: Passed, alerts: Alerts, stories: Sequence[Outcome], rules: Mapping[str, RuleCounts]
) -> str:
    """Return the page."""
    return "\n".join([_HEAD, stories_text(stories), _rest_text(month, passed, alerts, rules)])


def stories_text(stories: Sequence[Outcome]) -> str:
    """Return what the page says of schemes and near misses."""
    schemes = [one for one in stories if one.answer.is_scheme]
    near = [one for one in stories if not one.answer.is_scheme]
    by_result = Counter(one.result for one in stories)
    told = ", ".join(f"{by_result[result]} {result}" for result in (FOUND, BY_CHANCE, REFUSED, NOT_FOUND))
    lines = [
        "## Schemes",
        "",
        f"{len(schemes)} schemes: {told}.",
        "",
        "| scheme | from | what happens | what an officer wants to see | | alerts | why not, or not as such |",
        "|---|---|---|---|---|---|---|",
        *map(_scheme_row, schemes),
        "",
        "## Near misses",
        "",
        f"{len(near)} near misses: {by_result[RAISED]} raised, {by_result[LEFT_ALONE]} left alone.",
        "",
        "| near miss | near to | what happens | | alerts | what is to be said of it |",
        "|---|---|---|---|---|---|",
        *map(_near_row, near),
        "",
    ]
    return "\n".join(lines)


def _scheme_row(one: Outcome) -> str:
    answer = one.answer
    cells = [
        answer.story,
        answer.clause or "",
        _words(answer.story),
        answer.officer,
        f"**{one.result}**",
        alerts_text(one),
        one.why,
    ]
    return f"| {' | '.join(cells)} |"


def _near_row(one: Outcome) -> str:
    answer = one.answer
    result = f"**{one.result}**" if one.result == RAISED else one.result
    cells = [answer.story, answer.near or "", _words(answer.story), result, alerts_text(one), one.why or answer.officer]
    return f"| {' | '.join(cells)} |"


def _words(story: str) -> str:
    return " ".join((STORIES[story].__doc__ or "").split())


def alerts_text(one: Outcome) -> str:
    """Return how many alerts of each rule there are on a story, and what else was done about it."""
    told = [f"{rule} {count}" for rule, count in sorted(one.rules.items())]
    told += [f"{rule} {count} taken back" for rule, count in sorted(one.withdrawn.items())]
    told += [f"{code} {count}" for code, count in sorted(one.refused.items())]
    return ", ".join(told)


def _rest_text(month: Month, passed: Passed, alerts: Alerts, rules: Mapping[str, RuleCounts]) -> str:
    rest = sum(message.story is None for message in month.messages)
    planted = len(month.messages) - rest
    alone = sorted({key.rule_id for key in alerts} - passed.watched)
    same = sum(key.rule_id in passed.watched for key in alerts)
    lines = [
        "## The rest",
        "",
        f"{rest:,} messages of ordinary bets, {planted:,} of the stories. The stage and the rules' SQL tell the same",
        f"{same:,} alerts, with the same values, persons and entry that fulfils the rule{_alone(alone)}.",
        "",
        "| rule | on schemes | on near misses | on the rest | persons of the rest |",
        "|---|---:|---:|---:|---:|",
        *(_rule_row(rule, one) for rule, one in rules.items()),
        _rule_row("all", _all(rules.values())),
        "",
    ]
    return "\n".join(lines)


def _alone(rules: Sequence[str]) -> str:
    return f"; {', '.join(rules)}: SQL alone applies them" if rules else ""


def _rule_row(rule: str, one: RuleCounts) -> str:
    return f"| {rule} | {one.schemes:,} | {one.near_misses:,} | {one.rest:,} | {len(one.persons):,} |"


def _all(rules: Iterable[RuleCounts]) -> RuleCounts:
    total = RuleCounts()
    for one in rules:
        total.schemes += one.schemes
        total.near_misses += one.near_misses
        total.rest += one.rest
        total.persons |= one.persons
    return total
