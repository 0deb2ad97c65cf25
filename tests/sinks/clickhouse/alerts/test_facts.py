"""A story tells what changed between revisions, what it rests on, and the person only where that was asked for."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from esep.sinks.clickhouse.alerts.facts import Evidence, document, total_names
from tests.support.stories import PERSON, decided, evidence, story, windows


@given(windows)
def test_changes_taken_one_after_the_other_make_each_revision_s_evidence(found: list[tuple[Evidence, ...]]) -> None:
    held: set[Evidence] = set()
    told = story(*found)
    for change, one in zip(told.changes(), told.revisions, strict=True):
        assert set(change.came).isdisjoint(held)
        assert set(change.left) <= held
        held = held.difference(change.left).union(change.came)
        assert held == set(one.evidence)


@given(windows)
def test_person_is_in_nothing_that_a_program_reads_unless_it_was_asked_for(found: list[tuple[Evidence, ...]]) -> None:
    """O9-5.1: organizers put numbers of persons into the names of streams and bets."""
    told = story(*found)
    assert PERSON not in json.dumps(document(told, show_iin=False), default=str)
    assert document(told, show_iin=True)["iin"] == PERSON


@given(windows)
def test_grounds_are_the_last_revision_that_rests_on_something(found: list[tuple[Evidence, ...]]) -> None:
    told = story(*found)
    behind = told.revisions[told.grounds.number :]
    assert told.grounds.evidence or not any(one.evidence for one in told.revisions)
    assert not told.grounds.evidence or not any(one.evidence for one in behind)


def test_withdrawn_alert_still_tells_what_it_rested_on_and_the_totals_of_then() -> None:
    told = document(story((evidence(1), evidence(2)), ()), show_iin=False)
    assert (told["status"], told["revision"], told["evidence_of_revision"]) == ("WITHDRAWN", 2, 1)
    assert [one["ledger_offset"] for one in told["evidence"]] == [11, 12]
    assert told["person_totals"]["person_year_winning_count"] == 12, "of the posting that the ledger has last"
    assert [one["status"] for one in told["revisions"]] == ["OPEN", "WITHDRAWN"]
    assert len(told["revisions"][1]["left"]) == 2


def test_totals_are_those_that_the_ledger_has_of_a_person() -> None:
    """O9-4.6: growing totals, over all organizers."""
    from esep.schemas import schema

    persons = [name for name in schema("ledger").fields if name.startswith("person_")]
    assert sorted(total_names()) == sorted(persons)


def test_evidence_that_is_not_loaded_yet_is_told_without_its_posting() -> None:
    told = story((evidence(1),), loaded=False)
    assert told.totals() is None
    (one,) = document(told, show_iin=False)["evidence"]
    assert (one["posting"], one["ledger_offset"]) == (None, 11)


@pytest.mark.parametrize(("about", "stands"), [(1, False), (2, True)])
def test_decision_stands_for_the_revision_that_it_is_about(about: int, stands: bool) -> None:
    assert story((evidence(1),), (evidence(2),), decisions=(decided(about),)).decided is stands
    assert not story((evidence(1),)).decided
