"""Messages and intended verdicts: the same for the same plan however they are cut, and what intake itself says."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codec import decode
from esep.events import EVENT_RECORDS, unified
from esep.lineage import TopicPartition
from esep.producers.simulate.generator import ACCEPTED, CORRECTING, DUPLICATE, GOOD, REPETITION, messages
from esep.producers.simulate.kinds import KINDS
from tests.producers.simulate.made import UNTIL, all_messages, plan
from tests.stream_apps.intake.made_up import Line, Message, batch, new_stage
from tests.support.examples import examples

RECEIVED_AT = UNTIL + timedelta(hours=1)


def verdicts_of_intake(of: pl.DataFrame, register: Any, cut: int) -> dict[tuple[str, int, int], str]:
    """What intake says of each message, polls of `cut` messages at a time, by topic, partition and offset.

    ACCEPTED stands for what is neither refused nor counted as a repetition; which messages are repetitions is told by
    their bytes, as intake's postings name the message that caused them.
    """
    line = Line(new_stage(register))
    ends: Counter[TopicPartition] = Counter()
    said: dict[tuple[str, int, int], str] = {}
    for part in of.iter_slices(cut):
        batches = []
        for (topic, partition), rows in part.group_by("topic", "partition", maintain_order=True):
            source = TopicPartition(str(topic), int(partition))  # type: ignore[call-overload]
            pairs = rows.select("value", "key").iter_rows()
            batches.append(batch(source, [Message(value, key, RECEIVED_AT) for value, key in pairs], ends[source]))
            ends[source] += 2 * rows.height
            said |= {(source.topic, source.partition, offset): DUPLICATE for offset in batches[-1].offsets}
        line.poll(*batches)
    for posting in line.records("accepted"):
        said[posting["cause_topic"], posting["cause_partition"], posting["cause_offset"]] = ACCEPTED
    for reject in line.records("rejected"):
        place = reject["cause_topic"], reject["cause_partition"], reject["cause_offset"]
        said[place] = reject["reject_code"]
    return said


def intended(of: pl.DataFrame) -> dict[tuple[str, int, int], str]:
    placed = of.with_columns(offset=2 * pl.int_range(pl.len()).over("topic", "partition"))
    return {
        (topic, partition, offset): code or verdict
        for topic, partition, offset, verdict, code in placed.select(
            "topic", "partition", "offset", "verdict", "code"
        ).iter_rows()
    }


@settings(max_examples=examples(15))
@given(
    seed=st.integers(0, 2**32),
    events=st.integers(1, 1_500),
    organizers=st.integers(1, 5),
    bad=st.floats(0, 0.6),
    duplicates=st.floats(0, 0.2),
    corrections=st.floats(0, 0.2),
    cut=st.integers(50, 2_000),
)
def test_intended_verdict_is_the_one_that_intake_gives(
    seed: int, events: int, organizers: int, bad: float, duplicates: float, corrections: float, cut: int
) -> None:
    of = plan(events, organizers, seed=seed, bad=bad, duplicates=duplicates, corrections=corrections)
    made = all_messages(of)
    assert made.height == events
    assert verdicts_of_intake(made, of.register, cut) == intended(made)


def test_every_kind_occurs_and_gets_its_code() -> None:
    of = plan(12_000, bad=0.5, duplicates=0.05, corrections=0.05)
    made = all_messages(of)
    assert set(made["kind"]) == {GOOD, REPETITION, CORRECTING, *KINDS}
    assert verdicts_of_intake(made, of.register, 5_000) == intended(made)
    assert set(made["code"].drop_nulls()) == {kind.code for kind in KINDS.values()}


@settings(max_examples=examples(10))
@given(seed=st.integers(0, 2**32), first=st.integers(1, 3_000), second=st.integers(1, 3_000))
def test_any_cut_into_batches_gives_the_same_messages(seed: int, first: int, second: int) -> None:
    of = plan(2_500, seed=seed, bad=0.2, duplicates=0.1, corrections=0.1)
    assert all_messages(of, first).equals(all_messages(of, second))


def test_batches_have_the_size_asked_for_across_blocks() -> None:
    assert [part.height for part in messages(plan(45_000), 20_000)] == [20_000, 20_000, 5_000]


def test_another_seed_gives_other_messages() -> None:
    assert not all_messages(plan(100, seed=1)).equals(all_messages(plan(100, seed=2)))


def test_shares_are_as_asked_for() -> None:
    made = all_messages(plan(60_000, bad=0.03, duplicates=0.01, corrections=0.02))
    shares = {kind: count / made.height for kind, count in made["kind"].value_counts().iter_rows()}
    assert sum(share for kind, share in shares.items() if kind in KINDS) == pytest.approx(0.03, rel=0.15)
    assert shares[REPETITION] == pytest.approx(0.01, rel=0.15)
    assert shares[CORRECTING] == pytest.approx(0.02, rel=0.15)


def test_only_the_kinds_that_are_named_occur_in_the_proportion_named() -> None:
    made = all_messages(plan(40_000, bad=0.2, weights={"CUT": 3.0, "IIN_SHORT": 1.0}))
    counts = dict(made["kind"].value_counts().iter_rows())
    assert set(counts) == {GOOD, "CUT", "IIN_SHORT"}
    assert counts["CUT"] / counts["IIN_SHORT"] == pytest.approx(3, rel=0.15)


def test_kind_that_cannot_be_is_a_good_event_instead() -> None:
    """With one partition there is no wrong one, and only a payout has a kind of payout."""
    made = all_messages(plan(1_000, partitions=1, bad=0.5, weights={"PARTITION_OF_ANOTHER": 1.0}))
    assert set(made["kind"]) == {GOOD}
    made = all_messages(plan(3_000, bad=1.0, weights={"KIND_UNHEARD_OF": 1.0}))
    good = unified(decode(made.filter(pl.col("kind") == GOOD)["value"].to_list(), EVENT_RECORDS).frames)
    assert set(good["event_type"]) == {"WAGER", "DEPOSIT", "WITHDRAWAL"}


def test_good_events_are_numbered_without_gaps_and_payouts_follow_their_wagers() -> None:
    made = all_messages(plan(30_000))
    both = unified(decode(made["value"].to_list(), EVENT_RECORDS).frames)
    wagers, payouts = (both.filter(pl.col("event_type") == event_type) for event_type in ("WAGER", "PAYOUT"))
    numbers = both.group_by("organizer_bin", "stream_id").agg(pl.col("sequence").sort())
    assert all(found == list(range(1, len(found) + 1)) for found in numbers["sequence"].to_list())
    paid = payouts.join(wagers, on=["organizer_bin", "wager_id"], suffix="_bet")
    assert paid.height == payouts.height > 4_000
    assert (paid["wager_amount_tiyn"] == paid["amount_tiyn_bet"]).all()
    assert (paid["wager_occurred_at"] == paid["occurred_at_bet"]).all()
    assert (paid["iin"] == paid["iin_bet"]).all()
    assert (paid["stream_id"] == paid["stream_id_bet"]).all()
    assert (paid["index"] > paid["index_bet"]).all()
