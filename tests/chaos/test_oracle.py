"""The oracle books what hand-made messages say, and agrees with the oracle of the demo's file where both can speak."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import yaml
from hypothesis import given
from hypothesis import strategies as st

from esep.codec import encode_one
from esep.rules import RULES_FILE
from esep.schemas import schema
from esep.stream_apps.totals.cells import CELL_KEY, CELL_VALUE, MEASURES
from tests.chaos.oracle import Posting, cells, ledger_rows, postings_of_message, read, record_of, totals
from tests.chaos.standing import by_looking, few_owners
from tests.chaos.wins import _VALUES
from tests.integration import oracle as by_file

BIN, IIN, OTHER = "940140000385", "900101300007", "830717350867"
PAYOUT, CORRECTION = schema("payout"), schema("correction")
AT = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)  # 23:30 in Almaty.
RULES = yaml.safe_load(RULES_FILE.read_text("utf-8"))


def payout(sequence: int, amount_tiyn: int, at: datetime = AT, iin: str = IIN) -> bytes:
    numbering = {"organizer_bin": BIN, "stream_id": "desk-7", "sequence": sequence}
    return encode_one(numbering | values(amount_tiyn, at, iin), PAYOUT)


def values(amount_tiyn: int, at: datetime = AT, iin: str = IIN) -> dict[str, Any]:
    instrument = dict.fromkeys(("instrument_kind", "instrument_hash", "instrument_key_version"))
    of_wager = {"wager_occurred_at": at - timedelta(hours=1), "wager_amount_tiyn": 100_00}
    money = {"amount_tiyn": amount_tiyn, "payment_method": "CASH", "kind": "WINNING", "won_tiyn": amount_tiyn - 100_00}
    return {"site_id": "ALA-1", "iin": iin, "wager_id": "t-1", "occurred_at": at, **money, **instrument, **of_wager}


def correction(sequence: int, target: int, was: dict[str, Any] | None, now: dict[str, Any] | None) -> bytes:
    sides = {
        name: side and {**dict.fromkeys(_VALUES), "event_type": "PAYOUT", "selections": [], **side}
        for name, side in (("was", was), ("now", now))
    }
    numbering = {"organizer_bin": BIN, "stream_id": "desk-7", "sequence": sequence}
    about = {"target_sequence": target, "replaces_revision": 0, "corrected_at": AT, "reason": "entered wrongly"}
    return encode_one({**numbering, **about, **sides}, CORRECTION)


def booked(*messages: bytes) -> list[Posting]:
    return [posting for message in messages for posting in postings_of_message(read(message))]


def test_correction_takes_back_what_was_and_books_what_is() -> None:
    first, back, again = booked(payout(1, 900_00), correction(2, 1, values(900_00), values(700_00, iin=OTHER)))
    assert [one[:3] for one in (first, back, again)] == [
        (f"{BIN}/desk-7/1", *name) for name in ((0, 1), (1, -1), (1, 1))
    ]
    assert [record_of(one)["amount_tiyn"] for one in (first, back, again)] == [900_00, -900_00, 700_00]
    assert [record_of(one)["won_tiyn"] for one in (first, back, again)] == [800_00, -800_00, 600_00]
    sums = totals([first, back, again])
    assert sums[IIN, "", 0] == {}
    assert sums[OTHER, BIN, 2026] == {"winning": [1, 700_00]}


def test_state_of_totals_has_a_cell_per_person_organizer_and_year() -> None:
    records = [record_of(one) for one in booked(payout(1, 900_00), correction(2, 1, values(900_00), values(700_00)))]
    (cell,) = cells((b"p" * 16, record) for record in records).items()
    keys, sums = np.frombuffer(cell[0], CELL_KEY), np.frombuffer(cell[1], CELL_VALUE)
    assert (keys["person"].tobytes(), keys["bin"][0], keys["year"][0]) == (b"p" * 16, int(BIN), 2026)
    assert sums[0][2 * MEASURES.index("winning") :][:2].tolist() == [1, 700_00]
    assert sums.sum() == 1 + 700_00


def test_void_takes_back_and_a_repair_only_books() -> None:
    assert [one.leg for one in booked(correction(2, 1, values(900_00), None))] == [-1]
    assert [one.leg for one in booked(correction(2, 1, None, values(900_00)))] == [1]


@given(
    st.lists(
        st.tuples(st.sampled_from([IIN, OTHER]), st.integers(100_00, 1_200_000_00), st.integers(0, 60)), max_size=12
    )
)
def test_alerts_and_running_totals_are_those_of_the_oracle_of_the_demo(made: list[tuple[str, int, int]]) -> None:
    instants = [AT + timedelta(hours=hours) for _, _, hours in made]
    messages = [payout(n, tiyn, at, iin) for n, ((iin, tiyn, _), at) in enumerate(zip(made, instants, strict=True), 1)]
    theirs = [
        by_file.Posting(BIN, iin, f"{BIN}/desk-7/{n}", "PAYOUT", int(at.timestamp() * 1000), tiyn, tiyn - 100_00)
        for n, ((iin, tiyn, _), at) in enumerate(zip(made, instants, strict=True), 1)
    ]
    large = {("WIN_THRESHOLD", *found) for found in by_file.threshold_alerts(theirs)}
    parts = {("WIN_STRUCTURED", *found) for found in by_file.structured_alerts(theirs)}
    found = by_looking(booked(*messages), RULES, few_owners(booked(*messages), 1_000))
    assert {one[:3] for one in found} == large | parts
    lineage = {"cause_topic": "t", "cause_partition": 0, "cause_offset": 0}
    accepted = [(0, offset, {**record_of(one), **lineage}) for offset, one in enumerate(booked(*messages))]
    rows = list(ledger_rows(accepted))
    for row, after in zip(rows, by_file.running_totals(theirs), strict=True):
        assert {name: row[name] for name in after} == after
    assert [row["row"] for row in rows] == list(range(1, len(made) + 1))
