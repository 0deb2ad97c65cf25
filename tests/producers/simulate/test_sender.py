"""Messages arrive where they were put, in order, byte for byte, and no faster than asked for."""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING

import polars as pl
import pytest

from esep.errors import SettingInvalid, UsageError
from esep.producers.simulate.generator import MESSAGES
from esep.producers.simulate.sender import SENT, MessageSender, Pace
from esep.register import Register
from tests.producers.bets import new_bin
from tests.producers.fake_intake import make_topics, read_events
from tests.producers.simulate.made import all_messages, plan

if TYPE_CHECKING:
    from tests.support.brokers import Broker


def _register(*bins: str) -> Register:
    organizers = [
        organizer.model_copy(update={"bin": bin_})
        for organizer, bin_ in zip(plan(organizers=2).register.organizers, bins, strict=False)
    ]
    return Register(version=1, organizers=tuple(organizers))


@pytest.mark.kafka
def test_every_message_lies_where_it_is_said_to_lie(broker: Broker) -> None:
    register = _register(new_bin(), new_bin())
    for bin_ in register.bins:
        make_topics(broker.bootstrap_servers, bin_)
    sender = MessageSender(broker.bootstrap_servers)
    assert sender.partitions(register) == 2
    made = all_messages(plan(3_000, register=register, bad=0.3, duplicates=0.1))
    told: list[int] = []
    sent = sender.send(made.iter_slices(700), Pace(None), told.append)
    assert sum(told) == 3_000
    assert sent.schema == SENT
    assert sent.drop("offset", "body_sha256").equals(made.drop("key", "value"))
    by_place = {
        (topic, part, at): digest
        for topic, part, at, digest in sent.select("topic", "partition", "offset", "body_sha256").iter_rows()
    }
    keys = defaultdict(list)
    for bin_ in register.bins:
        count = made.filter(pl.col("organizer_bin") == bin_).height
        for message in read_events(broker.bootstrap_servers, bin_, count):
            digest = by_place.pop((message.topic(), message.partition(), message.offset()))
            assert digest == sha256(message.value() or b"").hexdigest()
            keys[message.topic(), message.partition()].append(message.key())
    assert by_place == {}
    for (topic, partition), rows in made.group_by("topic", "partition"):
        assert keys[topic, partition] == rows["key"].to_list()


@pytest.mark.kafka
def test_topic_that_is_not_there_is_said(broker: Broker) -> None:
    with pytest.raises(SettingInvalid, match="no topic"):
        MessageSender(broker.bootstrap_servers).partitions(_register(new_bin()))


class _Clock:
    """Moves when it sleeps, and a little by itself."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        self.now_s += 0.001
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_paced_messages_are_never_early_and_come_in_small_pieces() -> None:
    clock = _Clock()
    pace = Pace(1_000, clock, clock.sleep)
    frame = pl.DataFrame({name: pl.Series([None] * 2_000, dtype=kind) for name, kind in MESSAGES.items()})
    done = 0
    for _ in range(2):
        for piece in pace.steps(frame):
            assert clock.now_s - 100.0 >= done / 1_000
            assert piece.height <= 50
            done += piece.height
    assert done == 4_000
    assert clock.now_s - 100.0 < 4.5


def test_rate_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError):
        Pace(0)
