"""The stage totals against a naive ledger: the same postings one by one, in dicts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codec import decode_one, encode_one
from esep.errors import InvariantBroken, TotalsOverflow
from esep.lineage import TopicPartition
from esep.money import AMOUNT_TIYN_MAX, SUM_TIYN_MAX
from esep.schemas import schema
from esep.stream_apps.stage import Write
from esep.stream_apps.totals.cells import CELL_KEY, WIDTH, Cells
from esep.stream_apps.totals.stage import TOTALS_COLUMNS, TotalsStage
from tests.support.stage_run import ASIDE, BINS, IINS, StageRun, cut, person_key

ACCEPTED, LEDGER = schema("accepted"), schema("ledger")
MIDNIGHT = datetime(2025, 12, 31, 19, tzinfo=UTC)  # The year 2026 begins in Almaty.
KINDS = {
    ("WAGER", None): "wager", ("PAYOUT", "WINNING"): "winning", ("PAYOUT", "REFUND"): "refund",
    ("PAYOUT", "CASH_OUT"): "cash_out", ("DEPOSIT", None): "deposit", ("WITHDRAWAL", None): "withdrawal",
}  # fmt: skip

POSTINGS = st.lists(
    st.fixed_dictionaries({
        "person": st.integers(0, 2),
        "organizer_bin": st.sampled_from(BINS),
        "kind": st.sampled_from(sorted(KINDS, key=str)),
        "leg": st.sampled_from([1, 1, 1, -1]),
        "amount": st.one_of(st.integers(1, 1000), st.just(AMOUNT_TIYN_MAX)),
        "occurred_at": st.one_of(
            st.integers(-2, 2).map(lambda ms: MIDNIGHT + timedelta(milliseconds=ms)),
            st.sampled_from([datetime(2023, 12, 31, 17, 59, 59, tzinfo=UTC), datetime(2023, 12, 31, 18, tzinfo=UTC)]),
        ),
    }),
    min_size=1, max_size=30,
)  # fmt: skip


def accepted(place: int, posting: dict[str, Any]) -> dict[str, Any]:
    """One record of `accepted`, as intake writes it."""
    event_type, kind = posting["kind"]
    bin_ = posting["organizer_bin"]
    return {
        **ASIDE, "row": place + 1, "received_at": MIDNIGHT + timedelta(days=1), "cause_partition": 1,
        "cause_topic": f"organizer.{bin_}.events", "cause_offset": 1000 + place, "entry_id": f"{bin_}/desk-1/{place}",
        "revision": 0, "leg": posting["leg"], "event_type": event_type, "organizer_bin": bin_, "sequence": place,
        "iin": IINS[posting["person"]], "wager_id": f"w-{place}", "occurred_at": posting["occurred_at"],
        "amount_tiyn": posting["leg"] * posting["amount"], "kind": kind,
        "selections": [{"event_id": "e", "market_id": "m", "outcome_id": "o", "odds_milli": 1200}] * (place % 2),
    }  # fmt: skip


@dataclass
class Run(StageRun[Cells, dict[str, Any]]):
    """Keeps the records of the ledger."""

    stage: TotalsStage = field(default_factory=TotalsStage)
    written: list[dict[str, Any]] = field(default_factory=list)

    def person_of(self, posting: dict[str, Any]) -> int:
        person: int = posting["person"]
        return person

    def message_of(self, offset: int, posting: dict[str, Any]) -> bytes:
        return encode_one(accepted(offset, posting), ACCEPTED)

    def keep(self, write: Write) -> None:
        for key, value in zip(write.keys, write.values, strict=True):
            assert value is not None
            self.written.append({"output": write.target, "key": key, **decode_one(value, LEDGER)})


def oracle(postings: list[dict[str, Any]]) -> list[dict[str, int]]:
    """The totals after each posting, added up the way a clerk would."""
    books: defaultdict[tuple[Any, ...], int] = defaultdict(int)
    after = []
    for one in postings:
        year = one["occurred_at"].astimezone(ZoneInfo("Asia/Almaty")).year
        scopes = {
            "person_year": (one["person"], year), "person_ever": (one["person"],),
            "organizer_year": (one["person"], one["organizer_bin"], year),
            "organizer_ever": (one["person"], one["organizer_bin"]),
        }  # fmt: skip
        for scope, owner in scopes.items():
            books[scope, owner, KINDS[one["kind"]], "count"] += one["leg"]
            books[scope, owner, KINDS[one["kind"]], "tiyn"] += one["leg"] * one["amount"]
        after.append({
            f"{scope}_{measure}_{unit}": books[scope, owner, measure, unit]
            for scope, owner in scopes.items() for measure in KINDS.values() for unit in ("count", "tiyn")
        })  # fmt: skip
    return after


def known(data: Cells) -> list[Any]:
    """All totals of all persons, organizers and years that the tests know."""
    asked = [(p, int(b), y) for p in range(3) for b in BINS for y in (2023, 2024, 2025, 2026)]
    persons = np.frombuffer(b"".join(map(person_key, range(3))), "<u8").reshape(-1, 2)
    owner, bins, years = (np.array(column) for column in zip(*asked, strict=True))
    return data.bases(persons, owner, bins, years).tolist()


@settings(deadline=None)
@given(POSTINGS, st.lists(st.integers(0, 1000), max_size=6))
def test_totals_after_each_posting_are_the_oracles_however_polls_are_cut(
    postings: list[dict[str, Any]], cuts: list[int]
) -> None:
    """Clause O9-4.6: growing totals, of the year and of all time."""
    run = Run()
    for poll in cut(postings, cuts):
        run.feed(poll)
    found = {record["cause_offset"]: record for record in run.written}
    assert len(run.written) == len(postings)
    for offset, expected in enumerate(oracle(postings)):
        assert {name: found[offset][name] for name in TOTALS_COLUMNS} == expected


@settings(deadline=None)
@given(POSTINGS, st.lists(st.integers(0, 1000), max_size=6))
def test_ledger_record_is_the_accepted_one_with_its_own_row_and_cause(
    postings: list[dict[str, Any]], cuts: list[int]
) -> None:
    run = Run()
    for poll in cut(postings, cuts):
        run.feed(poll)
    lanes: defaultdict[TopicPartition, list[int]] = defaultdict(list)
    for record in run.written:
        place = record["cause_offset"]
        before, source = accepted(place, postings[place]), run.source_of(postings[place]["person"])
        lineage = ("topic", "partition", "offset")
        assert [record[f"origin_{part}"] for part in lineage] == [before[f"cause_{part}"] for part in lineage]
        assert (record["cause_topic"], record["cause_partition"]) == source
        assert record["output"] == TopicPartition("ledger", source.partition)
        assert record["key"] == person_key(postings[place]["person"])
        own = {"row", *(f"cause_{part}" for part in lineage)}
        assert {name: record[name] for name in before if name not in own} == {
            name: value for name, value in before.items() if name not in own
        }
        lanes[record["output"]].append(record["row"])
    assert all(rows == list(range(1, len(rows) + 1)) for rows in lanes.values())


@settings(deadline=None)
@given(POSTINGS, st.lists(st.integers(0, 1000), max_size=6), st.integers(1, 7))
def test_any_prefix_of_the_changelog_compacted_or_not_restores_the_state_of_that_poll(
    postings: list[dict[str, Any]], cuts: list[int], chunk: int
) -> None:
    run = Run()
    for poll in cut(postings, cuts):
        run.feed(poll)
        for source, log in run.changelog.items():
            latest = {key: place for place, (key, _) in enumerate(log)}
            for records in (log, [log[place] for place in sorted(latest.values())]):
                data = run.stage.empty(source)
                for start in range(0, len(records), chunk):
                    keys, values = zip(*records[start : start + chunk], strict=True)
                    run.stage.restore(data, keys, values)
                assert known(data) == known(run.states[source].data)


@settings(deadline=None)
@given(POSTINGS, st.lists(st.integers(0, 1000), max_size=3))
def test_process_changes_nothing(postings: list[dict[str, Any]], cuts: list[int]) -> None:
    run = Run()
    for poll in cut(postings, cuts):
        batches = run.batches(poll)
        before = {source: known(state.data) for source, state in run.states.items()}
        first, second = run.stage.process(batches, run.states), run.stage.process(batches, run.states)
        assert first.outputs == second.outputs
        assert first.changelog == second.changelog
        assert first.positions == second.positions
        assert {source: known(state.data) for source, state in run.states.items()} == before
        run.feed(poll)


def posting(**changes: Any) -> dict[str, Any]:
    base = {"person": 0, "organizer_bin": BINS[0], "kind": ("WAGER", None), "leg": 1, "amount": 100}
    return {**base, "occurred_at": MIDNIGHT, **changes}


@pytest.mark.parametrize("leg", [1, -1])
def test_total_beyond_its_range_stops_the_stage_and_names_the_record_not_the_person(leg: int) -> None:
    run = Run()
    cell = np.zeros(1, CELL_KEY)
    cell["bin"], cell["year"] = int(BINS[1]), 2020  # Another organizer and year: only the person's total is near it.
    run.states[run.source_of(0)].data.put(cell, np.full((1, WIDTH), leg * (SUM_TIYN_MAX - 250), np.int64))
    run.feed([(0, posting(leg=leg)), (2, posting(leg=leg))])
    with pytest.raises(TotalsOverflow) as caught:
        run.feed([(4, posting(leg=leg, amount=50)), (6, posting(leg=leg, amount=1)), (7, posting(leg=leg))])
    assert "accepted/0 offset 6" in str(caught.value)
    assert IINS[0] not in str(caught.value)


def test_amount_that_no_bet_has_stops_the_stage() -> None:
    with pytest.raises(TotalsOverflow, match="accepted/1 offset 5"):
        Run().feed([(4, posting()), (5, posting(person=1, amount=AMOUNT_TIYN_MAX + 1))])


@pytest.mark.parametrize("change", [{"kind": ("PAYOUT", None)}, {"organizer_bin": "94014000038X"}])
def test_posting_that_belongs_to_no_total_stops_the_stage(change: dict[str, Any]) -> None:
    with pytest.raises(InvariantBroken, match="accepted/0 offset 5"):
        Run().feed([(4, posting()), (5, posting(**change))])


def test_columns_are_the_last_ones_of_the_ledger_in_its_order() -> None:
    assert LEDGER.fields[-len(TOTALS_COLUMNS) :] == TOTALS_COLUMNS
