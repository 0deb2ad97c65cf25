"""Postings on their way to those who look at means of payment: each once, in order, however the ledger is cut."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codec import HEADER_BYTES, wire_header
from esep.lineage import Position, TopicPartition
from esep.partitioner import partition_of
from esep.rules import load_rules, parse_rules
from esep.schemas import schema
from esep.stream_apps.alerts.instruments import instrument_key
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.stage import PartitionState
from esep.topics import INSTRUMENTS, LEDGER
from esep.versions import decode_record
from tests.support.examples import examples
from tests.support.rule_histories import (
    DAY_MS,
    HOME,
    REACHABLE,
    REACHABLE_TEXT,
    Arrival,
    RuleRun,
    histories,
    placed,
)
from tests.support.stage_run import PARTITIONS, cut

if TYPE_CHECKING:
    from esep.stream_apps.stage import Write

RECORD = "instrument_posting"
CUTS = st.lists(st.integers(0, 1000), max_size=3)
Lanes = dict[tuple[int, int], list[dict[str, Any]]]


@dataclass
class Kept(RuleRun):
    """Keeps what is written by means of payment, too. lanes: by partition of the ledger and of `alerts.instruments`."""

    lanes: Lanes = field(default_factory=lambda: defaultdict(list))
    headers: set[bytes] = field(default_factory=set)

    def keep(self, write: Write) -> None:
        super().keep(write)
        if write.target.topic == INSTRUMENTS:
            for key, value in zip(write.keys, write.values, strict=True):
                record = decode_record(value or b"", RECORD)
                assert key == instrument_key(record["instrument_hash"])
                assert write.target.partition == partition_of(key, PARTITIONS)
                self.headers.add((value or b"")[:HEADER_BYTES])
                self.lanes[record["cause_partition"], write.target.partition].append(record)


def written(arrivals: list[Arrival], cuts: list[int]) -> Lanes:
    run = Kept()
    for poll in cut(arrivals, cuts):
        run.feed(poll)
    return run.lanes


@settings(max_examples=examples(12))
@given(histories(), CUTS)
def test_each_posting_with_a_means_of_payment_is_passed_on_once_whatever_the_cuts(
    arrivals: list[Arrival], cuts: list[int]
) -> None:
    """DESIGN §5: dense rows along each lane, in the order of the ledger; the cause names the posting."""
    lanes = written(arrivals, cuts)
    assert lanes == written(arrivals, [])
    for records in lanes.values():
        assert [one["row"] for one in records] == list(range(1, len(records) + 1))
        assert [one["cause_offset"] for one in records] == sorted(one["cause_offset"] for one in records)
    names = ("iin", "entry_id", "revision", "leg", "amount_tiyn", "instrument_hash", "wager_id", "flags", "odds_milli")
    passed_on = {(one["cause_partition"], one["cause_offset"]): one for records in lanes.values() for one in records}
    expected = {
        (one["ledger_partition"], one["ledger_offset"]): one for one in placed(arrivals) if one["instrument_hash"]
    }
    assert passed_on.keys() == expected.keys()
    for place, one in passed_on.items():
        assert [one[name] for name in names] == [expected[place][name] for name in names]
        bet_on = expected[place]["selections"]
        (market, outcome) = [None, None]
        if len(bet_on) == 1:
            event_id, market_id, outcome, _ = bet_on[0].values()
            market = f"{expected[place]['organizer_bin']}/{len(event_id.encode())}/{event_id}/{market_id}"
        assert (one["market"], one["outcome"]) == (market, outcome)


@settings(max_examples=examples(12))
@given(histories(), CUTS)
def test_stage_that_is_started_anew_goes_on_as_if_nothing_had_been(arrivals: list[Arrival], cuts: list[int]) -> None:
    """DESIGN §5: the state by means of payment is whole in its changelog."""
    through, before = RuleRun(), RuleRun()
    polls = cut(arrivals, cuts)
    for poll in polls:
        through.feed(poll)
    for poll in polls[: len(polls) // 2]:
        before.feed(poll)
    after = RuleRun(latest=before.latest)
    for source, records in before.changelog.items():
        data = after.stage.empty(source)
        after.stage.restore(data, [key for key, _ in records], [value for _, value in records])
        after.states[source] = PartitionState(before.states[source].position, data)
    for poll in polls[len(polls) // 2 :]:
        after.feed(poll)
    assert after.standing() == through.standing()


def test_nothing_is_passed_on_or_read_where_no_rule_is_about_means_of_payment() -> None:
    """A line without such rules does what it did, and needs no topic for them."""
    stage = AlertsStage(load_rules(), partitions=PARTITIONS)
    assert stage.inputs == (LEDGER,)
    assert AlertsStage(REACHABLE).inputs == (LEDGER, INSTRUMENTS)


def test_nothing_is_passed_on_from_before_the_rules_began() -> None:
    """A line that was given its rules later, and a replay of it from the beginning, write the same."""
    later = REACHABLE_TEXT
    for rule in REACHABLE.rules:
        if rule.subject == "instrument":
            written_since = f"    since: {rule.since}\n" if rule.since else ""
            name = f"  - rule: {rule.rule_id}\n"
            later = later.replace(name + written_since, name + "    since: 2026-03-20\n")
    arrivals = [
        Arrival({**_DEPOSIT, "entry_id": f"940140000385/desk-1/{day + 1}", "occurred_ms": at_ms}, at_ms)
        for day, at_ms in enumerate(range(_DEPOSIT["occurred_ms"], _DEPOSIT["occurred_ms"] + 20 * DAY_MS, DAY_MS))
    ]
    run = Kept(AlertsStage(parse_rules(later), partitions=PARTITIONS))
    run.feed(list(enumerate(arrivals)))
    (records,) = run.lanes.values()
    assert len(records) == 20 - 9
    source = TopicPartition(LEDGER, 0)
    assert run.states[source].position.rows[TopicPartition(INSTRUMENTS, _PARTITION)] == len(records)
    assert run.states[source].position != Position(0)


def test_records_are_those_of_the_first_version_where_no_rule_asks_for_a_market() -> None:
    """Decision 0018: a line whose rules are the old ones writes byte for byte what it did."""
    head, _, tail = REACHABLE_TEXT.partition("  - rule: OPPOSITE_BETS\n")
    without = parse_rules(head + f"  - rule: OPPOSITE_BETS\n{tail}".replace("mode: LIVE", "mode: SHADOW", 1))
    bet = {**_DEPOSIT, "event_type": "WAGER", "wager_id": "w1", "selections": [HOME]}
    arrivals = [Arrival({**bet, "entry_id": "940140000385/desk-1/1"}, bet["occurred_ms"])]
    for rules, version in ((without, 1), (REACHABLE, 2)):
        run = Kept(AlertsStage(rules, partitions=PARTITIONS))
        run.feed(list(enumerate(arrivals)))
        assert run.headers == {wire_header(schema(RECORD, version))}


_DEPOSIT = {
    "iin": "900101300007", "organizer_bin": "940140000385", "revision": 0, "leg": 1, "event_type": "DEPOSIT",
    "kind": None, "occurred_ms": 1_773_212_400_000, "amount_tiyn": 100_00, "odds_milli": None, "flags": 0,
    "instrument_hash": "ab" * 32, "wager_id": "",
}  # fmt: skip
_PARTITION = partition_of(instrument_key("ab" * 32), PARTITIONS)
