"""Stream and nightly run together end with the alerts of brute force, however late anything comes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from esep.rules import DAY_MS, RULES_FILE, parse_rules
from esep.settlements import Settlement
from esep.sinks.clickhouse.alerts.settling import Clock, clock_of
from esep.sinks.clickhouse.client import connect
from esep.stream_apps.alerts.stage import AlertsStage
from tests.support.examples import examples
from tests.support.night import Night, standing_after
from tests.support.rule_fixtures import FIXTURES
from tests.support.rule_histories import (
    FROM_MS,
    HOUR_MS,
    REACHABLE,
    REACHABLE_TEXT,
    Arrival,
    RuleRun,
    histories,
    own,
    placed,
)
from tests.support.rule_ledger import book, ledger_of
from tests.support.rule_oracle import alerts_of
from tests.support.stage_run import PARTITIONS, cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esep.embedded.clickhouse import ClickHouseServer
    from esep.rules import RuleSet
    from tests.support.rule_oracle import Alerts, Posting

pytestmark = pytest.mark.clickhouse
ENGINES = ("stream", "nightly")
WRITTEN = yaml.safe_load(REACHABLE_TEXT)
LIVE = parse_rules(RULES_FILE.read_text("utf-8").replace("mode: SHADOW", "mode: LIVE"))
FAR_MS = FROM_MS + 1_500 * DAY_MS
ANY_LATE_MS = st.sampled_from([0, 0, 0, HOUR_MS, 44 * DAY_MS, 46 * DAY_MS, 75 * DAY_MS, 130 * DAY_MS, 400 * DAY_MS])
MILLION = 1_000_000_00
APART = ("alert_id", "row", "revision", "status", "received_at", "reference_version", "alert_partition", "index")


def clocks(number: int) -> list[Arrival]:
    """Return a posting for each partition that lets the clock go on until all is closed."""
    return [
        Arrival(own(posting(9_000 + person, "WITHDRAWAL", 1, FAR_MS, iin=str(8 + person)), number), FAR_MS)
        for person in range(PARTITIONS)
    ]


def posting(sequence: int, kind: str, amount_tiyn: int, occurred_ms: int, **said: Any) -> Posting:
    return {
        "iin": "0", "entry_id": f"940140000385/desk-1/{sequence}", "organizer_bin": "940140000385", "revision": 0,
        "leg": 1, "event_type": kind if kind in {"WAGER", "WITHDRAWAL", "DEPOSIT"} else "PAYOUT",
        "kind": None if kind in {"WAGER", "WITHDRAWAL", "DEPOSIT"} else kind, "occurred_ms": occurred_ms,
        "amount_tiyn": amount_tiyn, "odds_milli": None, "flags": 0, "instrument_hash": None,
        "wager_id": "" if kind in {"WITHDRAWAL", "DEPOSIT"} else f"w{sequence}", **said,
    }  # fmt: skip


def million_paid_and_then(amount_tiyn: int | None) -> list[Arrival]:
    """Return a payout of a million and its correction after 46 days: to another amount, or taken back."""
    paid = posting(1, "WINNING", MILLION, FROM_MS)
    later = [{**paid, "revision": 1, "leg": -1, "amount_tiyn": -MILLION}]
    if amount_tiyn is not None:
        later.append({**paid, "revision": 1, "amount_tiyn": amount_tiyn})
    return [Arrival(paid, FROM_MS), *(Arrival(one, FROM_MS + 46 * DAY_MS) for one in later)]


@pytest.mark.timeout(7200)
def test_stream_and_nightly_run_end_with_the_alerts_of_brute_force(clickhouse: ClickHouseServer) -> None:
    """No limit of lateness: what the stage has closed the run raises, changes and withdraws, and says nothing twice."""
    ledger: list[Posting] = []
    records: list[dict[str, Any]] = []
    expected: Alerts = {}
    streamed: Alerts = {}
    number = 0

    @profile(deadline=None, max_examples=examples(60))
    @given(histories(ANY_LATE_MS, in_turn=True), st.lists(st.integers(0, 1000), max_size=2))
    @example(million_paid_and_then(2 * MILLION), [])
    @example(million_paid_and_then(None), [])
    @example([Arrival(posting(1, "WINNING", 500, FROM_MS), FROM_MS)], [])
    def meet_the_stage(arrivals: list[Arrival], cuts: list[int]) -> None:
        nonlocal number
        number += 1
        arrivals = [one._replace(posting=own(one.posting, number)) for one in arrivals] + clocks(number)
        run = RuleRun()
        for poll in cut(arrivals, cuts):
            run.feed(poll)
        postings = placed(arrivals)
        ledger.extend(postings)
        records.extend({**one, "alert_id": f"{number}/{name}"} for name, one in run.latest.items())
        streamed.update(run.standing())
        expected.update(alerts_of(WRITTEN, postings, ENGINES))

    meet_the_stage()
    with ledger_of(clickhouse, ledger) as settings:
        night = Night(settings, REACHABLE)
        night.load(records)
        news = night.news(Clock(FAR_MS, FAR_MS))
        after = standing_after(streamed, news)
        assert {key: after.get(key) for key in expected | after} == {key: expected.get(key) for key in expected | after}
        assert {(one.rule.rule_id, one.status) for one in news} >= {
            ("WIN_THRESHOLD", "UPDATED"), ("WIN_THRESHOLD", "WITHDRAWN"), ("PAYOUT_WITHOUT_WAGER", "OPEN"),
        }  # fmt: skip


PLACED = ("ledger_partition", "ledger_offset", "received_ms")
STRUCTURED = [(5, MILLION // 2), (6, MILLION // 2)]


def only(rule_id: str) -> RuleSet:
    return LIVE.model_copy(update={"rules": (LIVE.rule(rule_id),)})


def arrived(one: Posting, received_ms: int, offset: int) -> Posting:
    return {**one, "ledger_partition": 0, "ledger_offset": offset, "received_ms": received_ms}


def of_stage(postings: list[Posting], rules: RuleSet) -> RuleRun:
    """Return the stage after these postings have come."""
    run = RuleRun(AlertsStage(rules, partitions=PARTITIONS))
    run.feed([(one["ledger_offset"], Arrival(stripped(one), one["received_ms"])) for one in postings])
    return run


def stripped(one: Posting) -> Posting:
    return {name: value for name, value in one.items() if name not in PLACED}


@contextmanager
def night_of(clickhouse: ClickHouseServer, postings: list[Posting], rules: RuleSet) -> Iterator[Night]:
    """Give a night over these postings, and what the stage says of them."""
    with ledger_of(clickhouse, postings) as settings:
        night = Night(settings, rules)
        night.load(of_stage(postings, rules).latest.values())
        yield night


def come(night: Night, *postings: Posting) -> None:
    with connect(night.settings) as client:
        book(client, list(postings))


def told(records: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(one["rule_id"], one["status"], one["revision"]) for one in records]


def test_million_that_is_taken_back_after_46_days_is_withdrawn(clickhouse: ClickHouseServer) -> None:
    """AML law 191-IV, Art. 4(1)(1): the stage has forgotten what it said of the payout, and leaves it to the run."""
    paid = posting(1, "WINNING", MILLION, FROM_MS, wager_id="w1")
    staked = posting(2, "WAGER", 100, FROM_MS - 1, wager_id="w1")
    later_ms = FROM_MS + 46 * DAY_MS
    taken = {**paid, "revision": 1, "leg": -1, "amount_tiyn": -MILLION}
    postings = [arrived(staked, FROM_MS, 0), arrived(paid, FROM_MS, 1), arrived(taken, later_ms, 2)]
    with night_of(clickhouse, postings, only("WIN_THRESHOLD")) as night:
        (record,) = night.run(later_ms)
        assert told([record]) == [("WIN_THRESHOLD", "WITHDRAWN", 2)]
        assert (record["bucket"], record["iin"], record["evidence"]) == (paid["entry_id"], "0", [])
        assert record["reason_en"] == LIVE.withdrawn.en
        assert (record["cause_topic"], record["row"]) == ("compliance.settlements", 1)
        night.load([record])
        assert night.run(later_ms + 1) == []
        come(night, arrived({**paid, "revision": 2, "amount_tiyn": 2 * MILLION}, later_ms + DAY_MS, 3))
        (record,) = night.run(later_ms + 2 * DAY_MS)
        assert (told([record]), record["row"]) == ([("WIN_THRESHOLD", "OPEN", 3)], 2)


def test_entry_that_rests_on_a_flag_is_withdrawn_after_46_days_whatever_became_of_the_list(
    clickhouse: ClickHouseServer,
) -> None:
    """What takes back has the flags of its own receipt."""
    rule = LIVE.rule("RESTRICTED_PERSON")
    rules = LIVE.model_copy(update={"rules": (rule.model_copy(update={"bucket": "entry"}),)})
    staked = posting(1, "WAGER", 100, FROM_MS, flags=rule.event.flag_bits)
    later_ms = FROM_MS + 46 * DAY_MS
    taken = {**staked, "revision": 1, "leg": -1, "amount_tiyn": -100, "flags": 0}
    with night_of(clickhouse, [arrived(staked, FROM_MS, 0), arrived(taken, later_ms, 1)], rules) as night:
        assert told(night.run(later_ms)) == [(rule.rule_id, "WITHDRAWN", 2)]


def test_bucket_that_the_stage_may_decide_on_is_left_to_it(clickhouse: ClickHouseServer) -> None:
    """Nothing was said of the day, as if the stage were still to say it: the run does once the day is closed."""
    day_ms = FROM_MS + DAY_MS
    postings = [arrived(posting(n, "WINNING", tiyn, day_ms + n), day_ms + n, n) for n, tiyn in STRUCTURED]
    rules = only("WIN_STRUCTURED")
    with ledger_of(clickhouse, postings) as settings:
        night = Night(settings, rules)
        assert night.news(Clock(day_ms + 45 * DAY_MS - 1, day_ms + 45 * DAY_MS - 1)) == []
        (news,) = night.news(Clock(day_ms + 45 * DAY_MS, day_ms + 45 * DAY_MS))
        assert (news.status, news.bucket) == ("OPEN", "2026-03-12")


def test_payout_without_a_wager_is_told_after_a_week_and_withdrawn_when_the_wager_comes(
    clickhouse: ClickHouseServer,
) -> None:
    """O9-4.3: absence is asked about once what lacks could have come."""
    paid = arrived(posting(1, "WINNING", 500, FROM_MS, wager_id="w1"), FROM_MS, 0)
    with night_of(clickhouse, [paid], only("PAYOUT_WITHOUT_WAGER")) as night:
        assert night.run(FROM_MS + 7 * DAY_MS) == []
        (record,) = night.run(FROM_MS + 7 * DAY_MS + 1)
        assert told([record]) == [("PAYOUT_WITHOUT_WAGER", "OPEN", 1)]
        assert "5.00 tenge were paid" in record["reason_en"]
        night.load([record])
        staked = posting(2, "WAGER", 100, FROM_MS - HOUR_MS, wager_id="w1")
        come(night, arrived(staked, FROM_MS + 60 * DAY_MS, 1))
        (record,) = night.run(FROM_MS + 60 * DAY_MS)
        assert told([record]) == [("PAYOUT_WITHOUT_WAGER", "WITHDRAWN", 2)]


def test_late_event_is_settled_by_the_run_after_it_and_nobody_else_is_looked_at(clickhouse: ClickHouseServer) -> None:
    """Whoever had no new posting is not looked at: an alert that is missing there stays missing."""
    (_, half), _ = STRUCTURED
    first = [arrived(posting(n, "WINNING", half, FROM_MS + n, iin="1"), FROM_MS + n, n) for n in range(2)]
    own_half = arrived(posting(2, "WINNING", half, FROM_MS, iin="0"), FROM_MS, 2)
    rules = only("WIN_STRUCTURED")
    with ledger_of(clickhouse, [*first, own_half]) as settings:
        night = Night(settings, rules, Settlement(1, 0, FROM_MS + 50 * DAY_MS))
        assert night.run(FROM_MS + 60 * DAY_MS) == []
        come(night, arrived(posting(3, "WINNING", half, FROM_MS + 9, iin="0"), FROM_MS + 61 * DAY_MS, 3))
        assert [(one["status"], one["iin"]) for one in night.run(FROM_MS + 61 * DAY_MS)] == [("OPEN", "0")]


@pytest.mark.long  # In short: the property above, and tests/stream_apps/alerts/test_nightly.py.
def test_run_says_what_the_stage_would_have_said_word_for_word(clickhouse: ClickHouseServer) -> None:
    """Values behind `of`, and of conditions that do not hold, stand in texts, too (decision 0033)."""
    told_by_stage: dict[tuple[str, str, str], dict[str, Any]] = {}
    ledger: list[Posting] = []
    for fixture in FIXTURES:
        if not fixture.raises or LIVE.rule(fixture.rule_id).bucket == "entry":
            continue
        arrivals = [Arrival(one, one["occurred_ms"]) for one in fixture.postings]
        run = RuleRun(AlertsStage(LIVE, partitions=PARTITIONS))
        run.feed(list(enumerate(arrivals)))
        ledger += placed(arrivals)
        for record in run.latest.values():
            owner = record["iin"] or record["instrument_hash"]
            told_by_stage[record["rule_id"], owner, record["bucket"]] = record
    with ledger_of(clickhouse, ledger) as settings:
        records = Night(settings, LIVE).run(FAR_MS)
    assert {one["rule_id"] for one in records} >= {
        "WIN_STRUCTURED", "FAST_RETURN", "MANY_INSTRUMENTS", "FUNNEL_PAYOUT", "OPPOSITE_BETS", "DROPPER_SCORE",
    }  # fmt: skip
    by_run = {(one["rule_id"], one["iin"] or one["instrument_hash"], one["bucket"]): one for one in records}
    streamed = {rule.rule_id for rule in LIVE.rules if rule.live}
    assert {key: alike(one) for key, one in by_run.items() if key[0] in streamed} == {
        key: alike(one) for key, one in told_by_stage.items() if key[0] != "WIN_THRESHOLD"
    }


def alike(record: dict[str, Any]) -> dict[str, Any]:
    """Return what stage and run must say alike; keys of persons are made up for the stage here."""
    return {name: value for name, value in record.items() if name not in APART and not name.startswith("cause_")}


def test_clock_is_that_of_the_partition_that_is_behind(clickhouse: ClickHouseServer) -> None:
    ones = [
        {**arrived(posting(n, "WAGER", 100, FROM_MS), FROM_MS + n * HOUR_MS, n), "ledger_partition": n % 2}
        for n in range(6)
    ]
    with ledger_of(clickhouse, ones) as settings, Night(settings, LIVE).session() as session:
        assert clock_of(session.run, {0: 99, 1: 99}) == Clock(FROM_MS + 4 * HOUR_MS, FROM_MS + 5 * HOUR_MS)
        assert clock_of(session.run, {0: 3, 1: 99}) == Clock(FROM_MS + 2 * HOUR_MS, FROM_MS + 5 * HOUR_MS)
        assert clock_of(session.run, {}) is None


def test_what_looks_back_into_removed_months_is_not_decided_on(clickhouse: ClickHouseServer) -> None:
    """O9-4.7: a reason that was removed with its month is not gone."""
    before = posting(1, "WAGER", 500, FROM_MS - 400 * DAY_MS)
    back = posting(2, "WAGER", MILLION, FROM_MS)
    postings = [arrived(before, before["occurred_ms"], 0), arrived(back, FROM_MS, 1)]
    rules = only("DORMANT_RETURN")
    with ledger_of(clickhouse, postings) as settings:
        night = Night(settings, rules)
        assert told(night.run(FAR_MS)) == [("DORMANT_RETURN", "OPEN", 1)]
        with connect(settings) as client:
            log = [["ledger", 202502, 1, "a", state, 1] for state in ("BEGUN", "CLOSED", "REMOVED")]
            names = ["table_name", "month", "number", "attempt", "state", "row_count"]
            client.insert("retention_log", [[n, *one] for n, one in enumerate(log)], column_names=["entry", *names])
            lane = ["a", "ledger", 202502, "ledger", 0, 9, 9]
            client.insert(
                "retention_lanes", [lane],
                column_names=["attempt", "table_name", "month", "topic", "partition", "last_row", "last_offset"],
            )  # fmt: skip
        assert Night(settings, rules).news(Clock(FAR_MS, FAR_MS)) == []
