"""What stood in the registers of barred organizers and resources, as of the event and as published by its receipt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from esep.clock import to_ms
from esep.flags import FLAGS
from esep.reference import REFERENCE_DELAY_MS, Load, ReferenceFile
from esep.stream_apps.intake.barred import Barred
from esep.stream_apps.intake.decode import read_messages
from tests.stream_apps.intake.made_up import (
    ALATAU,
    ESIL,
    NOW,
    batch,
    deposit,
    message,
    newer_wager,
    reference_of,
    source_of,
    wager,
)

MS, HOUR = timedelta(milliseconds=1), timedelta(hours=1)
UNLICENSED, ILLEGAL_RESOURCE = FLAGS["UNLICENSED"], FLAGS["ILLEGAL_RESOURCE"]
SPAN = {"why": "ILLEGAL", "valid_from": NOW - HOUR, "valid_to": NOW - timedelta(seconds=1)}
BEGINS, ENDS = SPAN["valid_from"], SPAN["valid_to"]


def flags(record: dict[str, Any], published_ms: int = to_ms(NOW) - REFERENCE_DELAY_MS, **registers: Any) -> int:
    reference = reference_of()
    facts = ReferenceFile.model_validate(registers).facts()
    reference.publish(Load(99, published_ms), [(99 - number, fact) for number, fact in enumerate(facts)])
    read = read_messages([batch(source_of(record["organizer_bin"]), [message(record)])])
    (found,) = Barred(reference).flags(read.events)
    return int(found)


@pytest.mark.parametrize(
    ("occurred_at", "flagged"), [(BEGINS - MS, False), (BEGINS, True), (ENDS - MS, True), (ENDS, False)]
)
def test_barred_organizer_is_flagged_for_the_time_that_it_was_barred(occurred_at: Any, flagged: bool) -> None:
    """R2021-1, R2021-2: its licence may say something else."""
    barred = [{"id": ALATAU, "name": "Alatau", **SPAN}]
    assert flags(wager(occurred_at=occurred_at), barred_organizers=barred) == (UNLICENSED if flagged else 0)
    assert flags(wager(occurred_at=occurred_at, organizer_bin=ESIL), barred_organizers=barred) == 0


@pytest.mark.parametrize(
    ("record", "address", "flagged"),
    [
        (newer_wager(), " ХАЛЫҚ банкі", True),
        (deposit(payment_provider="Pay-X"), "pay-x", True),
        (deposit(payment_provider="Pay-X2"), "pay-x", False),
        (wager(), "ala-1", True),
        (wager(), "ALA-2", False),
    ],
)
def test_resource_is_known_by_site_and_by_who_moved_the_money(
    record: dict[str, Any], address: str, flagged: bool
) -> None:
    """R2021-1: whatever letters it is written in, and as a whole."""
    resources = [{"address": address, **SPAN}]
    at_once = record | {"occurred_at": BEGINS}
    assert flags(at_once, barred_resources=resources) == (ILLEGAL_RESOURCE if flagged else 0)
    assert flags(record | {"occurred_at": ENDS}, barred_resources=resources) == 0


def test_what_was_published_too_late_for_an_event_flags_it_not() -> None:
    """Decision 0015: a replay decides the same."""
    both = {
        "barred_resources": [{"address": "ALA-1", **SPAN}, {"address": "ala-1", "why": "FOREIGN", "valid_from": ENDS}],
        "barred_organizers": [{"id": ALATAU, "name": "Alatau", **SPAN}],
    }
    in_time = to_ms(NOW) - REFERENCE_DELAY_MS
    assert flags(wager(occurred_at=BEGINS), in_time, **both) == UNLICENSED | ILLEGAL_RESOURCE
    assert flags(wager(occurred_at=BEGINS), in_time + 1, **both) == 0
    assert flags(wager(occurred_at=ENDS), in_time, **both) == ILLEGAL_RESOURCE


def test_registers_that_are_empty_flag_nothing() -> None:
    read = read_messages([batch(source_of(), [message(wager()), message(newer_wager(sequence=2))])])
    assert Barred(reference_of()).flags(read.events).equals(pl.Series([0, 0]))
