"""The stage alerts against brute force: every window of every posting, over the whole set, with nothing clever."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codec import decode_one, encode_one
from esep.errors import InvariantBroken
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.stream_apps.alerts.columns import slots_of
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.alerts.state import AlertsData
from esep.stream_apps.stage import PartitionState, Write
from tests.support.examples import examples
from tests.support.stage_run import ASIDE, BINS, IINS, PARTITIONS, StageRun, cut, person_key

ALERT, LEDGER = schema("alert"), schema("ledger")
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
THRESHOLD = 100_000_000
NOW_MS = int(datetime(2026, 3, 10, 19, tzinfo=UTC).timestamp() * 1000)  # Midnight in Almaty.


class Posting(NamedTuple):
    person: int
    organizer: int
    sequence: int
    revision: int
    leg: int
    amount: int
    occurred_ms: int
    kind: str = "WINNING"

    @property
    def entry_id(self) -> str:
        return f"{BINS[self.organizer]}/desk-1/{self.sequence}"


class Arrival(NamedTuple):
    posting: Posting
    received_ms: int


AMOUNTS = st.sampled_from(
    [THRESHOLD, THRESHOLD + 1, THRESHOLD - 1, THRESHOLD // 2, THRESHOLD // 2 - 1, THRESHOLD // 3, 1]
)
INSTANTS = st.sampled_from([0, 1, 2, HOUR_MS, DAY_MS // 2, DAY_MS - 1, DAY_MS, DAY_MS + 1, -1]).flatmap(
    lambda ms: st.sampled_from([NOW_MS - 5 * DAY_MS + ms, NOW_MS - 6 * DAY_MS + ms])
)
KINDS = st.sampled_from(["WINNING"] * 5 + ["REFUND"])


@st.composite
def entries(draw: st.DrawFn) -> list[list[Posting]]:
    """Entries, each with its original and up to two corrections; a correction may move it to another person."""
    chains = []
    for sequence in range(draw(st.integers(1, 7))):
        organizer = draw(st.integers(0, 2))
        now: Posting | None = None
        chain: list[Posting] = []
        for revision in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
            if now is not None:
                chain.append(now._replace(revision=revision, leg=-1, amount=-now.amount))
            now = None
            if revision == 0 or draw(st.booleans()):
                now = Posting(
                    draw(st.sampled_from([0, 0, 0, 1, 2])), organizer, sequence, revision, 1,
                    draw(AMOUNTS), draw(INSTANTS), draw(KINDS),
                )  # fmt: skip
                chain.append(now)
        chains.append(chain)
    return chains


@st.composite
def arrivals_in_any_order(draw: st.DrawFn) -> list[Arrival]:
    postings = [posting for chain in draw(entries()) for posting in chain]
    return [Arrival(posting, NOW_MS) for posting in draw(st.permutations(postings))]


@st.composite
def arrivals_over_months(draw: st.DrawFn, late_days_max: int = 40) -> list[Arrival]:
    """Postings while the clock goes on for months, none later than that; some are taken back or moved."""
    clock, sequence, arrivals = NOW_MS, 0, []
    in_force: list[Posting] = []
    while sequence < 12 and draw(st.integers(0, 9)):
        clock += draw(st.sampled_from([0, 1, HOUR_MS, DAY_MS, 20 * DAY_MS, 50 * DAY_MS]))
        received_ms = clock - draw(st.sampled_from([0, 0, HOUR_MS, (late_days_max - 40) * DAY_MS]))  # Not in order.
        late = draw(st.sampled_from([0, 1, HOUR_MS, DAY_MS - 1, DAY_MS, (late_days_max - 1) * DAY_MS]))
        now = Posting(draw(st.integers(0, 1)), 0, sequence, 0, 1, draw(AMOUNTS), clock - late)
        back = [one for one in in_force if clock - one.occurred_ms < late_days_max * DAY_MS]
        if back and draw(st.booleans()):
            was = draw(st.sampled_from(back))
            in_force.remove(was)
            revision = was.revision + 1
            arrivals.append(Arrival(was._replace(revision=revision, leg=-1, amount=-was.amount), received_ms))
            now = now._replace(sequence=was.sequence, revision=revision)
            if draw(st.booleans()):
                continue
        sequence += 1
        in_force.append(now)
        arrivals.append(Arrival(now, received_ms))
    return arrivals or [Arrival(Posting(0, 0, 0, 0, 1, THRESHOLD, clock), clock)]


ANY_ARRIVALS = st.one_of(arrivals_in_any_order(), arrivals_over_months(), arrivals_over_months(60))


def ledger_record(posting: Posting, received_ms: int, offset: int) -> dict[str, Any]:
    totals = {name: 0 for name in LEDGER.fields if name.startswith(("person_", "organizer_year", "organizer_ever"))}
    wager = posting.kind == "WAGER"
    return {
        **totals, **ASIDE, "row": offset + 1, "received_at": received_ms, "cause_topic": "accepted",
        "cause_partition": 0, "cause_offset": offset, "origin_topic": f"organizer.{BINS[posting.organizer]}.events",
        "origin_partition": 0, "origin_offset": offset, "entry_id": posting.entry_id, "revision": posting.revision,
        "leg": posting.leg, "event_type": "WAGER" if wager else "PAYOUT", "organizer_bin": BINS[posting.organizer],
        "sequence": posting.sequence, "iin": IINS[posting.person], "wager_id": f"w-{posting.sequence}",
        "occurred_at": posting.occurred_ms, "amount_tiyn": posting.amount, "selections": [],
        "kind": None if wager else posting.kind,
    }  # fmt: skip


@dataclass
class Run(StageRun[AlertsData, Arrival]):
    """Keeps the messages with alerts."""

    stage: AlertsStage = field(default_factory=AlertsStage)
    messages: dict[TopicPartition, list[tuple[bytes, bytes, list[tuple[str, bytes]]]]] = field(default_factory=dict)

    def person_of(self, posting: Arrival) -> int:
        return posting.posting.person

    def message_of(self, offset: int, posting: Arrival) -> bytes:
        return encode_one(ledger_record(*posting, offset), LEDGER)

    def keep(self, write: Write) -> None:
        assert write.headers is not None
        triples = zip(write.keys, write.values, write.headers, strict=True)
        self.messages.setdefault(write.target, []).extend(triples)  # type: ignore[arg-type]

    def records(self) -> list[dict[str, Any]]:
        """Every alert record, in the order of writing within each partition."""
        return [
            {"output": output, "key": key, **decode_one(value, ALERT)}
            for output, messages in sorted(self.messages.items())
            for key, value, _ in messages
        ]

    def standing(self) -> dict[tuple[str, int, str], Any]:
        """What is open after all: (rule, person, bucket) to evidence and observations."""
        latest = {record["alert_id"]: record for record in self.records()}
        return {
            (record["rule_id"], IINS.index(record["iin"]), record["bucket"]): (
                [
                    (one["entry_id"], one["revision"], one["leg"], ms(one["occurred_at"]), one["amount_tiyn"],
                     one["ledger_partition"], one["ledger_offset"]) for one in record["evidence"]
                ],
                [(one["value"], one["threshold"]) for one in record["observations"]],
            )
            for record in latest.values() if record["status"] != "WITHDRAWN"
        }  # fmt: skip


def ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def brute_force(arrivals: list[Arrival]) -> dict[tuple[str, int, str], Any]:
    """Return what must be open, from the set of postings; offsets are the places of arrival."""
    won = [(one.posting, offset) for offset, one in enumerate(arrivals) if one.posting.kind == "WINNING"]
    in_force = [
        (p, offset) for p, offset in won
        if p.leg == 1 and not any(
            q.leg == -1 and q.revision > p.revision and q[:3] == p[:3] and q.occurred_ms == p.occurred_ms
            and q.amount == -p.amount for q, _ in won
        )
    ]  # fmt: skip
    in_force.sort(key=lambda pair: (pair[0].occurred_ms, pair[0].entry_id, pair[0].revision, pair[0].leg))
    found: dict[tuple[str, int, str], Any] = {}
    for place, (last, offset) in enumerate(in_force):
        if last.amount >= THRESHOLD:
            alert, window = ("WIN_THRESHOLD", last.person, last.entry_id), [(last, offset)]
            observed = [(last.amount, THRESHOLD)]
        else:
            day = datetime.fromtimestamp(last.occurred_ms / 1000, ZoneInfo("Asia/Almaty")).date().isoformat()
            window = [
                (p, at) for p, at in in_force[: place + 1]
                if p.person == last.person and p.amount < THRESHOLD and p.occurred_ms > last.occurred_ms - DAY_MS
            ]  # fmt: skip
            total = sum(p.amount for p, _ in window)
            if total < THRESHOLD or len(window) < 2:
                continue
            alert, observed = ("WIN_STRUCTURED", last.person, day), [(total, THRESHOLD), (len(window), 2)]
        evidence = [
            (p.entry_id, p.revision, p.leg, p.occurred_ms, p.amount, p.person % PARTITIONS, at) for p, at in window
        ]
        found.setdefault(alert, (evidence, observed))
    return found


DAYS = np.arange(NOW_MS // DAY_MS - 60, NOW_MS // DAY_MS + 700)
PERSONS = np.frombuffer(b"".join(map(person_key, range(3))), "<u8").reshape(-1, 2)
SLOTS = slots_of(np.repeat(PERSONS, len(DAYS), axis=0), np.tile(DAYS, len(PERSONS)))


def known(data: AlertsData) -> Any:
    """All that a state holds, in an order of its own; bounds of what a person may reach decide nothing."""
    held = data.postings.of(SLOTS)
    kept = sorted(zip(held.slots.tolist(), held.postings(), strict=True))
    assert len(kept) == len(data.postings)
    entries = {
        key: entry._replace(legs=tuple(leg._replace(bits=0) for leg in entry.legs))
        for key, entry in data.entries.items()
    }
    return data.clock_ms, entries, data.alerts.copy(), kept


CUTS = st.lists(st.integers(0, 1000), max_size=8)


@settings(deadline=None)
@given(arrivals_in_any_order(), CUTS)
def test_open_alerts_are_those_of_brute_force_after_every_poll(arrivals: list[Arrival], cuts: list[int]) -> None:
    run, done = Run(), 0
    for poll in cut(arrivals, cuts):
        run.feed(poll)
        done += len(poll)
        assert run.standing() == brute_force(arrivals[:done])


@settings(deadline=None)
@given(arrivals_over_months(), CUTS)
def test_what_is_dropped_in_time_is_never_missed(arrivals: list[Arrival], cuts: list[int]) -> None:
    run = Run()
    for poll in cut(arrivals, cuts):
        run.feed(poll)
    assert run.standing() == brute_force(arrivals)


@settings(deadline=None)
@given(ANY_ARRIVALS, CUTS)
def test_cuts_decide_nothing_not_even_revisions(arrivals: list[Arrival], cuts: list[int]) -> None:
    whole, parts = Run(), Run()
    whole.feed(list(enumerate(arrivals)))
    for poll in cut(arrivals, cuts):
        parts.feed(poll)
    assert parts.messages == whole.messages


@settings(deadline=None, max_examples=examples(25))
@given(st.one_of(arrivals_in_any_order(), arrivals_over_months()), CUTS)
def test_revisions_and_rows_are_dense_and_statuses_follow_each_other(arrivals: list[Arrival], cuts: list[int]) -> None:
    run = Run()
    for poll in cut(arrivals, cuts):
        run.feed(poll)
    last: dict[str, tuple[int, str]] = {}
    rows: dict[TopicPartition, int] = {}
    for record in run.records():
        revision, status = last.get(record["alert_id"], (0, "WITHDRAWN"))
        assert record["revision"] == revision + 1
        assert record["status"] in ({"OPEN"} if status == "WITHDRAWN" else {"UPDATED", "WITHDRAWN"})
        last[record["alert_id"]] = record["revision"], record["status"]
        cause = arrivals[record["cause_offset"]].posting
        assert record["key"] == person_key(cause.person)
        assert record["iin"] == IINS[cause.person]
        assert (record["cause_topic"], record["cause_partition"]) == run.source_of(cause.person)
        assert record["output"] == TopicPartition("compliance.alerts", cause.person % PARTITIONS)
        assert record["row"] == rows.get(record["output"], 0) + 1
        rows[record["output"]] = record["row"]


@settings(deadline=None, max_examples=examples(25))
@given(ANY_ARRIVALS, CUTS, st.integers(1, 7))
def test_any_prefix_of_the_changelog_compacted_or_not_restores_the_state_of_that_poll(
    arrivals: list[Arrival], cuts: list[int], chunk: int
) -> None:
    run = Run()
    for poll in cut(arrivals, cuts):
        run.feed(poll)
        for source, log in run.changelog.items():
            latest = {key: place for place, (key, _) in enumerate(log)}
            compacted = [log[place] for place in sorted(latest.values())]
            for records in (log, compacted, [record for record in compacted if record[1] is not None]):
                data = run.stage.empty(source)
                for start in range(0, len(records), chunk):
                    keys, values = zip(*records[start : start + chunk], strict=True)
                    run.stage.restore(data, keys, values)
                assert known(data) == known(run.states[source].data)


@settings(deadline=None, max_examples=examples(25))
@given(ANY_ARRIVALS, CUTS, st.integers(0, 100))
def test_worker_that_restored_goes_on_as_if_nothing_had_happened(
    arrivals: list[Arrival], cuts: list[int], when: int
) -> None:
    run, again = Run(), Run()
    polls = cut(arrivals, cuts)
    for number, poll in enumerate(polls):
        run.feed(poll)
        if number == when % len(polls):
            for source, state in again.states.items():
                if again.changelog[source]:
                    data = again.stage.empty(source)
                    again.stage.restore(data, *map(list, zip(*again.changelog[source], strict=True)))
                    again.states[source] = PartitionState(state.position, data)
        again.feed(poll)
    assert again.messages == run.messages
    assert {s: known(state.data) for s, state in again.states.items()} == {
        s: known(state.data) for s, state in run.states.items()
    }


@settings(deadline=None, max_examples=examples(25))
@given(ANY_ARRIVALS, CUTS)
def test_process_changes_nothing(arrivals: list[Arrival], cuts: list[int]) -> None:
    run = Run()
    for poll in cut(arrivals, cuts):
        batches = run.batches(poll)
        before = {source: known(state.data) for source, state in run.states.items()}
        first, second = run.stage.process(batches, run.states), run.stage.process(batches, run.states)
        assert first.outputs == second.outputs
        assert first.changelog == second.changelog
        assert first.positions == second.positions
        assert {source: known(state.data) for source, state in run.states.items()} == before
        run.feed(poll)


def winning(sequence: int, amount: int, occurred_ms: int, **changes: Any) -> Arrival:
    return Arrival(Posting(0, sequence % 3, sequence, 0, 1, amount, occurred_ms)._replace(**changes), NOW_MS)


@pytest.mark.parametrize(
    ("amounts_and_instants", "rules"),
    [
        ([(THRESHOLD, 0)], ["WIN_THRESHOLD"]),
        ([(THRESHOLD - 1, 0)], []),
        ([(THRESHOLD - 1, 0), (1, 0)], ["WIN_STRUCTURED"]),
        ([(THRESHOLD - 1, 0), (1, DAY_MS - 1)], ["WIN_STRUCTURED"]),
        ([(THRESHOLD - 1, 0), (1, DAY_MS)], []),
        ([(THRESHOLD, 0), (THRESHOLD - 1, 0)], ["WIN_THRESHOLD"]),
        ([(THRESHOLD // 2, -1), (THRESHOLD // 2, 0), (THRESHOLD // 2, 1)], ["WIN_STRUCTURED"]),
    ],
)
def test_boundaries_of_sum_window_and_kind(amounts_and_instants: list[tuple[int, int]], rules: list[str]) -> None:
    """AML law 191-IV, Art. 4(1)(1): 1,000,000 tenge inclusive; a window is open at its far end."""
    run, start = Run(), NOW_MS - 5 * DAY_MS
    run.feed([
        (place, winning(place, amount, start + after)) for place, (amount, after) in enumerate(amounts_and_instants)
    ])  # fmt: skip
    assert sorted(record["rule_id"] for record in run.records()) == rules


def test_one_alert_per_almaty_day_is_told_apart_at_its_midnight() -> None:
    """NOW_MS is midnight in Almaty: the second payout falls on the day before it, the third on the day itself."""
    run, half, midnight = Run(), THRESHOLD // 2, NOW_MS - DAY_MS
    instants = [midnight - 2, midnight - 1, midnight, midnight + 1]
    run.feed([(place, winning(place, half, instant)) for place, instant in enumerate(instants)])
    assert [(record["bucket"], record["status"], len(record["evidence"])) for record in run.records()] == [
        ("2026-03-09", "OPEN", 2),
        ("2026-03-10", "OPEN", 3),
    ]


def test_alert_is_withdrawn_by_a_reversal_and_opened_again_as_a_further_revision() -> None:
    run, half, at = Run(), THRESHOLD // 2, NOW_MS - DAY_MS
    first, second, third = (winning(number, half, at + number) for number in range(3))
    taken = Arrival(second.posting._replace(revision=1, leg=-1, amount=-half), NOW_MS)
    run.feed([(0, first), (1, second), (2, taken), (3, third)])
    assert [(record["status"], record["revision"], len(record["evidence"])) for record in run.records()] == [
        ("OPEN", 1, 2), ("WITHDRAWN", 2, 0), ("OPEN", 3, 2),
    ]  # fmt: skip
    assert len({record["alert_id"] for record in run.records()}) == 1


def test_late_posting_that_moves_the_fulfilling_one_updates_the_alert() -> None:
    run, at = Run(), NOW_MS - DAY_MS
    run.feed([(0, winning(0, THRESHOLD // 2, at)), (1, winning(1, THRESHOLD // 2, at + HOUR_MS))])
    run.feed([(2, winning(2, 5, at + 1))])
    run.feed([(3, winning(3, 5, at + HOUR_MS + 1))])
    assert [(record["status"], [one["ledger_offset"] for one in record["evidence"]]) for record in run.records()] == [
        ("OPEN", [0, 1]), ("UPDATED", [0, 2, 1]),
    ]  # fmt: skip


@pytest.mark.parametrize(("days_late", "rules"), [(44, ["WIN_STRUCTURED", "WIN_THRESHOLD"]), (470, ["WIN_THRESHOLD"])])
def test_late_million_is_still_told_and_a_late_window_left_to_the_nightly_run(days_late: int, rules: list[str]) -> None:
    run, at = Run(), NOW_MS - days_late * DAY_MS
    run.feed([(0, winning(0, THRESHOLD // 2, at)), (1, winning(1, THRESHOLD // 2, at)), (2, winning(2, THRESHOLD, at))])
    assert sorted(record["rule_id"] for record in run.records()) == rules


@pytest.mark.parametrize("days_between", [0, 45])
def test_late_million_is_withdrawn_where_it_is_taken_back_within_45_days_of_its_arrival(days_between: int) -> None:
    run = Run()
    told = winning(0, THRESHOLD, NOW_MS - 470 * DAY_MS)
    taken = Arrival(told.posting._replace(revision=1, leg=-1, amount=-THRESHOLD), NOW_MS + days_between * DAY_MS)
    run.feed([(0, told)])
    run.feed([(1, taken)])
    assert [(record["status"], record["revision"]) for record in run.records()] == [("OPEN", 1), ("WITHDRAWN", 2)]


@pytest.mark.parametrize("cuts", [[], [1, 2, 3, 4]])
def test_million_taken_back_after_months_is_left_to_the_nightly_run_however_polls_are_cut(cuts: list[int]) -> None:
    later, run = NOW_MS + 60 * DAY_MS, Run()
    told = winning(0, THRESHOLD, NOW_MS)
    clock = Arrival(winning(1, 5, later, kind="REFUND").posting, later)
    taken = Arrival(told.posting._replace(revision=1, leg=-1, amount=-THRESHOLD), later)
    right = Arrival(told.posting._replace(revision=1, amount=THRESHOLD + 1), later)
    for poll in cut([told, clock, taken, clock, right], cuts):
        run.feed(poll)
    assert [(record["status"], record["revision"]) for record in run.records()] == [("OPEN", 1)]


def test_million_that_comes_late_by_a_correction_is_told_at_once() -> None:
    """What was refused and put right, or booked on another person, was never told before."""
    later, run = NOW_MS + 60 * DAY_MS, Run()
    run.feed([(0, Arrival(winning(0, THRESHOLD, NOW_MS).posting._replace(revision=1), later))])
    assert [(record["status"], record["revision"]) for record in run.records()] == [("OPEN", 1)]


@pytest.mark.parametrize(("clock_ms", "rules"), [(-1, ["WIN_STRUCTURED"]), (0, [])])
def test_almaty_day_is_closed_once_it_began_45_days_before_the_clock(clock_ms: int, rules: list[str]) -> None:
    """NOW_MS is midnight in Almaty; the clock is the latest received_at so far, in the same poll or before."""
    for together in (True, False):
        run, half, at = Run(), THRESHOLD // 2, NOW_MS + 23 * HOUR_MS
        clock = Arrival(winning(0, 5, NOW_MS, kind="REFUND").posting, NOW_MS + 45 * DAY_MS + clock_ms)
        arrivals = [(0, clock), (1, winning(1, half, at)), (2, winning(2, half, at))]
        for poll in [arrivals] if together else [[arrival] for arrival in arrivals]:
            run.feed(poll)
        assert [record["rule_id"] for record in run.records()] == rules


def test_state_forgets_after_46_days_and_ends_what_it_wrote() -> None:
    run = Run()
    later = NOW_MS + 48 * DAY_MS
    run.feed(
        [
            (0, winning(0, THRESHOLD // 2, NOW_MS)),
            (1, winning(1, THRESHOLD // 2, NOW_MS)),
            (2, winning(2, THRESHOLD, NOW_MS)),
        ]
    )
    run.feed([(3, Arrival(Posting(0, 0, 3, 0, 1, 7, later, "REFUND"), later))])
    run.feed([(4, Arrival(Posting(0, 0, 4, 0, 1, 7, later, "REFUND"), later))])
    data = run.states[run.source_of(0)].data
    assert (len(data.postings), data.entries, data.alerts) == (0, {}, {})
    latest = dict(run.changelog[run.source_of(0)])
    assert [key for key, value in latest.items() if value is not None] == [b"c"]


def test_posting_whose_amount_contradicts_its_leg_stops_the_stage() -> None:
    with pytest.raises(InvariantBroken, match="ledger/0 offset 5"):
        Run().feed([(4, winning(0, 5, NOW_MS)), (5, winning(1, 5, NOW_MS, leg=-1))])
