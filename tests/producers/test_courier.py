"""The courier against a real broker that goes away, comes back, and refuses: everything arrives, nothing overtakes."""

from __future__ import annotations

import random
import tempfile
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import confluent_kafka as ck
import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from esep.closing import Closing
from esep.embedded.kafka import KafkaBroker
from esep.errors import SettingInvalid
from esep.producers import courier
from esep.producers.answers import State
from esep.producers.courier import _WINDOW, Courier
from esep.producers.group_commit import GroupCommit
from esep.producers.spool import Ack, Spool
from esep.topics import events_topic
from tests.producers.bets import new_bin
from tests.producers.fake_intake import PARTITIONS, WAIT_S, decoded, make_topics
from tests.producers.spooling import NOWHERE, ORGANIZER, bet

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.brokers import Broker

pytestmark = pytest.mark.kafka
_EVENTS_OF_ERRORS = 20  # librdkafka counts with the messages what it has yet to say of a broker that is away.


class Sending(Closing):
    """A spool, its writer and its courier."""

    def __init__(self, path: Path, organizer_bin: str, bootstrap_servers: str) -> None:
        self.spool = Spool(path, organizer_bin)
        self.writer = GroupCommit(self.spool)
        self.courier = Courier(self.spool, self.writer, bootstrap_servers, security={}, late_s=60.0)

    def keep(self, stream_id: str, count: int, wager_id: str = "t-1") -> None:
        self.writer.submit(partial(self.spool.append, stream_id, [bet(wager_id)] * count)).result(WAIT_S)
        self.courier.wake()

    def wait_sent(self) -> None:
        until(lambda: self.spool.tally[State.SPOOLED] == 0)

    def close(self) -> None:
        self.courier.stop()
        self.writer.close()
        self.spool.close()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 2 * WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def arrived(bootstrap_servers: str, organizer_bin: str) -> dict[str, list[int]]:
    """Return the sequences on the topic by stream, each where it came first; repetitions must have the same bytes."""
    topic = events_topic(organizer_bin)
    consumer = ck.Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "arrived", "enable.auto.commit": False})
    places = [ck.TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)]
    ends = {place.partition: consumer.get_watermark_offsets(place, WAIT_S)[1] for place in places}
    consumer.assign(places)
    first: defaultdict[str, dict[int, bytes]] = defaultdict(dict)
    read = dict.fromkeys(ends, 0)
    deadline = time.monotonic() + WAIT_S
    while read != ends:
        assert time.monotonic() < deadline
        for message in consumer.consume(10_000, 0.1):
            assert message.error() is None
            read[message.partition()] = message.offset() + 1
            stream = message.key().decode()
            sequence = decoded(message)["sequence"]
            assert first[stream].setdefault(sequence, message.value()) == message.value()
    consumer.close()
    return {stream: list(sequences) for stream, sequences in first.items()}


def test_events_arrive_in_order_and_are_not_sent_again_after_a_restart(
    broker: Broker, organizer: str, tmp_path: Path
) -> None:
    path = tmp_path / "esep.spool"
    with Sending(path, organizer, broker.bootstrap_servers) as sending:
        for number in range(300):
            sending.keep(f"desk-{number % 3}", 3)
        sending.wait_sent()
    with Sending(path, organizer, broker.bootstrap_servers) as sending:
        sending.keep("desk-0", 1)
        sending.wait_sent()
    assert arrived(broker.bootstrap_servers, organizer) == {
        "desk-0": list(range(1, 302)),
        "desk-1": list(range(1, 301)),
        "desk-2": list(range(1, 301)),
    }
    consumer = ck.Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "ends"})
    places = [ck.TopicPartition(events_topic(organizer), partition) for partition in range(PARTITIONS)]
    assert sum(consumer.get_watermark_offsets(place, WAIT_S)[1] for place in places) == 901
    consumer.close()


@pytest.mark.long
def test_events_kept_while_the_broker_is_away_arrive_in_order_when_it_is_back_and_few_are_in_memory(
    tmp_path: Path,
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="esep-kafka-") as data_dir,
        KafkaBroker(Path(data_dir)) as broker,
        Sending(tmp_path / "esep.spool", ORGANIZER, broker.bootstrap_servers) as sending,
    ):
        make_topics(broker.bootstrap_servers, ORGANIZER)
        sending.keep("desk-7", 1)
        sending.keep("desk-8", 1)
        sending.wait_sent()  # A stream's first event goes alone; now it may fill the window.
        for stop in (broker.kill, broker.stop):
            sending.keep("desk-7", 500)
            stop()
            for _ in range(6):
                sending.keep("desk-7", 1_000)
                sending.keep("desk-8", 1_000)
            until(lambda: sending.courier._under_way() > _WINDOW // 2)
            assert sending.courier._under_way() <= _WINDOW + _EVENTS_OF_ERRORS
            assert sending.spool.tally[State.SPOOLED] >= 12_000
            broker.stop()
            broker.start()
            broker.wait_ready()
            sending.wait_sent()
        assert sending.courier.fault is None
        assert arrived(broker.bootstrap_servers, ORGANIZER) == {
            "desk-7": list(range(1, 13_002)),
            "desk-8": list(range(1, 12_002)),
        }


def test_event_that_the_broker_refuses_is_not_overtaken_and_goes_when_it_may(
    broker: Broker, organizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The topic takes less than an event needs; then it takes more.

    Each event is a batch of its own, and the courier is slow to hear. Without the gapless guarantee, or
    if a stream's first event did not go alone, the events behind it would be on the topic by then (tried).
    """
    config = courier._config
    monkeypatch.setattr(courier, "_config", lambda *given: {**config(*given), "batch.num.messages": 1})

    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})

    def limit(bytes_max: int) -> None:
        entry = ConfigEntry("max.message.bytes", str(bytes_max), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, events_topic(organizer), incremental_configs=[entry])
        for done in admin.incremental_alter_configs([resource]).values():
            done.result(WAIT_S)

    limit(10_000)
    with Sending(tmp_path / "esep.spool", organizer, broker.bootstrap_servers) as sending:
        sending.keep("desk-7", 50)
        sending.wait_sent()
        serve = sending.courier._serve
        monkeypatch.setattr(sending.courier, "_serve", lambda: (time.sleep(0.5), serve()))
        large = bet(random.Random(7).randbytes(50_000).hex())  # So that it cannot be compressed away.
        work = partial(sending.spool.append, "desk-7", [large, *[bet("t-1")] * 100])
        sending.writer.submit(work).result(WAIT_S)
        sending.courier.wake()
        until(lambda: sending.courier.fault is not None)
        sending.keep("desk-7", 50)
        until(lambda: sending.courier._pause_s > 0.5)
        assert arrived(broker.bootstrap_servers, organizer) == {"desk-7": list(range(1, 51))}
        monkeypatch.undo()
        limit(1_000_000)
        sending.wait_sent()
    assert arrived(broker.bootstrap_servers, organizer) == {"desk-7": list(range(1, 202))}


def test_topic_that_is_made_later_gets_everything(broker: Broker, tmp_path: Path) -> None:
    organizer_bin = new_bin()
    with Sending(tmp_path / "esep.spool", organizer_bin, broker.bootstrap_servers) as sending:
        sending.keep("desk-7", 20)
        until(lambda: sending.courier.fault is not None)
        make_topics(broker.bootstrap_servers, organizer_bin)
        sending.wait_sent()
    assert arrived(broker.bootstrap_servers, organizer_bin) == {"desk-7": list(range(1, 21))}


def test_events_that_are_to_be_sent_again_are_the_same_bytes(broker: Broker, organizer: str, tmp_path: Path) -> None:
    with Sending(tmp_path / "esep.spool", organizer, broker.bootstrap_servers) as sending:
        sending.keep("desk-7", 20)
        sending.wait_sent()
        ends = dict.fromkeys(range(PARTITIONS), 100)
        assert sending.writer.submit(partial(sending.spool.send_again, ends)).result(WAIT_S) == 20
        sending.courier.start_over()
        sending.wait_sent()
    assert arrived(broker.bootstrap_servers, organizer) == {"desk-7": list(range(1, 21))}


def test_acknowledgements_that_a_full_disk_cannot_take_are_noted_when_it_can(tmp_path: Path) -> None:
    """The answer of a broker, without one: the shell keeps what the spool could not."""
    spool = Spool(tmp_path / "esep.spool", ORGANIZER)
    writer = GroupCommit(spool)
    shell = Courier(spool, writer, NOWHERE, security={}, late_s=60.0)
    writer.submit(partial(spool.append, "desk-7", [bet("t-1")])).result(WAIT_S)
    shell._stopping.set()
    shell._thread.join(WAIT_S)
    acks = [Ack(1, 0, 0)]
    fault = SettingInvalid("the disk is full")
    shell._recorded(acks, fault)
    assert (shell._acks, shell.fault) == (acks, fault)
    shell._record_at_s = 0.0
    shell._record()
    until(lambda: spool.tally[State.SENT] == 1)
    writer.close()
    spool.close()


def test_properties_that_librdkafka_does_not_take_are_refused_at_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "esep.spool", ORGANIZER)
    writer = GroupCommit(spool)
    for security in ({"security.protocol": "SSL", "ssl.ca.location": "nosuch.pem"}, {"security.protocol": "POST"}):
        with pytest.raises(SettingInvalid, match="does not take"):
            Courier(spool, writer, NOWHERE, security=security, late_s=60.0)
    writer.close()
    spool.close()
