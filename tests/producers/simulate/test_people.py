"""Persons and places: well-formed, shared between organizers, few of them betting much."""

from __future__ import annotations

import numpy as np
import pytest

from esep.identifier_columns import birth_year_hints, valid_iin
from esep.partitioner import partition_of
from esep.producers.simulate.people import people_of, places_of
from esep.producers.simulate.plan import oldest_of_use
from esep.producers.simulate.register import made_up_register
from esep.register import load_register
from tests.producers.bets import ROOT
from tests.producers.simulate.made import UNTIL


def test_persons_are_distinct_well_formed_adults() -> None:
    people = people_of(5_000, 4, seed=1)
    assert people.iins.n_unique() == 5_000
    assert valid_iin(people.iins).all()
    assert birth_year_hints(people.iins).max() < 2000
    assert people.instrument_hashes.str.contains("^[0-9a-f]{64}$").all()


def test_few_bet_much_and_some_are_with_several_organizers() -> None:
    people = people_of(10_000, 20, seed=1)
    assert people.shares[-1] == pytest.approx(1)
    assert people.shares[99] > 0.25, "a hundred of ten thousand make a quarter of the bets"
    several = sum(len(set(row)) > 1 for row in people.organizers.tolist())
    assert 0.2 < several / 10_000 < 0.5
    assert np.unique(people.organizers).tolist() == list(range(20))


def test_few_pay_by_an_instrument_of_another() -> None:
    people = people_of(5_000, 4, seed=1)
    persons = people.instrument_hashes.value_counts()
    shared = persons.filter(persons["count"] > 1)
    assert 50 < shared.height < 250
    assert 100 < 5_000 - persons.height < 350, "a few of a hundred borrow"
    kinds = dict(zip(people.instrument_hashes, people.instrument_kinds, strict=True))
    assert [kinds[digest] for digest in people.instrument_hashes] == people.instrument_kinds.to_list()


def test_streams_stand_where_the_partitioner_puts_them() -> None:
    register = made_up_register(6, 3, UNTIL)
    places = places_of(register, 5, oldest_of_use(UNTIL), "1")
    assert places.partition_of.tolist() == [partition_of(name.encode(), 5) for name in places.streams]
    for number, organizer in enumerate(register.organizers):
        own = [site.id for site in organizer.sites]
        first, count = places.site_from[number], places.site_count[number]
        assert places.sites[first : first + count].to_list() == own
        streams = [name for name, of in zip(places.streams, places.organizer_of, strict=True) if of == number]
        assert streams == places.streams[places.stream_from[number] :][: len(streams)].to_list()
        assert len(set(streams)) == len(streams) == 2 + 2 * len(own)


def test_gap_in_a_licence_is_found_where_there_is_one() -> None:
    with_gap = places_of(made_up_register(2, 1, UNTIL), 2, oldest_of_use(UNTIL), "1")
    assert (with_gap.gap_ms > 0).all()
    without = places_of(load_register(ROOT / "examples" / "register.yaml"), 2, oldest_of_use(UNTIL), "1")
    assert (without.gap_ms == -1).all()
