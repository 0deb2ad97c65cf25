"""What a receipt says settles exactly the events that it tells of, whichever comes first, it or the acknowledgement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.producers.answers import State
from esep.producers.spool import Ack, Spool
from tests.producers.spooling import ORGANIZER, bet, kept, refused, told
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from esep.producers.receipts import ReceiptContent


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """Three events of one stream."""
    made = Spool(tmp_path / "esep.spool", ORGANIZER)
    with made.transaction():
        made.append("desk-7", [bet("t-1"), bet("t-2"), bet("t-3")])
    yield made
    made.close()


def acknowledge(spool: Spool, **offsets: int) -> None:
    """Acknowledge events by number: e1=0 says that event 1 is at offset 0."""
    with spool.transaction():
        spool.acknowledge([Ack(int(event[1:]), 0, offset) for event, offset in offsets.items()])


def take(spool: Spool, *contents: ReceiptContent | None) -> None:
    with spool.transaction():
        spool.take_receipts(enumerate(contents))


def states(spool: Spool) -> list[str]:
    """Return the state of each event, with its code where it is refused."""
    return [row.reject_code or State(row.state).name for row in kept(spool.path)]


@settings(max_examples=examples(12))
@given(
    order=st.permutations(["e1", "e2", "e3", "r1", "r2"]).filter(lambda order: order.index("r1") < order.index("r2"))
)
def test_order_of_acknowledgements_and_receipts_changes_nothing(
    order: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = Spool(tmp_path_factory.mktemp("answers") / "esep.spool", ORGANIZER)
    with made.transaction():
        made.append("desk-7", [bet("t-1"), bet("t-2"), bet("t-3")])
    receipts = {
        "r1": told(0, consumed={"desk-7": [1]}),
        "r2": told(2, 1, consumed={"desk-7": [1, 2, 3]}, rejects=[refused(1, "desk-7", 2)]),
    }
    for number, step in enumerate(order):
        if step in receipts:
            with made.transaction():
                made.take_receipts([(number, receipts[step])])
        else:
            acknowledge(made, **{step: int(step[1:]) - 1})
    assert states(made) == ["RECEIPTED", "IIN_INVALID", "RECEIPTED"]
    made.close()


def test_duplicate_of_what_was_refused_before_is_refused(spool: Spool) -> None:
    """The acknowledgement was lost, the event was sent again, and intake knows it: it was refused, it stays so."""
    first = told(0, consumed={"desk-7": [1]}, rejects=[refused(0, "desk-7", 1)])
    take(spool, first, told(1, 1, consumed={"desk-7": [1]}, duplicate_count=1))
    acknowledge(spool, e1=1)
    assert states(spool)[0] == "IIN_INVALID"


def test_refusal_that_does_not_consume_is_no_word_on_the_event_that_came_after(spool: Spool) -> None:
    """Somebody with another partitioner sent our number first: KEY_MISMATCH leaves it free."""
    take(spool, told(1, consumed={"desk-7": [1]}, rejects=[refused(0, "desk-7", 1, "KEY_MISMATCH")]))
    acknowledge(spool, e1=1)
    assert states(spool)[0] == "RECEIPTED"


def test_conflict_counts_only_where_it_is_our_message(spool: Spool) -> None:
    """Two desks on one stream: the other's message under our number is refused, ours is not touched by it."""
    conflict = [refused(1, "desk-7", 1, "SEQUENCE_CONFLICT"), refused(2, "desk-7", 2, "SEQUENCE_CONFLICT")]
    take(spool, told(2, consumed={"desk-7": [1, 2]}, rejects=conflict))
    acknowledge(spool, e1=0, e2=2)
    assert states(spool) == ["RECEIPTED", "SEQUENCE_CONFLICT", "SPOOLED"]


def test_message_that_intake_could_not_read_is_refused_by_its_offset(spool: Spool) -> None:
    acknowledge(spool, e1=0)
    take(spool, told(0, rejects=[refused(0, None, None, "SCHEMA_UNKNOWN")]))
    assert states(spool)[0] == "SCHEMA_UNKNOWN"


def test_refusal_by_a_later_intake_with_a_code_unknown_here_is_kept_as_it_is(spool: Spool) -> None:
    acknowledge(spool, e1=0)
    take(spool, told(0, consumed={"desk-7": [1]}, rejects=[refused(0, "desk-7", 1, "SOMETHING_NEW")]))
    assert states(spool)[0] == "SOMETHING_NEW"


def test_event_that_the_receipt_does_not_name_as_consumed_waits(spool: Spool) -> None:
    """A topic made anew: its offsets begin again, and what lay in the old one has not arrived."""
    acknowledge(spool, e1=0, e2=1)
    take(spool, told(5, consumed={"desk-7": [2]}))
    assert states(spool) == ["SENT", "RECEIPTED", "SPOOLED"]


def test_event_in_a_hole_between_receipts_waits_until_it_is_sent_again(spool: Spool) -> None:
    acknowledge(spool, e1=0, e2=1, e3=2)
    take(spool, told(0, consumed={"desk-7": [1]}), None, told(2, 2, consumed={"desk-7": [1, 2, 3]}))
    assert states(spool) == ["RECEIPTED", "SENT", "RECEIPTED"]
    with spool.transaction():
        assert spool.send_again({0: 1}) == 1
    acknowledge(spool, e2=3)
    with spool.transaction():
        spool.take_receipts([(3, told(3, 3, consumed={"desk-7": [1, 2, 3]}, duplicate_count=1))])
    assert states(spool) == ["RECEIPTED"] * 3


def test_receipt_repeated_or_of_strangers_streams_and_partitions_changes_nothing(spool: Spool) -> None:
    acknowledge(spool, e1=0)
    content = told(0, consumed={"desk-7": [1]})
    strange = told(9, consumed={"desk-9": [1]}, rejects=[refused(8, "desk-9", 1)])
    take(spool, content, content, strange, told(0, partition=1, consumed={"desk-7": [1, 2, 3]}))
    assert states(spool) == ["RECEIPTED", "SPOOLED", "SPOOLED"]
