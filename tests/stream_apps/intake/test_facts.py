"""The register as arrays against the register itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.clock import to_ms
from esep.codes import REJECT_CODES
from esep.precedence import PASSED
from esep.reference import REFERENCE_DELAY_MS, Load, Reference, ReferenceFile
from esep.register import Register
from esep.restrictions import Entries, entries_of
from esep.stream_apps.intake.decode import read_messages
from esep.stream_apps.intake.facts import Facts
from tests.stream_apps.intake.made_up import (
    ALATAU,
    BAIGE,
    ESIL,
    IIN,
    NOW,
    REGISTER,
    Line,
    batch,
    message,
    new_stage,
    reference_of,
    source_of,
    wager,
)

FACTS = Facts(reference_of())
ALL = ReferenceFile(organizers=REGISTER.organizers).facts()
MINUTE = timedelta(minutes=1)
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


def renamed(number: int) -> Register:
    """The register as of a load: Alatau has another licence and another site."""
    content = REGISTER.model_dump(mode="json")
    content["version"] = number
    content["organizers"][0]["licences"][0]["number"] = f"BK-{number}"
    content["organizers"][0]["sites"] = [{"id": f"ALA-{number}", "address": "Алматы"}]
    return Register.model_validate(content)


@given(st.lists(st.integers(0, 5), max_size=4).map(sorted), st.lists(st.integers(-1, 8), min_size=1, max_size=8))
def test_what_counts_was_published_a_minute_before_the_event_was_received(
    minutes: list[int], received: list[int]
) -> None:
    """But the first facts of an organizer count for all its events, whenever they were published."""
    reference = Reference()
    loads = [0, *minutes]
    for place, minute in enumerate(loads):
        published_ms = to_ms(NOW) + minute * REFERENCE_DELAY_MS
        facts_ = ReferenceFile(organizers=renamed(place).organizers[:1]).facts() if place else ALL
        reference.publish(Load(100 + place, published_ms), list(enumerate(facts_)))
    sent = [message(wager(sequence=n), NOW + minute * MINUTE) for n, minute in enumerate(received, start=1)]
    events = read_messages([batch(source_of(), sent)]).events
    facts = Facts(reference)
    verdicts, licences = facts.look_up(events)
    counted = [max((place for place, at in enumerate(loads) if at + 1 <= minute), default=0) for minute in received]
    assert [facts.licences.row(place)[2] for place in licences.tolist()] == [
        f"BK-{place}" if place else "BK-0009" for place in counted
    ]
    assert [verdict == PASSED for verdict in verdicts.tolist()] == [place in {0, 1} for place in counted]
    assert facts.versions(events).to_list() == [100 + place for place in counted]


@given(
    st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=4).map(sorted),
    st.lists(st.integers(0, 9), min_size=1, max_size=6).map(sorted),
)
def test_replay_that_knows_all_from_the_start_writes_the_same_bytes(
    loads: list[tuple[int, bool]], received: list[int]
) -> None:
    """The first run knows at each poll what was published a minute before, which is all that a reader promises."""
    first_run, replay = reference_of(), reference_of()
    for place, load in enumerate(loads, start=1):
        publish(replay, place, *load)
    lines = [Line(new_stage(reference=reference)) for reference in (first_run, replay)]
    for number, minute in enumerate(received, start=1):
        for place, load in enumerate(loads[len(first_run.loads) - 1 :], start=len(first_run.loads)):
            if load[0] + 1 <= minute:
                publish(first_run, place, *load)
        sent = message(wager(sequence=number, occurred_at=NOW), NOW + minute * MINUTE)
        for line in lines:
            line.take(sent)
    assert lines[0].written == lines[1].written
    assert lines[0].changelogs == lines[1].changelogs


def publish(reference: Reference, place: int, minute: int, listed: bool) -> None:
    """Publish, that many minutes after NOW, another register, and that a person is on a list or was taken off it."""
    until = None if listed else date(2020, 1, 1)
    columns = {"list": pl.String, "iin": pl.String, "valid_from": pl.Date, "valid_to": pl.Date}
    person = pl.DataFrame([("DEBTOR", IIN, date(2020, 1, 1), until)], schema=columns, orient="row")
    reference.restrictions.publish(place, Entries([entries_of(person)]))
    facts = ReferenceFile(organizers=renamed(place).organizers[:1]).facts() if place % 2 else []
    reference.publish(Load(100 + place, to_ms(NOW + minute * MINUTE)), list(enumerate(facts)))


def test_new_organizer_is_known_at_once_and_its_facts_are_the_version() -> None:
    """Its topic is read only once its facts are known, so that no replay decides otherwise."""
    reference = reference_of()
    content = REGISTER.organizers[0].model_dump(mode="json") | {"bin": BAIGE}
    fresh = ReferenceFile.model_validate({"organizers": [content]})
    reference.publish(Load(30, to_ms(NOW)), [(29, fresh.facts()[0])])
    facts = Facts(reference)
    sent = [message(wager(organizer_bin=BAIGE, site_id="ALA-1"))]
    events = read_messages([batch(source_of(BAIGE), sent), batch(source_of(), [message(wager())])]).events
    assert facts.look_up(events)[0].tolist() == [PASSED, PASSED]
    assert facts.versions(events).to_list() == [30, REGISTER.version]
    assert not facts.unknown(pl.Series([BAIGE])).any()
