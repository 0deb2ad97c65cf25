"""By whatever way events come, they get one answer: clauses O114-3, O9-4.5."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esep.delivery import Delivery
from esep.embedded.kafka import KafkaBroker
from esep.events import Correction, Payout, Wager
from esep.gateway.body import MESSAGES
from esep.gateway.sessions import Sessions
from esep.producers.from_medium import receive_medium
from esep.producers.medium import read_medium, write_medium
from esep.producers.sender import EventSender
from esep.register import Register
from tests.gateway.served import Served, served
from tests.gateway.test_body import as_json, body_of, lines_of
from tests.producers.bets import new_bin
from tests.producers.fake_intake import make_topics, read_events
from tests.stream_apps.intake.made_up import (
    ALATAU,
    NOW,
    REGISTER,
    Line,
    Message,
    batch,
    correction,
    message,
    new_stage,
    payout,
    source_of,
    values,
    wager,
)
from tests.support.examples import examples

pytestmark = pytest.mark.kafka
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
Events = list[dict[str, Any]]  # Whole records, each numbered in its stream, organizer_bin left to be said.
Way = Callable[[str, str, Events], None]

KINDS: dict[str, dict[str, Any]] = {
    "good wager": wager(),
    "good payout": payout(),
    "no such person": wager(iin="900101300008"),
    "of tomorrow": wager(occurred_at=datetime(2026, 3, 2, 12, tzinfo=UTC)),
    "unknown site": wager(site_id="ALA-9"),
    "paid before it was staked": payout(wager_occurred_at=NOW),
    "voids the first": correction(),
    "mends the first": correction(now=values(wager(amount_tiyn=7)), reason="slip of the pen"),
    "mends nothing": correction(target_sequence=99),
}


def by_kafka(servers: str, organizer_bin: str, events: Events) -> None:
    """The organizer's own client, one event at a time."""
    types = {"CORRECTION": Correction, "PAYOUT": Payout, "WAGER": Wager}
    with EventSender(organizer_bin, servers) as client:
        for record in events:
            kind = types[as_json(record)["event_type"]]
            own = {name: value for name, value in record.items() if name in kind.model_fields}
            client.send(kind.model_validate(own), record["stream_id"])


def by_json(servers: str, organizer_bin: str, events: Events) -> None:
    with served(Sessions(servers, None)) as port:
        assert Served(port).post(organizer_bin, body_of(*map(as_json, events))).status == 202


def by_finished_messages(servers: str, organizer_bin: str, events: Events) -> None:
    with served(Sessions(servers, None)) as port:
        body = lines_of(*_messages(organizer_bin, events))
        assert Served(port).post(organizer_bin, body, content_type=MESSAGES).status == 202


def by_medium(servers: str, organizer_bin: str, events: Events) -> None:
    content = write_medium(organizer_bin, _messages(organizer_bin, events), KEY, NOW)
    medium = read_medium(content, organizer_bin, KEY.public_key())
    receive_medium(medium, Delivery(organizer_bin, servers), None, servers)


WAYS: tuple[Way, ...] = (by_kafka, by_json, by_finished_messages, by_medium)


@settings(max_examples=examples(4), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from(["desk-0", "desk-1"]), st.sampled_from(sorted(KINDS))), min_size=1, max_size=12)
)
def test_every_way_gets_the_verdicts_of_every_other(broker: KafkaBroker, plan: list[tuple[str, str]]) -> None:
    events: Events = []
    for stream_id, kind in plan:
        sequence = 1 + sum(event["stream_id"] == stream_id for event in events)
        events.append(KINDS[kind] | {"stream_id": stream_id, "sequence": sequence})
    servers, told = broker.bootstrap_servers, []
    for way in WAYS:
        organizer_bin = new_bin()
        make_topics(servers, organizer_bin)
        way(servers, organizer_bin, events)
        told.append(verdicts(organizer_bin, servers, len(events)))
    assert told.count(told[0]) == len(WAYS)


def test_same_events_by_all_ways_one_after_the_other_are_counted_once(broker: KafkaBroker) -> None:
    organizer_bin, servers = new_bin(), broker.bootstrap_servers
    make_topics(servers, organizer_bin)
    events = [wager(sequence=number) for number in range(1, 11)]
    for way in WAYS:
        way(servers, organizer_bin, events)
    accepted, rejected, receipts = verdicts(organizer_bin, servers, len(events) * len(WAYS))
    assert accepted == [("desk-0", number) for number in range(1, 11)]
    assert rejected == []
    assert [(told["accepted_count"], told["duplicate_count"]) for told in receipts] == [(10, 30)]


def verdicts(organizer_bin: str, servers: str, count: int) -> tuple[list[Any], list[Any], list[Any]]:
    """What intake says of all that lies on an organizer's topic: accepted, rejected, and told in the receipts."""
    (known,) = [one.model_dump() for one in REGISTER.organizers if one.bin == ALATAU]
    register = Register.model_validate({"version": 1, "organizers": [known | {"bin": organizer_bin}]})
    line = Line(new_stage(register))
    lying = read_events(servers, organizer_bin, count)
    for partition in sorted({one.partition() for one in lying}):
        messages = [Message(one.value(), one.key()) for one in lying if one.partition() == partition]
        line.poll(batch(source_of(organizer_bin, partition), messages))
    accepted = sorted((one["stream_id"], one["sequence"]) for one in line.records("accepted"))
    rejected = [(one["stream_id"], one["sequence"], one["reject_code"]) for one in line.records("rejected")]
    names = ("partition", "accepted_count", "duplicate_count", "held_count")
    receipts = [{name: told[name] for name in names} for told in line.receipts(organizer_bin)]
    return accepted, rejected, receipts


def _messages(organizer_bin: str, events: Events) -> list[tuple[bytes, bytes]]:
    made = [message(event | {"organizer_bin": organizer_bin}) for event in events]
    return [(one.key or b"", one.value or b"") for one in made]
