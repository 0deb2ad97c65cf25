"""The sender against a real broker: right partition, right bytes, right numbers, and nothing lost in silence."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import polars as pl
import pytest

from esep.codec import decode
from esep.errors import BrokerUnavailable, SettingInvalid, UsageError
from esep.events import EVENT_RECORDS, Correction, Payout, empty_events
from esep.partitioner import partition_of
from esep.producers.files import LINE, read_rows
from esep.producers.mapping import load_mapping
from esep.producers.numbering import number_events
from esep.producers.rows import map_rows
from esep.producers.sender import EventSender
from esep.schemas import schema
from esep.topics import EVENT_BYTES_MAX, events_topic
from tests.producers.bets import REAL_BETS, new_bin
from tests.producers.fake_intake import PARTITIONS, decoded, read_events
from tests.producers.spooling import NOWHERE, ORGANIZER, bet, paid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.brokers import Broker

AT = datetime(2026, 11, 20, 15, 0, tzinfo=timezone(timedelta(hours=5)))  # An organizer's own clock may be Almaty's.
BET, PAID = bet("ticket-1", AT), paid("ticket-1", AT)
PAYOUT, WAGER = schema("payout"), schema("wager")

# Keys and hashes of `testMurmur2` in Kafka's own UtilsTest.java.
JAVA_MURMUR2 = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


@pytest.fixture
def sender(broker: Broker, organizer: str) -> Iterator[EventSender]:
    with EventSender(organizer, broker.bootstrap_servers, journal=True) as made:
        yield made


@pytest.mark.kafka
def test_message_lies_where_the_java_client_would_put_it(broker: Broker, sender: EventSender) -> None:
    streams = [*JAVA_MURMUR2, *(f"cash-desk-{number}" for number in range(40))]
    for stream in streams:
        sender.send(BET, stream)
    sender.flush()
    messages = read_events(broker.bootstrap_servers, sender.organizer_bin, len(streams))
    assert {message.key().decode(): message.partition() for message in messages} == {
        stream: partition_of(stream.encode(), PARTITIONS) for stream in streams
    }
    places = {message.key().decode(): message.partition() for message in messages}
    for stream, signed in JAVA_MURMUR2.items():
        assert places[stream] == (signed & 0x7FFFFFFF) % PARTITIONS


@pytest.mark.kafka
def test_events_of_a_stream_arrive_in_order_with_dense_numbers_and_their_own_values(
    broker: Broker, sender: EventSender
) -> None:
    entry_ids = [sender.send(event, "desk-7") for event in (BET, PAID, BET)]
    sender.flush()
    records = [decoded(message) for message in read_events(broker.bootstrap_servers, sender.organizer_bin, 3)]
    assert [record["sequence"] for record in records] == [1, 2, 3]
    assert entry_ids == [f"{sender.organizer_bin}/desk-7/{number}" for number in (1, 2, 3)]
    assert {record["organizer_bin"] for record in records} == {sender.organizer_bin}
    told = {name: value for name, value in records[1].items() if name in Payout.model_fields}
    assert Payout.model_validate(told) == PAID


@pytest.mark.kafka
def test_streams_continue_where_they_are_told_to(broker: Broker, organizer: str) -> None:
    with EventSender(organizer, broker.bootstrap_servers, next_sequences={"desk-7": 118}) as sender:
        assert sender.send(BET, "desk-7") == f"{organizer}/desk-7/118"
        assert sender.send(BET, "desk-8") == f"{organizer}/desk-8/1"
        assert sender.send(PAID, "desk-7") == f"{organizer}/desk-7/119"
    assert len(read_events(broker.bootstrap_servers, organizer, 3)) == 3


@pytest.mark.kafka
def test_correction_is_sent_like_any_event(broker: Broker, sender: EventSender) -> None:
    correction = Correction(target_sequence=1, replaces_revision=0, corrected_at=AT, reason="typed twice")
    assert sender.send(correction, "desk-7").endswith("/desk-7/1")
    sender.flush()
    message = read_events(broker.bootstrap_servers, sender.organizer_bin, 1)[0]
    read = decode([message.value()], EVENT_RECORDS)
    assert read.bad == {}
    assert [schema.record for schema in read.frames] == ["correction"]


@pytest.mark.kafka
def test_frame_of_the_real_bets_arrives_whole_and_in_order_though_the_queue_is_small(
    broker: Broker, organizer: str
) -> None:
    """Back-pressure: a hundredth of the events fit into the queue."""
    mapping = load_mapping("bustabit").model_copy(update={"split": None, "shift_days": 0})
    document = mapping.model_dump(exclude_unset=True)
    document["both"]["site_id"] = {"constant": "ALA-1"}
    mapping = type(mapping).model_validate(document)
    mapped = map_rows(read_rows(REAL_BETS, mapping.columns), mapping, organizer, AT.date())
    frame = number_events(mapped.events, organizer, "bustabit-a").drop(LINE)
    with EventSender(organizer, broker.bootstrap_servers, queue_records_max=370) as sender:
        sender.send_frame(frame)
        sender.flush()
        assert sender.send(BET, "bustabit-a") == f"{organizer}/bustabit-a/{frame.height + 1}"
        sender.flush()
        spans = sender.take_acknowledged()
    assert sum(span.count for span in spans.values()) == frame.height + 1
    assert all(span.is_ours_alone for span in spans.values())
    assert sender.take_acknowledged() == {}
    messages = read_events(broker.bootstrap_servers, organizer, frame.height + 1)[:-1]
    decoded_batch = decode([message.value() for message in messages], EVENT_RECORDS)
    for kind in (WAGER, PAYOUT):
        sent = frame.filter(event_type=kind.record.upper()).select(kind.fields)
        got = decoded_batch.frames[kind]
        assert got.select(kind.fields).equals(sent)
        assert (got["index"] + 1).cast(pl.Int64).equals(sent["sequence"], check_names=False)


@pytest.mark.kafka
def test_hand_over_of_each_message_is_noted_if_asked(sender: EventSender) -> None:
    before = datetime.now(UTC)
    sender.send(BET, "desk-7")
    sender.send(PAID, "desk-7")
    noted = sender.handed_over()
    assert noted.select("stream_id", "sequence").rows() == [("desk-7", 1), ("desk-7", 2)]
    assert noted["handed_at"].is_between(before, datetime.now(UTC)).all()


@pytest.mark.kafka
def test_event_that_the_broker_does_not_take_is_raised(broker: Broker, organizer: str) -> None:
    with EventSender(organizer, broker.bootstrap_servers) as sender:
        large = BET.model_copy(update={"wager_id": "x" * (EVENT_BYTES_MAX + 1)})
        with pytest.raises(UsageError, match="too large"):
            sender.send(large, "desk-7")
        assert sender.send(BET, "desk-7").endswith("/desk-7/1")


@pytest.mark.kafka
def test_topic_that_does_not_exist_is_said_at_once(broker: Broker) -> None:
    with (
        EventSender(new_bin(), broker.bootstrap_servers) as sender,
        pytest.raises(SettingInvalid, match="no topic"),
    ):
        sender.ready()


@pytest.mark.kafka
def test_topic_that_exists_is_ready(sender: EventSender) -> None:
    sender.ready()


def test_broker_that_does_not_answer_is_said_in_time() -> None:
    begun_s = time.monotonic()
    with EventSender(ORGANIZER, NOWHERE) as sender, pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
        sender.ready(timeout_s=0.2)
    assert time.monotonic() - begun_s < 5


def test_undelivered_event_is_raised_by_flush_and_once_only() -> None:
    sender = EventSender(ORGANIZER, NOWHERE, delivery_timeout_s=0.2)
    sender.send(BET, "desk-7")
    with pytest.raises(BrokerUnavailable, match="1 events were not delivered"):
        sender.flush(timeout_s=10)
    sender.flush()
    assert sender.take_acknowledged() == {}


def test_flush_that_takes_too_long_says_how_much_is_left() -> None:
    sender = EventSender(ORGANIZER, NOWHERE)
    sender.send(BET, "desk-7")
    sender.send(PAID, "desk-7")
    with pytest.raises(BrokerUnavailable, match="has not acknowledged 2 events"):
        sender.flush(timeout_s=0.05)


def test_full_queue_is_an_error_after_the_time_for_delivery() -> None:
    sender = EventSender(ORGANIZER, NOWHERE, queue_records_max=1, delivery_timeout_s=0.3)
    sender.send(BET, "desk-7")
    with pytest.raises(BrokerUnavailable):
        sender.send(BET, "desk-7")


def test_client_that_is_left_by_an_error_does_not_wait_for_delivery() -> None:
    begun_s = time.monotonic()
    sender = EventSender(ORGANIZER, NOWHERE)
    sender.send(BET, "desk-7")
    with pytest.raises(RuntimeError, match="the caller's own"), sender:
        raise RuntimeError("the caller's own")
    assert time.monotonic() - begun_s < 5


@pytest.mark.parametrize("change", [{"amount_tiyn": 2**70}, {"odds_milli": 2**40}, {"site_id": "\ud800"}])
def test_value_that_no_field_holds_is_refused_and_uses_up_no_number(change: dict[str, object]) -> None:
    sender = EventSender(ORGANIZER, NOWHERE, delivery_timeout_s=0.2)
    event = BET.model_copy(update=change)
    with pytest.raises(UsageError, match="cannot be written"):
        sender.send(event, "desk-7")
    assert sender.send(BET, "desk-7").endswith("/desk-7/1")


def test_frame_of_another_organizer_or_kind_is_refused() -> None:
    sender = EventSender(ORGANIZER, NOWHERE)
    columns = {name: [None] for name in empty_events().columns}
    frame = pl.DataFrame({**columns, "organizer_bin": ["950341000052"]}, schema=empty_events().schema)
    with pytest.raises(UsageError, match="others than 940140000385"):
        sender.send_frame(frame)
    strange = frame.with_columns(organizer_bin=pl.lit(ORGANIZER), event_type=pl.lit("CORRECTION"))
    with pytest.raises(UsageError, match="rows that are no events"):
        sender.send_frame(strange)


@pytest.mark.parametrize("organizer_bin", ["900101300007", "940140000386", "", "94014000038५"])
def test_client_of_no_bin_is_refused(organizer_bin: str) -> None:
    with pytest.raises(UsageError, match="is no BIN"):
        EventSender(organizer_bin, NOWHERE)


@pytest.mark.parametrize("stream_id", ["", "desk 7", "a/b"])
def test_stream_id_that_intake_refuses_is_refused_before_it_is_sent(stream_id: str) -> None:
    with pytest.raises(UsageError, match="cannot be a stream id"):
        EventSender(ORGANIZER, NOWHERE).send(BET, stream_id)


def test_topic_is_the_organizer_s_own() -> None:
    assert EventSender(ORGANIZER, NOWHERE).topic == events_topic(ORGANIZER)
