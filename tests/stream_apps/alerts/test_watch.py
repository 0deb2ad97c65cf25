"""The closer look at few against a closer look at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esep.rules import DAY_MS, load_rules
from esep.stream_apps.alerts import closely
from esep.stream_apps.alerts import watch as module
from esep.stream_apps.alerts.columns import Posting, columns_of
from esep.stream_apps.alerts.program import compile_rules
from esep.stream_apps.alerts.state import AlertsData, Changes
from esep.stream_apps.alerts.watch import Arrivals, Outcome, watch

if TYPE_CHECKING:
    import pytest

MONITORED_TIYN = 1_000_000_00
PROGRAM = compile_rules(load_rules())
NOW_MS = 1_773_200_000_000
PERSONS = [bytes([number]) * 16 for number in range(3)]
ARRIVING = st.lists(
    st.tuples(
        st.sampled_from(PERSONS), st.integers(0, 4), st.sampled_from([1, 1, 1, -1]),
        st.sampled_from([MONITORED_TIYN - 1, MONITORED_TIYN // 2, MONITORED_TIYN // 3, MONITORED_TIYN, 1]),
        st.sampled_from([0, 1, DAY_MS // 3, DAY_MS - 1, DAY_MS, 2 * DAY_MS, 3 * DAY_MS]),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


def arrivals(arriving: list[tuple[bytes, int, int, int, int]], first_offset: int) -> Arrivals:
    winnings = [
        Posting(NOW_MS - ago, f"940140000385/desk-1/{sequence}", int(leg < 0), leg, leg * amount, first_offset + place)
        for place, (_, sequence, leg, amount, ago) in enumerate(arriving)
    ]
    persons = [person for person, *_ in arriving]
    columns = columns_of(persons, winnings)
    now_ms = np.full(len(winnings), NOW_MS)
    return Arrivals(persons, columns, PROGRAM.bits(columns.facts), now_ms, now_ms, NOW_MS)


def outcomes(polls: list[list[tuple[bytes, int, int, int, int]]]) -> list[list[Outcome]]:
    """Return what each poll leads to; a posting, named by sequence, leg and instant, arrives once in all of them."""
    data, found = AlertsData(PROGRAM), []
    known: set[tuple[int, int, int]] = set()
    for number, poll in enumerate(polls):
        new = {(sequence, leg, ago): (person, sequence, leg, *rest, ago) for person, sequence, leg, *rest, ago in poll}
        once = [one for name, one in new.items() if name not in known]
        known |= new.keys()
        told, changes = watch(arrivals(once, 100 * number), data)
        assert isinstance(changes, Changes)
        data.apply(changes)
        found.append([as_told(one) for one in told])
    return found


def as_told(outcome: Outcome) -> Outcome:
    """Return an outcome with postings that know of no filters: a book's may know of its rule's alone."""
    found = outcome.found
    if found is None:
        return outcome
    event, *evidence = (one._replace(bits=0) for one in (found.event, *found.evidence))
    return outcome._replace(found=found._replace(event=event, evidence=tuple(evidence)))


def everybody(data: AlertsData, _: object, __: object, ___: object, count: int) -> np.ndarray:
    return np.ones((len(data.program.window_rules), count), np.bool_)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(polls=st.lists(ARRIVING, max_size=3))
def test_whoever_is_far_from_the_sum_has_no_alert(
    monkeypatch: pytest.MonkeyPatch, polls: list[list[tuple[bytes, int, int, int, int]]]
) -> None:
    quick = outcomes(polls)
    with monkeypatch.context() as patched:
        patched.setattr(module, "_within_reach", everybody)
        assert outcomes(polls) == quick


def test_person_far_from_the_sum_is_not_looked_at_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a book was opened")

    monkeypatch.setattr(closely, "Book", fail)
    assert outcomes([[(PERSONS[0], 1, 1, MONITORED_TIYN - 2, 0)], [(PERSONS[0], 2, 1, 1, 0)]]) == [[], []]
