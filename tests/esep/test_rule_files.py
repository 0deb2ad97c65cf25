"""Files of rules, one after the other."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.rule_files import RuleFile, RuleFiles, faults_of_next
from esep.rules import RuleSet
from tests.support.changed_rules import file_of

DAY_MS = 86_400_000


def rules(*, since: date | None = None, **versions: int) -> RuleSet:
    return RuleSet.model_validate(file_of(versions, dict.fromkeys(versions, since) if since else None))


def files(*known: RuleSet) -> list[RuleFile]:
    return [RuleFile(number, (number - 1) * DAY_MS, "", one) for number, one in enumerate(known, 1)]


FIRST = rules(NIGHT_BURST=1)


@given(st.lists(st.integers(1, 50), max_size=4), st.integers(0, 60))
def test_file_in_force_is_the_last_one_whose_instant_has_come(instants_ms: list[int], at_ms: int) -> None:
    known = RuleFiles([RuleFile(1, 0, "", FIRST)])
    known.files += [RuleFile(number, ms, "", FIRST) for number, ms in enumerate(sorted(instants_ms), 2)]
    assert known.at(at_ms).number == 1 + sum(ms <= at_ms for ms in instants_ms)
    assert known.files[known.place_at(at_ms)] is known.at(at_ms)


@pytest.mark.parametrize(
    ("known", "following", "at_ms", "told"),
    [
        ([FIRST], FIRST, DAY_MS, []),
        ([FIRST, FIRST], FIRST, DAY_MS, ["that instant or a later one"]),
        ([FIRST], rules(NIGHT_BURST=2), DAY_MS, []),
        ([FIRST], rules(NIGHT_BURST=1, since=date(2026, 3, 1)), DAY_MS, ["NIGHT_BURST: its alerts change"]),
        ([FIRST, rules()], FIRST, 9 * DAY_MS, ["NIGHT_BURST: version 1 was LIVE once"]),
        ([FIRST, rules()], rules(NIGHT_BURST=2), 9 * DAY_MS, []),
        ([rules()], FIRST, DAY_MS, []),
    ],
)
def test_version_means_one_thing_for_ever_and_instants_ascend(
    known: list[RuleSet], following: RuleSet, at_ms: int, told: list[str]
) -> None:
    """D934-1..3: an alert is known by its rule's version."""
    faults = list(faults_of_next(files(*known), following, at_ms))
    assert len(faults) == len(told)
    assert all(expected in fault for expected, fault in zip(told, faults, strict=True))
