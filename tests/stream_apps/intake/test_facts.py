"""The register as arrays against the register itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codes import REJECT_CODES
from esep.precedence import PASSED
from esep.stream_apps.intake.decode import read_messages
from esep.stream_apps.intake.facts import Facts
from tests.stream_apps.intake.made_up import ALATAU, BAIGE, ESIL, REGISTER, batch, message, source_of, wager

FACTS = Facts(REGISTER)
BOUNDS = [  # Of the licences: the first day, the month without one, the day from which the later one is in force.
    datetime(2014, 12, 31, 19, tzinfo=UTC),
    datetime(2024, 12, 31, 19, tzinfo=UTC),
    datetime(2025, 1, 31, 19, tzinfo=UTC),
]
INSTANTS = st.tuples(st.sampled_from(BOUNDS), st.integers(-2, 2)).map(lambda d: d[0] + timedelta(milliseconds=d[1]))
EVENT = st.tuples(
    st.sampled_from([ALATAU, ESIL, BAIGE]), INSTANTS, st.sampled_from(["ALA-1", "ALA-2", "AST-1", "KGD-1"])
)


@settings(deadline=None)
@given(st.lists(EVENT, min_size=1), st.data())
def test_answer_is_that_of_the_register_for_each_event(
    events: list[tuple[str, datetime, str]], data: st.DataObject
) -> None:
    """Clauses O9-3, O9-4.1."""
    bins = list(dict.fromkeys(bin_ for bin_, _, _ in events))
    ordered = sorted(events, key=lambda event: bins.index(event[0]))
    batches = [
        batch(
            source_of(bin_),
            [message(wager(organizer_bin=b, occurred_at=at, site_id=site)) for b, at, site in ordered if b == bin_],
        )
        for bin_ in bins
    ]
    messages = read_messages(batches)
    asked = data.draw(st.lists(st.booleans(), min_size=len(events), max_size=len(events)))
    verdicts, licences = FACTS.look_up(messages.events.filter(pl.Series(asked)))
    chosen = [event for event, is_asked in zip(ordered, asked, strict=True) if is_asked]
    for (bin_, at, site), verdict, place in zip(chosen, verdicts.tolist(), licences.tolist(), strict=True):
        organizer = REGISTER.find(bin_)
        licence = organizer.licence_at(at) if organizer else None
        code = None if verdict == PASSED else REJECT_CODES[verdict].code
        if organizer is None:
            assert code == "ORGANIZER_UNKNOWN"
        elif licence is None:
            assert code == "LICENCE_NOT_IN_FORCE"
        else:
            assert code == (None if site in {one.id for one in organizer.sites} else "SITE_UNKNOWN")
            assert FACTS.licences.row(place) == (organizer.name_ru, licence.kind, licence.number)


def test_bins_that_are_not_in_the_register_are_known_as_such() -> None:
    assert FACTS.unknown(pl.Series([ALATAU, BAIGE, ESIL])).tolist() == [False, True, False]
