"""Books that stay open from poll to poll against books that are begun anew with each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esep.stream_apps.alerts import closely as module
from esep.stream_apps.alerts import shelf
from esep.stream_apps.alerts.closely import closely
from tests.support.examples import examples
from tests.support.rule_histories import FROM_MS, Arrival, RuleRun, histories
from tests.support.stage_run import BINS, IINS, cut


def written(arrivals: list[Arrival], cuts: list[int], *, repeated: bool = False) -> dict[str, object]:
    """Return the last revision of each alert. repeated: each poll is processed once before, and that is aborted."""
    run = RuleRun()
    for poll in cut(arrivals, cuts):
        if repeated:
            run.stage.process(run.batches(poll), run.states)
        run.feed(poll)
    return {**run.latest}


@settings(deadline=None, max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=histories(), cuts=st.lists(st.integers(0, 1000), min_size=2, max_size=6))
def test_books_that_stay_open_and_polls_that_are_repeated_change_no_byte(
    monkeypatch: pytest.MonkeyPatch, arrivals: list[Arrival], cuts: list[int]
) -> None:
    kept = written(arrivals, cuts)
    assert written(arrivals, cuts, repeated=True) == kept
    with monkeypatch.context() as patched:
        patched.setattr(shelf, "SHELF_POSTINGS_MAX", 0)
        assert written(arrivals, cuts) == kept


def test_all_that_a_rule_sees_of_whoever_is_near_is_booked_and_what_is_near_is_decided_on() -> None:
    owners = np.array([0, 1, 0, 1, 0])
    seen = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.bool_)
    near = np.array([[1, 0, 0, 1, 1], [0, 0, 0, 0, 0]], np.bool_)
    found = closely(owners, seen, near)
    assert found.booked.astype(int).tolist() == [[1, 0, 1, 0, 0], [0, 0, 0, 0, 0]]
    assert found.decided.astype(int).tolist() == [[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert found.rules_of(np.array([0, 2])) == [[(0, True)], [(0, False)]]


def test_book_stays_open_from_poll_to_poll_unless_a_poll_comes_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a book was begun")

    run = RuleRun()
    run.feed([(0, winnings(1)), (1, winnings(2))])
    monkeypatch.setattr(module, "Book", fail)
    run.feed([(2, winnings(3))])
    assert {record["status"] for record in run.latest.values() if record["rule_id"] == "WIN_STRUCTURED"} == {"OPEN"}
    batches = run.batches([(3, winnings(4))])
    run.stage.process(batches, run.states)
    with pytest.raises(AssertionError, match="a book was begun"):
        run.stage.process(batches, run.states)


def winnings(sequence: int) -> Arrival:
    at_ms = FROM_MS + sequence
    return Arrival({
        "entry_id": f"{BINS[0]}/desk-1/{sequence}", "revision": 0, "leg": 1, "event_type": "PAYOUT", "kind": "WINNING",
        "organizer_bin": BINS[0], "iin": IINS[0], "wager_id": "bet", "occurred_ms": at_ms, "amount_tiyn": 60_000_000,
        "odds_milli": None, "flags": 0, "instrument_hash": None,
    }, at_ms)  # fmt: skip
