"""What is added to an event."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from esep.clock import to_ms
from esep.flags import FLAGS
from esep.reference import REFERENCE_DELAY_MS, Load, ReferenceFile
from esep.register import Licence
from esep.restrictions import Entries, entries_of
from esep.stream_apps.intake.decode import read_messages
from esep.stream_apps.intake.enrich import enrich
from esep.stream_apps.intake.facts import Facts
from tests.stream_apps.intake.made_up import (
    ALATAU,
    IIN,
    NOW,
    REGISTER,
    YOUNG_IIN,
    batch,
    message,
    payout,
    reference_of,
    source_of,
    wager,
)

FACTS = Facts(reference_of())
NEW_YEAR_2028 = datetime(2027, 12, 31, 19, tzinfo=UTC)  # In Almaty. Who was born in 2006 turns 21 in 2027.
MS = timedelta(milliseconds=1)
ENDED, BEGAN = datetime(2024, 12, 31, 19, tzinfo=UTC), datetime(2025, 1, 31, 19, tzinfo=UTC)  # Licences of Alatau.


def enriched(*records: dict[str, Any]) -> list[dict[str, Any]]:
    return enrich(postings(*records), FACTS).to_dicts()


def postings(*records: dict[str, Any], leg: int = 1) -> pl.DataFrame:
    events = read_messages([batch(source_of(), [message(record) for record in records])]).events
    legs = [pl.lit(0, pl.Int32).alias("revision"), pl.lit(leg, pl.Int32).alias("leg")]
    return events.with_columns(*legs, licence=pl.Series(FACTS.look_up(events)[1]))


def test_facts_are_those_in_force_when_the_event_occurred() -> None:
    """Clause O9-3: not those of today."""
    old, new = enriched(wager(occurred_at=datetime(2024, 6, 1, tzinfo=UTC)), payout(sequence=2))
    assert (old["organizer_kind"], old["licence_number"]) == ("TOTALIZATOR", "TT-0001")
    assert (new["organizer_kind"], new["licence_number"]) == ("BOOKMAKER", "BK-0009")
    assert old["organizer_name"] == new["organizer_name"] == "Букмекерская контора «Алатау»"
    assert old["reference_version"] == new["reference_version"] == 7


@pytest.mark.parametrize("leg", [1, -1])
def test_posting_is_named_for_ever_and_signed_by_its_leg(leg: int) -> None:
    record = payout(sequence=41)
    (posting,) = enrich(postings(record, leg=leg), FACTS).to_dicts()
    assert posting["entry_id"] == "940140000385/desk-0/41"
    assert posting["amount_tiyn"] == leg * record["amount_tiyn"]
    assert posting["won_tiyn"] == leg * record["won_tiyn"]
    assert posting["wager_amount_tiyn"] == record["wager_amount_tiyn"]


def test_hints_come_from_the_digits() -> None:
    man, woman, unknown = enriched(wager(), wager(iin=YOUNG_IIN), wager(iin="900101000003"))
    assert (man["birth_year_hint"], man["sex_hint"]) == (1990, "M")
    assert (woman["birth_year_hint"], woman["sex_hint"]) == (2006, "F")
    assert (unknown["birth_year_hint"], unknown["sex_hint"], unknown["flags"]) == (None, None, 0)


@pytest.mark.parametrize(
    ("iin", "bet_at", "flagged"),
    [
        (YOUNG_IIN, NOW, True),
        (YOUNG_IIN, NEW_YEAR_2028 - MS, True),  # The year of the 21st birthday: part of it she was under 21.
        (YOUNG_IIN, NEW_YEAR_2028, False),
        (IIN, NOW, False),
    ],
)
@pytest.mark.parametrize("kind", ["wager", "payout"])
def test_who_was_under_21_on_a_day_of_the_bets_year_is_flagged(
    iin: str, bet_at: datetime, flagged: bool, kind: str
) -> None:
    """A payout counts by its bet; a hint may flag, never reject (LEGAL, facts around the law)."""
    late = NEW_YEAR_2028 + timedelta(days=400)
    record = (
        wager(iin=iin, occurred_at=bet_at)
        if kind == "wager"
        else payout(iin=iin, occurred_at=late, wager_occurred_at=bet_at)
    )
    assert enriched(record)[0]["flags"] == (FLAGS["UNDER_21_HINT"] if flagged else 0)


def test_credit_money_is_flagged_beside_age() -> None:
    """Clause R2021-3."""
    both, credit = enriched(
        wager(payment_method="CREDIT_CARD", iin=YOUNG_IIN), payout(sequence=2, payment_method="CREDIT_CARD")
    )
    assert both["flags"] == FLAGS["UNDER_21_HINT"] | FLAGS["CREDIT_MONEY"]
    assert credit["flags"] == FLAGS["CREDIT_MONEY"]


@pytest.mark.parametrize(("day", "flagged"), [(-1, False), (0, True), (1, True), (2, False)])
@pytest.mark.parametrize("leg", [1, -1])
def test_who_was_on_a_list_when_it_occurred_is_flagged_by_what_was_published(day: int, flagged: bool, leg: int) -> None:
    """LEGAL, facts around the law: restricted persons are flagged with the list, never refused."""
    reference = reference_of()
    first = date(2026, 2, 20)
    persons = pl.DataFrame(
        {
            "list": ["DEBTOR", "OFFICIAL"],
            "iin": [IIN, IIN],
            "valid_from": [first] * 2,
            "valid_to": [date(2026, 2, 22)] * 2,
        }
    )
    reference.restrictions.publish(1, Entries([entries_of(persons)]))
    reference.publish(Load(99, to_ms(NOW) - REFERENCE_DELAY_MS), [])
    facts = Facts(reference)
    sent = wager(occurred_at=datetime(2026, 2, 20, tzinfo=UTC) + timedelta(days=day))
    of_one, of_other = (postings(sent | {"iin": iin}, leg=leg) for iin in (IIN, "900101300811"))
    assert enrich(of_one, facts)["flags"].to_list() == [FLAGS["DEBTOR"] | FLAGS["OFFICIAL"] if flagged else 0]
    assert enrich(of_other, facts)["flags"].to_list() == [0]
    assert enrich(of_one, facts)["reference_version"].to_list() == [99]
    early = of_one.with_columns(pl.col("received_at") - MS)
    assert enrich(early, facts)["flags"].to_list() == [0]
    assert enrich(early, facts)["reference_version"].to_list() == [REGISTER.version]


@pytest.mark.parametrize(
    ("bet_at", "flagged"),
    [(ENDED - MS, False), (ENDED, True), (BEGAN - MS, True), (BEGAN, False), (datetime(2014, 6, 1, tzinfo=UTC), True)],
)
@pytest.mark.parametrize("leg", [1, -1])
def test_payout_of_a_bet_that_was_taken_without_a_licence_is_flagged(bet_at: datetime, flagged: bool, leg: int) -> None:
    """Clause O9-3: it is paid under a licence, and the bet was taken while there was none."""
    alone = [payout(wager_occurred_at=bet_at), payout(wager_occurred_at=NOW - MS), wager(occurred_at=BEGAN)]
    flags = [one["flags"] for one in enrich(postings(*alone, leg=leg), FACTS).to_dicts()]
    assert flags == [FLAGS["UNLICENSED"] if flagged else 0, 0, 0]


def test_licence_of_a_bet_is_judged_by_what_was_published_when_it_was_paid() -> None:
    """Decision 0015: another licence, published later, makes the earlier bet one under a licence."""
    reference = reference_of()
    (known,) = (one for one in REGISTER.organizers if one.bin == ALATAU)
    between = Licence(number="BK-0008", kind="BOOKMAKER", valid_from=ENDED, valid_to=BEGAN)
    (fact,) = ReferenceFile(organizers=(known.model_copy(update={"licences": (*known.licences, between)}),)).facts()
    reference.publish(Load(99, to_ms(NOW) - REFERENCE_DELAY_MS), [(99, fact)])
    of_the_gap = postings(payout(wager_occurred_at=ENDED), payout(sequence=2, wager_occurred_at=ENDED))
    came = of_the_gap.with_columns(received_at=pl.Series([NOW - MS, NOW]).cast(pl.Datetime("ms", "UTC")))
    assert enrich(came, Facts(reference))["flags"].to_list() == [FLAGS["UNLICENSED"], 0]


def test_no_events_give_no_postings() -> None:
    assert enrich(postings(wager()).clear(), FACTS).is_empty()
