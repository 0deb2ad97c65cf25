"""Corrections: what they make of the books, against the truth they tell and against a naive intake of one at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.stream_apps.intake import settlement
from tests.stream_apps.intake.made_up import (
    IIN,
    NOW,
    YOUNG_IIN,
    Line,
    batch,
    correction,
    message,
    payout,
    source_of,
    values,
    wager,
)
from tests.support.examples import examples

LAST_YEAR = datetime(2025, 12, 31, 18, tzinfo=UTC)
Record = dict[str, Any]
Values = dict[str, Any] | None
UNSIGNED = set(values(wager())) - {"amount_tiyn", "won_tiyn"}


def run(records: list[Record], cuts: list[int]) -> Line:
    """Send the records in this order, in polls that end at the cuts."""
    line, done = Line(), 0
    for end in [*sorted(cuts), len(records)]:
        if end > done:
            line.poll(batch(source_of(), [message(one) for one in records[done:end]], 2 * done))
            done = end
    return line


def booked(postings: list[Record]) -> Counter[tuple[Any, ...]]:
    """What the books say in the end: sums and counts per person, kind and Almaty year."""
    sums: Counter[tuple[Any, ...]] = Counter()
    for one in postings:
        year = (one["occurred_at"] + timedelta(hours=5)).year
        for name, value in (("count", one.get("leg", 1)), ("tiyn", one["amount_tiyn"]), ("won", one["won_tiyn"] or 0)):
            sums[one["iin"], one["event_type"], one["kind"], year, name] += value
    return Counter({key: value for key, value in sums.items() if value})


EVENT = st.builds(
    lambda make, iin, at, amount: make(
        **{"iin": iin, "amount_tiyn": amount, "occurred_at": at} | ({"won_tiyn": 1} if make is payout else {})
        | ({"wager_occurred_at": at} if make is payout else {})
    ),
    st.sampled_from([wager, payout]), st.sampled_from([IIN, YOUNG_IIN]),
    st.sampled_from([NOW - timedelta(minutes=1), LAST_YEAR]), st.sampled_from([500_00, 700_00, 10**13]),
)  # fmt: skip


@dataclass
class History:
    """A stream as an organizer wrote it: events, some of them refused at first, and true corrections of them."""

    records: list[Record] = field(default_factory=list)
    truth: dict[int, Values] = field(default_factory=dict)
    refused: int = 0


@st.composite
def histories(draw: st.DrawFn) -> History:
    history = History()
    revisions: Counter[int] = Counter()
    for sequence in range(1, draw(st.integers(1, 9)) + 1):
        event = draw(EVENT)
        if history.truth and draw(st.booleans()):
            target = draw(st.sampled_from(sorted(history.truth)))
            was = history.truth[target]
            now = draw(st.sampled_from([values(event), None] if was else [values(event)]))
            change = {"was": was, "now": now, "replaces_revision": revisions[target]}
            history.records.append(correction(sequence=sequence, target_sequence=target, **change))
            history.truth[target] = now
            revisions[target] += 1
            continue
        is_refused = draw(st.integers(0, 4)) == 0
        history.records.append({**event, "sequence": sequence} | ({"wager_id": ""} if is_refused else {}))
        history.truth[sequence] = None if is_refused else values(event)
        history.refused += is_refused
    return history


@settings(deadline=None, max_examples=examples(40))
@given(histories(), st.data())
def test_books_are_as_if_all_had_been_right_from_the_start_in_whatever_order_it_came(
    history: History, data: st.DataObject
) -> None:
    records = data.draw(st.permutations(history.records))
    line = run(records, data.draw(st.lists(st.integers(0, len(records)), max_size=4)))
    assert len(line.codes()) == history.refused
    assert booked(line.records("accepted")) == booked([one for one in history.truth.values() if one])
    (stream,) = line.states[source_of()].data.values()
    assert not stream.held
    assert stream.accepted == len(records) - history.refused


@settings(deadline=None, max_examples=examples(30))
@given(histories(), st.data())
def test_history_shows_both_what_was_and_what_is(history: History, data: st.DataObject) -> None:
    """Each posting that takes back equals the one that it takes back but for its sign, and comes after it."""
    line = run(data.draw(st.permutations(history.records)), [])
    in_force: dict[str, Record] = {}
    postings = line.records("accepted")
    for one in sorted(postings, key=lambda posting: (posting["entry_id"], posting["revision"], posting["leg"])):
        if one["leg"] == 1:
            assert one["entry_id"] not in in_force
            in_force[one["entry_id"]] = one
        else:
            taken = in_force.pop(one["entry_id"])
            assert {name: one[name] for name in UNSIGNED} == {name: taken[name] for name in UNSIGNED}
            assert one["amount_tiyn"] == -taken["amount_tiyn"]
            assert one["revision"] > taken["revision"]
    identities = [(one["entry_id"], one["revision"], one["leg"]) for one in postings]
    assert len(set(identities)) == len(identities)


# Corrections that are wrong in every way, against dicts.

POOL = [wager(), wager(amount_tiyn=700_00), wager(iin=YOUNG_IIN), payout()]
SIDES = st.sampled_from([None, *(values(one) for one in POOL)])


@st.composite
def wild(draw: st.DrawFn) -> Record:
    sequence = draw(st.integers(1, 6))
    if draw(st.integers(0, 2)):
        record = draw(st.sampled_from([*POOL, wager(wager_id="")]))
        return {**record, "sequence": sequence}
    return correction(
        sequence=sequence, target_sequence=draw(st.integers(1, 6)), replaces_revision=draw(st.integers(0, 2)),
        was=draw(SIDES), now=draw(SIDES),
    )  # fmt: skip


@dataclass
class Naive:
    """Intake of one stream as the design says it, one message at a time."""

    bodies: dict[int, Record] = field(default_factory=dict)
    in_force: dict[int, list[Values]] = field(default_factory=dict)
    held: dict[int, tuple[int, Record]] = field(default_factory=dict)
    outcome: dict[int, str] = field(default_factory=dict)

    def take(self, place: int, record: Record) -> None:
        sequence = record["sequence"]
        if sequence in self.bodies:
            self.outcome[place] = "DUPLICATE" if self.bodies[sequence] == record else "SEQUENCE_CONFLICT"
            return
        self.bodies[sequence] = record
        if "reason" in record:
            self.outcome[place] = self.verdict(record) or "HELD"
            if self.outcome[place] == "HELD":
                self.held[sequence] = (place, record)
        else:
            is_refused = not record["wager_id"]
            self.in_force[sequence] = [None if is_refused else values(record)]
            self.outcome[place] = "WAGER_ID_INVALID" if is_refused else "ACCEPTED"
        while self.release():
            pass

    def release(self) -> bool:
        for sequence, (place, record) in sorted(self.held.items()):
            if verdict := self.verdict(record):
                self.outcome[place] = verdict
                del self.held[sequence]
                return True
        return False

    def verdict(self, record: Record) -> str | None:  # noqa: PLR0911 - one line per case of the design
        """Return what becomes of a correction, None while it has to wait; book it if it passes."""
        target, sequence, replaces = record["target_sequence"], record["sequence"], record["replaces_revision"]
        if target >= sequence:
            return "CORRECTION_TARGET_INVALID"
        if record["was"] is None and record["now"] is None:
            return "CORRECTION_EMPTY"
        if target not in self.bodies:
            return None
        if target not in self.in_force:
            return "CORRECTION_OF_CORRECTION"
        known = self.in_force[target]
        if replaces + 1 < len(known):
            return "DUPLICATE" if known[replaces + 1] == record["now"] else "CORRECTION_CONFLICT"
        if replaces + 1 > len(known):
            gap = any(number not in self.bodies for number in range(target + 1, sequence))
            return None if gap else "CORRECTION_REVISION_UNKNOWN"
        if known[-1] != record["was"]:
            return "CORRECTION_MISMATCH"
        known.append(record["now"])
        return "ACCEPTED"


@settings(deadline=None, max_examples=examples(80))
@given(st.lists(wild(), min_size=1, max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_verdicts_on_corrections_are_those_of_one_message_at_a_time(records: list[Record], cuts: list[int]) -> None:
    naive = Naive()
    for place, record in enumerate(records):
        naive.take(place, record)
    line = run(records, [cut for cut in cuts if cut < len(records)])
    found = {reject["cause_offset"] // 2: reject["reject_code"] for reject in line.records("rejected")}
    for posting in line.records("accepted"):
        found[posting["cause_offset"] // 2] = "ACCEPTED"
    told = {place: outcome for place, outcome in naive.outcome.items() if outcome not in {"DUPLICATE", "HELD"}}
    assert found == told
    assert booked(line.records("accepted")) == booked([known[-1] for known in naive.in_force.values() if known[-1]])
    (stream,) = line.states[source_of()].data.values()
    assert sorted(stream.held) == sorted(naive.held)
    counts = Counter(
        outcome if outcome in {"ACCEPTED", "DUPLICATE", "HELD"} else "REJECTED" for outcome in naive.outcome.values()
    )
    assert (stream.accepted, stream.rejected, stream.duplicates, len(stream.held)) == (
        counts["ACCEPTED"], counts["REJECTED"], counts["DUPLICATE"], counts["HELD"],
    )  # fmt: skip


@settings(deadline=None, max_examples=examples(30))
@given(st.lists(wild(), min_size=1, max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_cuts_change_nothing_and_the_changelog_is_the_state(records: list[Record], cuts: list[int]) -> None:
    whole, cut = run(records, []), run(records, [cut for cut in cuts if cut < len(records)])
    for topic in ("accepted", "rejected"):
        assert whole.records(topic) == cut.records(topic)
    assert whole.states[source_of()].data == cut.states[source_of()].data
    for line in (whole, cut):
        restored = line.stage.empty(source_of())
        line.stage.restore(restored, *map(list, zip(*line.changelogs[source_of()], strict=True)))
        assert restored == line.states[source_of()].data


@settings(deadline=None, max_examples=examples(30))
@given(st.lists(wild(), min_size=1, max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_receipts_count_every_message_once_when_it_comes_and_tell_every_end_of_a_wait(
    records: list[Record], cuts: list[int]
) -> None:
    line = run(records, [cut for cut in cuts if cut < len(records)])
    contents = line.receipts()
    for content in contents:
        ends = content["accepted_count"] + content["duplicate_count"] + content["held_count"] + len(content["rejects"])
        assert ends == content["through_offset"] // 2 - (content["from_offset"] + 1) // 2 + 1
    settled = [one for content in contents for one in content["settled"]]
    (stream,) = line.states[source_of()].data.values()
    assert sum(content["held_count"] for content in contents) == len(settled) + len(stream.held)
    last = contents[-1]["streams"][0] if contents[-1]["streams"] else None
    assert last is None or last["held_count"] == len(stream.held)
    refused = Counter(one["outcome"] for one in settled if one["outcome"] not in {"ACCEPTED", "DUPLICATE"})
    at_once = Counter(one["reject_code"] for content in contents for one in content["rejects"])
    assert refused + at_once == Counter(line.codes())


def test_only_so_many_corrections_wait_and_the_others_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement, "HELD_MAX", 3)
    line = Line()
    line.take(*(message(correction(sequence=number, replaces_revision=0)) for number in range(3, 8)))
    assert line.codes() == ["CORRECTION_NOT_HELD"] * 2
    line.take(message(wager()))
    outcomes = [one["outcome"] for one in line.receipts()[1]["settled"]]
    assert outcomes == ["ACCEPTED", "DUPLICATE", "DUPLICATE"]


def test_person_whose_number_was_wrong_loses_the_bet_and_the_right_one_gets_it() -> None:
    line = Line()
    line.take(message(wager()), message(correction(now=values(wager(iin=YOUNG_IIN)))))
    postings = {(one["iin"], one["leg"], one["amount_tiyn"]) for one in line.records("accepted")}
    assert postings == {(IIN, 1, 500_00), (IIN, -1, -500_00), (YOUNG_IIN, 1, 500_00)}
