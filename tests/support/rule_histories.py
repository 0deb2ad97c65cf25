"""Generated histories of one or two persons, the stage's alerts for them, and the rules with thresholds within reach.

Reads     esep/rules.yaml
Returns   `REACHABLE`: all its rules, LIVE, with thresholds that short histories reach; `histories`: postings in the
          order of arrival; `alerts_of_stage`: what stands after all of them
Promises  nothing arrives later than the stream waits for; within that any order, ties and corrections included
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st

from esep.codec import decode, encode_one
from esep.lineage import Position, TopicPartition
from esep.rules import RULES_FILE, RuleSet, parse_rules
from esep.schemas import schema
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.alerts.state import AlertsData
from esep.stream_apps.stage import Batch, PartitionState
from esep.topics import INSTRUMENTS
from esep.versions import upgraded
from tests.support.stage_run import ASIDE, BINS, IINS, PARTITIONS, StageRun, cut

if TYPE_CHECKING:
    from esep.stream_apps.stage import Result, Write
    from tests.support.rule_oracle import Alerts, Posting

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
FROM_MS = int(datetime(2026, 3, 10, 19, tzinfo=UTC).timestamp() * 1000)  # Midnight in Almaty.
LATE_MS_MAX = 44 * DAY_MS
LEDGER = schema("ledger")
LOWERED = (  # What is counted in rules.yaml, and what short histories can reach.
    ("feature: wagers_at_night_6h, at_least: 20", "feature: wagers_at_night_6h, at_least: 2"),
    ("feature: winnings_just_below_30d, at_least: 3", "feature: winnings_just_below_30d, at_least: 2"),
    ("feature: instruments_30d, at_least: 3, w", "feature: instruments_30d, at_least: 2, w"),
    ("feature: organizers_24h, at_least: 3, w", "feature: organizers_24h, at_least: 2, w"),
    ("feature: instruments_30d, at_least: 5", "feature: instruments_30d, at_least: 2"),
    ("feature: instruments_7d, at_least: 5", "feature: instruments_7d, at_least: 2"),
    ("feature: instruments_30d, at_least: 10", "feature: instruments_30d, at_least: 3"),
    ("feature: organizers_1h, at_least: 4", "feature: organizers_1h, at_least: 2"),
    ("feature: organizers_24h, at_least: 6", "feature: organizers_24h, at_least: 3"),
    ("feature: staked_60min, at_least: 50_000_000", "feature: staked_60min, at_least: 40_000_000"),
    ("feature: staked_at_odds_24h, at_least: 100_000_000", "feature: staked_at_odds_24h, at_least: 40_000_000"),
    ("feature: persons_30d, at_least: 3", "feature: persons_30d, at_least: 2"),
    ("feature: persons_paid_30d, at_least: 11", "feature: persons_paid_30d, at_least: 2"),
    ("feature: persons_paid_24h, at_least: 11", "feature: persons_paid_24h, at_least: 2"),
    ("feature: persons_paid_30d, at_least: 51", "feature: persons_paid_30d, at_least: 3"),
)


SINCE = {
    "  - rule: WIN_THRESHOLD": "2026-03-11",
    "  - rule: WIN_STRUCTURED_SLOW": "2026-03-12",
    "  - rule: SHARED_INSTRUMENT": "2026-03-12",
}  # Histories begin here.


def _reachable() -> str:
    text = RULES_FILE.read_text("utf-8").replace("mode: SHADOW", "mode: LIVE")
    for given, lowered in (*LOWERED, *((rule, f"{rule}\n    since: {day}") for rule, day in SINCE.items())):
        assert text.count(given) == 1, given
        text = text.replace(given, lowered)
    return text


REACHABLE_TEXT = _reachable()
REACHABLE: RuleSet = parse_rules(REACHABLE_TEXT)


class Arrival(NamedTuple):
    """A posting, and when it came."""

    posting: Posting
    received_ms: int


def selection(event_id: str, market_id: str, outcome_id: str) -> dict[str, Any]:
    """Return what was bet on."""
    return {"event_id": event_id, "market_id": market_id, "outcome_id": outcome_id, "odds_milli": 2000}


LATE_MS = st.sampled_from([0, 0, 1, HOUR_MS, DAY_MS, 7 * DAY_MS, 20 * DAY_MS, LATE_MS_MAX])
FLAGS = st.sampled_from([0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 127])
BETS = st.sampled_from(["w1", "w1", "w2"])
PAYOUTS = ("WINNING", "REFUND", "CASH_OUT")


class Theme(NamedTuple):
    """What a history is mostly about, so that short ones come near the thresholds of some rule.

    persons: places in IINS. bet_on: what a wager may be on: no outcome that is told, one, or several.
    """

    kinds: tuple[str, ...]
    amounts: tuple[int, ...]
    steps_ms: tuple[int, ...]
    odds: tuple[int | None, ...] = (None, 1000, 1100, 1101, 2000, 2**31 - 1)
    persons: tuple[int, ...] = (0, 0, 0, 1)
    instruments: tuple[str | None, ...] = (None, "a" * 64, "b" * 64, "c" * 64)
    bet_on: tuple[tuple[dict[str, Any], ...], ...] = ((),)


SHORT_MS = (0, 0, 1, HOUR_MS - 1, HOUR_MS, HOUR_MS + 1, 6 * HOUR_MS - 1, 6 * HOUR_MS, DAY_MS - 1, DAY_MS, DAY_MS + 1)
LONG_MS = (
    *SHORT_MS, 7 * DAY_MS - 1, 7 * DAY_MS, 30 * DAY_MS - 1, 30 * DAY_MS, 45 * DAY_MS - 1, 45 * DAY_MS,
    90 * DAY_MS - 1, 90 * DAY_MS,
)  # fmt: skip
HOME, AWAY = selection("матч/1", "m", "1"), selection("матч/1", "m", "2")
TURNOVER = (50_000_000, 49_999_999, 45_000_000, 40_000_000)
THEMES = (
    Theme(("WAGER", "WAGER", *PAYOUTS, "DEPOSIT", "WITHDRAWAL"), (100_000_000, 50_000_000, 10_000_000, 1), LONG_MS),
    Theme(
        ("WINNING",), (100_000_000, 99_999_999, 90_000_000, 80_000_000, 79_999_999, 50_000_000, 33_333_334, 1), LONG_MS
    ),
    Theme(("WAGER", *PAYOUTS), TURNOVER, (0, 1, HOUR_MS - 1, HOUR_MS), (1000, 1100, 1101, 1200)),
    Theme(("WAGER", "WINNING"), (10_500_000, 10_499_999, 10_000_000, 105), LONG_MS, (1000, 1050, 2**31 - 1)),
    Theme(
        ("WAGER", "WAGER", "WAGER", "WINNING"),
        (10_000_000, 1),
        (0, 1, DAY_MS, 3 * DAY_MS, 7 * DAY_MS - 1, 7 * DAY_MS),
        persons=(0, 1, 2),
        instruments=("a" * 64, "a" * 64, "a" * 64, "b" * 64, None),
        # Names of two markets that differ in where the event's ends; a text of many bytes; a combined bet; none told.
        bet_on=(
            (HOME,),
            (HOME,),
            (AWAY,),
            (AWAY,),
            (selection("матч/1", "m", "X"),),
            (selection("матч", "1/m", "X"),),
            (HOME, AWAY),
            (),
        ),
    ),
    Theme(
        ("DEPOSIT", "DEPOSIT", "WITHDRAWAL", "WITHDRAWAL", "WINNING", "WAGER"),
        (25_000_000, 20_000_000, 19_999_999, 4_000_000),
        (0, 1, HOUR_MS, DAY_MS - 1),
        persons=(0, 0, 0, 0, 1),
        instruments=("a" * 64, "b" * 64, "c" * 64),
    ),
    Theme(
        ("DEPOSIT", "WITHDRAWAL", "WINNING"),
        (10_000_000, 10_000_001, 9_999_999),
        (0, 1, HOUR_MS, DAY_MS - 1, DAY_MS),
        persons=(0, 1, 2),
        instruments=("a" * 64, "a" * 64, "a" * 64, "b" * 64),
    ),
    Theme(
        ("WAGER", "WITHDRAWAL", "CASH_OUT"),
        (10_000_000, 9_999_999),
        (DAY_MS, *LONG_MS[-6:]),
        persons=(0, 1, 2),
        instruments=("a" * 64, "a" * 64, "a" * 64, "b" * 64),
    ),
)


@st.composite
def _chain(draw: st.DrawFn, sequence: int, near_ms: int, theme: Theme) -> list[Posting]:
    """Draw an entry with up to two corrections, which may change anything or move it to the other person."""
    chain: list[Posting] = []
    now: Posting | None = None
    organizer_bin = draw(st.sampled_from(BINS))
    for revision in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        if now is not None:
            # By the lists and registers as they are when the correction comes.
            taken_back = {"revision": revision, "leg": -1, "amount_tiyn": -now["amount_tiyn"], "flags": draw(FLAGS)}
            chain.append({**now, **taken_back})
        was, now = now, None
        if revision == 0 or draw(st.booleans()):
            kind = draw(st.sampled_from(theme.kinds))
            now = {
                "iin": IINS[draw(st.sampled_from(theme.persons))],
                "entry_id": f"{organizer_bin}/desk-1/{sequence}",
                "organizer_bin": organizer_bin,
                "revision": revision,
                "leg": 1,
                "event_type": "PAYOUT" if kind in PAYOUTS else kind,
                "kind": kind if kind in PAYOUTS else None,
                "occurred_ms": near_ms + draw(st.sampled_from([0, 0, 1])),
                "amount_tiyn": draw(st.sampled_from(theme.amounts)),
                "odds_milli": draw(st.sampled_from(theme.odds)) if kind == "WAGER" else None,
                "flags": draw(FLAGS),
                "instrument_hash": draw(st.sampled_from(theme.instruments)),
                "wager_id": "" if kind in {"DEPOSIT", "WITHDRAWAL"} else draw(BETS),
                "selections": list(draw(st.sampled_from(theme.bet_on))) if kind == "WAGER" else [],
            }
            if was is not None and draw(st.booleans()):  # Only one thing is put right.
                part = draw(st.sampled_from(["amount_tiyn", "iin", "instrument_hash", "selections"]))
                now = {**was, "revision": revision, part: now[part]}
            chain.append(now)
    return chain


@st.composite
def histories(draw: st.DrawFn, late_ms: st.SearchStrategy[int] = LATE_MS, *, in_turn: bool = False) -> list[Arrival]:
    """Draw postings in the order of their arrival. in_turn: an entry and its corrections one after the other."""
    theme = draw(st.sampled_from(THEMES))
    at_ms, arrivals = FROM_MS + draw(st.sampled_from([0, -1, 5 * HOUR_MS, 6 * HOUR_MS])), []
    for sequence in range(1, draw(st.integers(2, 9))):
        at_ms += draw(st.sampled_from(theme.steps_ms))
        chain = draw(_chain(sequence, at_ms, theme))
        received_ms = [posting["occurred_ms"] + draw(late_ms) for posting in chain]
        arrivals += map(Arrival, chain, sorted(received_ms) if in_turn else received_ms)
    if in_turn:
        return sorted(arrivals, key=lambda one: one.received_ms)
    return sorted(draw(st.permutations(arrivals)), key=lambda one: one.received_ms)


def placed(arrivals: list[Arrival]) -> list[Posting]:
    """Return the postings with their places in the ledger: partition by person, offset by arrival."""
    return [
        {
            **one.posting, "ledger_partition": _person(one.posting) % PARTITIONS, "ledger_offset": offset,
            "received_ms": one.received_ms,
        }
        for offset, one in enumerate(arrivals)
    ]  # fmt: skip


def own(posting: Posting, name: str | int) -> Posting:
    """Return a posting with person and means of payment of a name of their own."""
    instrument_hash = posting["instrument_hash"]
    named = None if instrument_hash is None else f"{name}/{instrument_hash}"
    return {**posting, "iin": f"{name}/{posting['iin']}", "instrument_hash": named}


def _person(posting: Posting) -> int:
    iin = posting["iin"].rpartition("/")[2]
    return IINS.index(iin) if iin in IINS else int(iin)


@dataclass
class RuleRun(StageRun[AlertsData, Arrival]):
    """The stage with these rules; keeps the last revision of each alert.

    What it writes by means of payment it reads at once after each poll.
    """

    stage: AlertsStage = field(default_factory=lambda: AlertsStage(REACHABLE, partitions=PARTITIONS))
    latest: dict[str, dict[str, Any]] = field(default_factory=dict)
    linked: list[Write] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        for source in (TopicPartition(topic, number) for topic in self.stage.inputs for number in range(PARTITIONS)):
            self.states.setdefault(source, PartitionState(Position(0), self.stage.empty(source)))
            self.changelog.setdefault(source, [])

    def feed(self, poll: list[tuple[int, Arrival]]) -> Result:
        result = super().feed(poll)
        linked, self.linked = self.linked, []
        if linked:
            self.process([self._batch(write) for write in linked])
        return result

    def _batch(self, write: Write) -> Batch:
        first = self.states[write.target].position.next_offset
        offsets = list(range(first, first + len(write.values)))
        return Batch(write.target, offsets, [0] * len(offsets), list(write.keys), list(write.values))

    def person_of(self, posting: Arrival) -> int:
        return _person(posting.posting)

    def message_of(self, offset: int, posting: Arrival) -> bytes:
        totals = {name: 0 for name in LEDGER.fields if name.startswith(("person_", "organizer_year", "organizer_ever"))}
        fields = {**posting.posting, "occurred_at": posting.posting["occurred_ms"]}
        del fields["occurred_ms"]
        return encode_one({
            **totals, **ASIDE, "row": offset + 1, "received_at": posting.received_ms, "cause_topic": "accepted",
            "cause_partition": 0, "cause_offset": offset, "origin_partition": 0, "origin_offset": offset,
            "origin_topic": f"organizer.{fields['organizer_bin']}.events", "selections": [],
            "sequence": int(fields["entry_id"].rpartition("/")[2]), **fields,
        }, LEDGER)  # fmt: skip

    def keep(self, write: Write) -> None:
        if write.target.topic == INSTRUMENTS:
            self.linked.append(write)
            return
        for record in upgraded(decode(write.values, frozenset({"alert"})).frames, "alert").to_dicts():
            self.latest[record["alert_id"]] = {**record, "alert_partition": write.target.partition}

    def standing(self) -> Alerts:
        """Return what is open after all."""
        return {
            (record["rule_id"], record["iin"] or record["instrument_hash"], record["bucket"]): (
                [
                    (one["entry_id"], one["revision"], one["leg"], round(one["occurred_at"].timestamp() * 1000),
                     one["amount_tiyn"], one["ledger_partition"], one["ledger_offset"], *iin)
                    for one, iin in zip_longest(record["evidence"], zip(record["evidence_iins"]), fillvalue=())
                ],
                [(one["name"], one["value"], one["threshold"]) for one in record["observations"]],
            )
            for record in self.latest.values() if record["status"] != "WITHDRAWN"
        }  # fmt: skip


def alerts_of_stage(arrivals: list[Arrival], cuts: list[int]) -> Alerts:
    """Return what the stage lets stand after all arrivals, in polls that begin at these places."""
    run = RuleRun()
    for poll in cut(arrivals, cuts):
        run.feed(poll)
    return run.standing()
