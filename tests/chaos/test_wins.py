"""Winnings are the same for the same plan, stand behind the simulated messages, and raise alerts."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from esep.producers.simulate.generator import ACCEPTED, messages
from esep.producers.simulate.plan import Plan
from esep.producers.simulate.register import made_up_register
from tests.chaos.oracle import postings_of_message, read
from tests.chaos.standing import by_looking, few_owners
from tests.chaos.test_oracle import RULES
from tests.chaos.wins import messages_with_wins

UNTIL = datetime(2026, 11, 20, 19, tzinfo=UTC)
PLAN = Plan(made_up_register(2, 7, UNTIL), 4_000, 7, UNTIL, bad=0.05, duplicates=0.03, corrections=0.05, persons=100)


def test_same_plan_gives_the_same_winnings_beside_all_that_it_gives_anyway() -> None:
    made = pl.concat(messages_with_wins(PLAN))
    assert made.equals(pl.concat(messages_with_wins(PLAN)))
    assert made.filter(pl.col("number") < PLAN.events).equals(pl.concat(messages(PLAN)))
    assert made["number"].is_unique().all()


def test_winnings_are_corrected_in_every_way_and_raise_alerts() -> None:
    wins = pl.concat(messages_with_wins(PLAN)).filter(pl.col("number") >= PLAN.events)
    assert set(wins["verdict"]) == {ACCEPTED}
    records = [read(value) for value in wins["value"]]
    corrections = [record for record in records if "target_sequence" in record]
    assert 0.2 < len(corrections) / len(records) < 0.4
    sides = [(record["was"], record["now"]) for record in corrections]
    assert any(now is None for _, now in sides)
    assert any(now and now["iin"] != was["iin"] for was, now in sides)
    assert any(now and now["amount_tiyn"] != was["amount_tiyn"] for was, now in sides)
    postings = [posting for record in records for posting in postings_of_message(record)]
    standing = by_looking(postings, RULES, few_owners(postings, 5_000))
    assert {one.rule_id for one in standing} == {"WIN_THRESHOLD", "WIN_STRUCTURED"}
