"""The answer sheet: it belongs to the stories as they are told, and says of each all that is to be said."""

from __future__ import annotations

from collections import Counter

from esep.identifiers import is_iin
from tests.planted.answers import answers
from tests.planted.month import digest_of, told_of
from tests.planted.teller import STORIES


def test_sheet_has_each_story_once_and_no_other() -> None:
    assert sorted(answers()) == sorted(STORIES)


def test_no_posting_has_changed_since_the_sheet_was_written() -> None:
    assert {name: digest_of(name) for name in STORIES} == {name: answer.told for name, answer in answers().items()}


def test_persons_of_the_sheet_are_those_of_the_story_with_well_formed_numbers() -> None:
    for name, answer in answers().items():
        story, _ = told_of(name)
        assert answer.persons == {person.role: person.iin for person in story.persons.values()}
        assert all(map(is_iin, answer.persons.values()))


def test_no_person_is_in_two_stories() -> None:
    times = Counter(iin for answer in answers().values() for iin in answer.persons.values())
    assert set(times.values()) == {1}


def test_scheme_says_its_clause_and_whom_an_alert_should_name() -> None:
    for name, answer in answers().items():
        if answer.is_scheme:
            assert answer.clause, name
            assert answer.wanted_iins or answer.wanted == ("organizer",), name


def test_near_miss_is_near_to_a_scheme_and_most_schemes_have_one() -> None:
    sheet = answers()
    assert all(answer.is_scheme or sheet[answer.near or ""].is_scheme for answer in sheet.values())
    assert sum(answer.is_scheme for answer in sheet.values()) >= 25
    assert sum(not answer.is_scheme for answer in sheet.values()) >= 25


def test_listed_persons_are_persons_of_the_story() -> None:
    listings = [(answer, one) for answer in answers().values() for one in answer.listings]
    assert {one.list for _, one in listings} == {"SELF_EXCLUDED", "DEBTOR", "OFFICIAL"}
    assert all(one.person in answer.persons for answer, one in listings)
