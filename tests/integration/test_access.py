"""Who may write what, proved by trying with real clients: every principal on every topic, and what no client may do.

Clause O9-4.2. The broker and its rights are those of `tests.support.secured`; nothing here reads the plan but where it
says so, the oracle is the topics' declaration.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic

from esep.access import plan_of
from esep.access_apply import Authority
from esep.access_files import AccessFiles, new_password
from esep.certificates import BROKER_DAYS, Issued, make_broker_certificate, make_ca
from esep.cli.context import STACK_FILE
from esep.errors import BrokerUnavailable, SettingInvalid
from esep.events import Wager
from esep.kafka_quotas import QuotaChange, alter_user_quotas
from esep.kafka_wire import call, connect, read_text, text
from esep.producers.receipt_reader import ReceiptReader
from esep.producers.sender import EventSender
from esep.security import aiokafka_properties, librdkafka_properties
from esep.sinks.clickhouse.reconcile import reconcile
from esep.topics import ADMIN, Topic, all_topics, events_topic, receipts_topic
from tests.integration.line import BETS, Line, line
from tests.support.secured import ANSWER_S, BINS, OTHER, OURS, SPARE, Secured

pytestmark = pytest.mark.kafka

TOPICS = all_topics(BINS, events_partitions=2, ledger_partitions=4)
PLACES = ["intake-0", "totals-0", "alerts-0", "loader-0"]
FETCH = 1
REFUSED = {KafkaError.TOPIC_AUTHORIZATION_FAILED}
BET = Wager(
    site_id="ALA-1",
    iin="900101300007",
    wager_id="ticket-1",
    occurred_at=datetime(2026, 11, 1, 12, tzinfo=UTC),
    amount_tiyn=5_000_00,
    payment_method="CASH",
    channel="RETAIL",
    funding="CASH",
    odds_milli=1_850,
)


def part_of(principal: str) -> str:
    return principal.rpartition("-")[0] or principal


def writable(secured: Secured, principal: str, topics: list[Topic]) -> set[str]:
    """Return the topics that take a record from this principal; each other must refuse it for want of a right."""
    answers: dict[str, KafkaError | None] = {}
    producer = Producer(secured.client(principal, enable_idempotence=False, message_timeout_ms=int(ANSWER_S * 1000)))
    for topic in topics:
        producer.produce(
            topic.name, b"tried", b"key", on_delivery=lambda error, sent: answers.update({sent.topic(): error})
        )
    assert producer.flush(ANSWER_S) == 0
    assert {error.code() for error in answers.values() if error} <= REFUSED
    return {topic for topic, error in answers.items() if error is None}


def readable(secured: Secured, principal: str, topics: list[Topic]) -> set[str]:
    """Return the topics of which this principal is given records; each other must refuse it for want of a right.

    By the Fetch request itself, version 4: librdkafka asks for no topic that the metadata hide.
    """
    errors = {}
    with connect(secured.servers, secured.acting_as(principal), ANSWER_S) as connection:
        for topic in topics:
            body = struct.pack(">iiiibi", -1, 0, 0, 1_000_000, 0, 1) + text(topic.name)
            answer = call(connection, FETCH, 4, body + struct.pack(">iiqi", 1, 0, 0, 1_000_000))
            _, at = read_text(answer, 8)
            (errors[topic.name],) = struct.unpack_from(">h", answer, at + 8)
    assert set(errors.values()) <= REFUSED | {0}
    return {topic for topic, error in errors.items() if error == 0}


@pytest.mark.parametrize("principal", [*PLACES, "compliance", "settle", "operator", OURS, OTHER])
def test_principal_writes_the_topics_that_name_it_writer_and_no_other(secured: Secured, principal: str) -> None:
    declared = {topic.name for topic in TOPICS if part_of(principal) in topic.writers}
    assert writable(secured, principal, TOPICS) == declared


@pytest.mark.parametrize("principal", [*PLACES, "compliance", "settle", OURS, OTHER])
def test_principal_reads_the_topics_that_name_it_reader_and_no_other(secured: Secured, principal: str) -> None:
    declared = {topic.name for topic in TOPICS if part_of(principal) in topic.readers}
    assert readable(secured, principal, TOPICS) == declared


def test_organizer_sees_no_topic_but_its_own_two(secured: Secured) -> None:
    for bin_ in (OURS, OTHER):
        seen = AdminClient(secured.client(bin_)).list_topics(timeout=ANSWER_S).topics
        assert set(seen) == {events_topic(bin_), receipts_topic(bin_)}


def test_client_of_an_organizer_sends_exactly_once_and_reads_its_receipts(secured: Secured) -> None:
    security = secured.acting_as(OURS)
    with (
        EventSender(OURS, secured.servers, security=security) as client,
        ReceiptReader(OURS, secured.servers, security=security) as receipts,
    ):
        client.ready()
        assert client.send(BET, "desk-7") == f"{OURS}/desk-7/1"
        client.flush(ANSWER_S)
        assert [span.count for span in client.take_acknowledged().values()] == [1]
        assert receipts.read(0.1) == []


def test_client_of_another_organizer_is_told_that_it_has_no_access(secured: Secured) -> None:
    client = EventSender(OTHER, secured.servers, security=secured.acting_as(OURS))
    with pytest.raises(SettingInvalid, match=r"no access|no topic"):
        client.ready()


@pytest.mark.parametrize("transactional_id", [f"{OURS}", f"organizer.{OURS}.1", "intake-0", "totals-0"])
def test_organizer_uses_no_transactional_id(secured: Secured, transactional_id: str) -> None:
    producer = Producer(secured.client(OURS, transactional_id=transactional_id))
    with pytest.raises(KafkaException) as caught:
        producer.init_transactions(ANSWER_S)
    assert caught.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


@pytest.mark.parametrize(
    ("place", "other"), [("intake-0", "intake-1"), ("intake-0", "totals-0"), ("loader-0", "loader-0")]
)
def test_place_uses_no_transactional_id_but_its_own(secured: Secured, place: str, other: str) -> None:
    producer = Producer(secured.client(place, transactional_id=other))
    with pytest.raises(KafkaException) as caught:
        producer.init_transactions(ANSWER_S)
    assert caught.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


@pytest.mark.parametrize("principal", ["intake-0", "totals-0", "alerts-0"])
def test_place_takes_the_transactional_id_that_is_its_name(secured: Secured, principal: str) -> None:
    Producer(secured.client(principal, transactional_id=principal)).init_transactions(ANSWER_S)


def group_error(secured: Secured, principal: str, group: str, topic: str) -> int | None:
    """Return the error with which joining a group ends, None if the principal is let in and given the topic."""
    given: list[TopicPartition] = []
    with closing(Consumer(secured.client(principal, group_id=group, auto_offset_reset="earliest"))) as consumer:
        consumer.subscribe([topic], on_assign=lambda _, partitions: given.extend(partitions))
        for _ in range(int(ANSWER_S * 10)):
            for message in consumer.consume(1, 0.1):
                if (error := message.error()) is not None:
                    return int(error.code())
            if given:
                return None
    raise AssertionError("no answer")


@pytest.mark.parametrize("group", ["intake", "loader", "compliance", f"organizer.{OTHER}.own", "organizer"])
def test_organizer_joins_no_group_of_others(secured: Secured, group: str) -> None:
    assert group_error(secured, OURS, group, receipts_topic(OURS)) == KafkaError.GROUP_AUTHORIZATION_FAILED


def test_organizer_joins_a_group_of_its_own(secured: Secured) -> None:
    assert group_error(secured, OURS, f"organizer.{OURS}.archive", receipts_topic(OURS)) is None


OWN = events_topic(OURS)
_RETENTION = ConfigResource(
    "topic", OWN, incremental_configs=[ConfigEntry("retention.ms", "1", incremental_operation=AlterConfigOpType.SET)]
)
_MOVED = ConsumerGroupTopicPartitions("intake", [TopicPartition(OWN, 0, 0)])
ALTERATIONS: dict[str, Callable[[AdminClient], dict[object, object]]] = {
    "create a topic": lambda admin: admin.create_topics([NewTopic("organizer.new", 1, 1)]),
    "delete its own topic": lambda admin: admin.delete_topics([OWN]),
    "add partitions": lambda admin: admin.create_partitions([NewPartitions(OWN, 8)]),
    "shorten retention": lambda admin: admin.incremental_alter_configs([_RETENTION]),
    "delete records": lambda admin: admin.delete_records([TopicPartition(OWN, 0, 1)]),
    "delete a stage's group": lambda admin: admin.delete_consumer_groups(["intake"]),
    "move a stage's offsets": lambda admin: admin.alter_consumer_group_offsets([_MOVED]),
    "see a stage's group": lambda admin: admin.describe_consumer_groups(["intake"]),
    "see the brokers' settings": lambda admin: admin.describe_configs([ConfigResource("broker", "1")]),
}


@pytest.mark.parametrize("what", ALTERATIONS)
def test_organizer_alters_nothing_its_own_topic_included(secured: Secured, what: str) -> None:
    admin = AdminClient(secured.client(OURS))  # Kept: without it the calls are dropped.
    futures = ALTERATIONS[what](admin)
    for future in futures.values():
        with pytest.raises(KafkaException) as caught:
            future.result(ANSWER_S)  # type: ignore[attr-defined]
        assert "AUTHORIZATION_FAILED" in caught.value.args[0].name()


def test_organizer_that_sends_more_than_its_quota_is_slowed_down(secured: Secured) -> None:
    throttled: list[float] = []
    by_admin = (secured.servers, secured.acting_as(ADMIN))
    alter_user_quotas(*by_admin, [QuotaChange(SPARE, "producer_byte_rate", 500.0)])
    try:
        producer = Producer(secured.client(SPARE), throttle_cb=lambda event: throttled.append(event.throttle_time))
        for _ in range(int(ANSWER_S * 10)):
            producer.produce(events_topic(SPARE), b"x" * 16_000, b"desk-7")
            producer.poll(0.1)
            if throttled:
                break
        producer.purge()
    finally:
        alter_user_quotas(*by_admin, [QuotaChange(SPARE, "producer_byte_rate", 10.0 * 1024 * 1024)])
    assert max(throttled) > 0


# --- Credentials that are not good


def verdicts(servers: str, security: dict[str, str]) -> list[str]:
    """Return how each library that we use fares with these credentials: `in`, or the class of what it raised."""
    return [_by(way, servers, security) for way in (_by_hand, _by_librdkafka, _by_aiokafka)]


def _by(way: Callable[[str, dict[str, str]], None], servers: str, security: dict[str, str]) -> str:
    try:
        way(servers, security)
    except (SettingInvalid, OSError, KafkaException, KafkaConnectionError) as error:
        return type(error).__name__
    return "in"


def _by_hand(servers: str, security: dict[str, str]) -> None:
    connect(servers, security, ANSWER_S).close()


def _by_librdkafka(servers: str, security: dict[str, str]) -> None:
    AdminClient({"bootstrap.servers": servers, "log_level": 0, **security}).list_topics(timeout=2)


def _by_aiokafka(servers: str, security: dict[str, str]) -> None:
    async def start() -> None:
        client = AIOKafkaClient(bootstrap_servers=servers, **aiokafka_properties(security))
        try:
            await client.bootstrap()
        finally:
            await client.close()

    try:
        asyncio.run(start())
    finally:
        with warnings.catch_warnings():  # A refused aiokafka client leaves its socket to the garbage collector.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


LIBRARIES_REFUSED = ["SettingInvalid", "KafkaException", "KafkaConnectionError"]
LIBRARIES_DISTRUST = ["SSLCertVerificationError", "KafkaException", "KafkaConnectionError"]


def test_good_credentials_let_every_library_in(secured: Secured) -> None:
    assert verdicts(secured.servers, secured.acting_as(OURS)) == ["in", "in", "in"]


def test_password_that_is_wrong_replaced_or_anothers_gets_nothing(secured: Secured) -> None:
    good = secured.acting_as(SPARE)
    replaced = secured.passwords[SPARE]
    secured.passwords[SPARE] = secured.authority.issue(SPARE)
    for password in (new_password(), secured.passwords[OTHER], replaced):
        assert verdicts(secured.servers, {**good, "sasl.password": password}) == LIBRARIES_REFUSED


def test_revoked_organizer_gets_nothing_on_a_connection_that_is_open(secured: Secured) -> None:
    """Its producer was let in before; the next record is refused all the same."""
    codes: list[int | None] = []

    def send() -> int | None:
        producer.produce(events_topic(SPARE), b"tried", on_delivery=lambda e, _: codes.append(e.code() if e else None))
        assert producer.flush(ANSWER_S) == 0
        return codes.pop()

    producer = Producer(secured.client(SPARE, message_timeout_ms=10_000))
    assert send() is None
    secured.authority.revoke(SPARE)
    try:
        assert send() in {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}
        assert verdicts(secured.servers, secured.acting_as(SPARE)) == LIBRARIES_REFUSED
    finally:
        secured.passwords[SPARE] = secured.authority.issue(SPARE)
    fresh = Producer(secured.client(SPARE))
    fresh.produce(events_topic(SPARE), b"tried")
    assert fresh.flush(ANSWER_S) == 0


def test_name_that_was_never_made_gets_nothing(secured: Secured) -> None:
    nobody = {**secured.acting_as(OURS), "sasl.username": "070941024691"}
    assert verdicts(secured.servers, nobody) == LIBRARIES_REFUSED


def test_client_that_trusts_another_authority_sends_nothing(secured: Secured) -> None:
    foreign = {**secured.acting_as(OURS), "ssl.ca.pem": make_ca(datetime.now(UTC)).certificate}
    assert verdicts(secured.servers, foreign) == LIBRARIES_DISTRUST


def test_client_without_encryption_gets_nothing(secured: Secured) -> None:
    with pytest.raises(KafkaException):
        AdminClient({"bootstrap.servers": secured.servers, "log_level": 0}).list_topics(timeout=2)
    with pytest.raises(BrokerUnavailable):
        EventSender(OURS, secured.servers).ready(2)


class Impostor:
    """A TLS server with a certificate of its own, which notes whatever a client says to it."""

    def __init__(self, issued: Issued, folder: Path) -> None:
        chain = folder / "impostor.pem"
        chain.write_text(issued.key + issued.certificate)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(chain)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.heard: list[bytes] = []
        self.refusals: list[str] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(ANSWER_S)
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                opened, _ = self._listening.accept()
            except OSError:
                return
            opened.settimeout(ANSWER_S)
            with opened:
                try:
                    with self._context.wrap_socket(opened, server_side=True) as encrypted:
                        self.heard.append(encrypted.recv(1_024))
                except OSError as error:
                    self.refusals.append(str(error))


@pytest.fixture
def impostor(secured: Secured, tmp_path: Path) -> Iterator[Callable[[Issued], Impostor]]:
    started: list[Impostor] = []

    def start(issued: Issued) -> Impostor:
        started.append(Impostor(issued, tmp_path))
        return started[-1]

    yield start
    for one in started:
        one.close()


def authority_of(files: AccessFiles) -> Issued:
    return Issued((files.directory / "ca.key").read_text(), files.ca_file.read_text())


def test_broker_whose_certificate_has_expired_hears_no_name_and_no_password(
    secured: Secured, impostor: Callable[[Issued], Impostor]
) -> None:
    began = datetime.now(UTC) - timedelta(days=BROKER_DAYS, hours=1)
    expired = impostor(make_broker_certificate(authority_of(secured.files), ["127.0.0.1"], began))
    assert verdicts(expired.server, secured.acting_as(OURS)) == LIBRARIES_DISTRUST
    assert not any(expired.heard)
    assert expired.refusals


def test_broker_at_a_host_that_its_certificate_does_not_name_hears_nothing(
    secured: Secured, impostor: Callable[[Issued], Impostor]
) -> None:
    elsewhere = impostor(make_broker_certificate(authority_of(secured.files), ["kafka-1.example"], datetime.now(UTC)))
    assert verdicts(elsewhere.server, secured.acting_as(OURS)) == LIBRARIES_DISTRUST
    assert not any(elsewhere.heard)


def test_login_at_an_impostor_whose_certificate_is_good_gives_the_password_away_to_nobody(
    secured: Secured, impostor: Callable[[Issued], Impostor]
) -> None:
    """The worst case: a stolen broker key. SCRAM begins with a name and a nonce, and no more is said."""
    stolen = impostor(make_broker_certificate(authority_of(secured.files), ["127.0.0.1"], datetime.now(UTC)))
    password = secured.passwords[OURS]
    assert "in" not in verdicts(stolen.server, librdkafka_properties(OURS, password, secured.files.ca_file.read_text()))
    assert any(stolen.heard)
    assert not any(password.encode() in said for said in stolen.heard)


# --- The whole line, each part as its own principal


@pytest.mark.stack
@pytest.mark.clickhouse
@pytest.mark.long
def test_whole_line_works_with_the_planned_rights_and_no_more(tmp_path: Path) -> None:
    """Intake, totals, alerts and loader each as their own place, one organizer by its bundle, by the commands."""
    with line(tmp_path, secured=True) as up:
        assert up.stack.access is not None
        up.stack.data_dir.joinpath(STACK_FILE).write_text(json.dumps({"settings": up.stack.settings}))
        sent = _esep(up, "send", str(BETS), "--organizer", OURS, "--mapping", "bustabit", "--json")
        assert sent.returncode == 0, sent.stderr
        accepted = json.loads(sent.stdout)["events_accepted"]
        assert accepted > 9_000
        up.wait_rows("ledger", accepted)
        up.wait_rows("alerts", 1)
        up.wait_until("the books balance", lambda: reconcile(up.settings, up.register.bins).balanced)
        alerts = _esep(up, "alerts", "--json")
        assert alerts.returncode == 0, alerts.stderr
        up.wait_rows("alerts", len(alerts.stdout.splitlines()))
        assert alerts.stdout.startswith("{")
        about = json.loads(alerts.stdout.splitlines()[0])["alert_id"]
        judged = _esep(up, "alerts", "dispose", about, "--verdict", "CONFIRMED", "--reason", "As the books have it.")
        assert judged.returncode == 0, judged.stderr
        up.wait_rows("alert_dispositions", 1)
        up.wait_until("the books balance again", lambda: reconcile(up.settings, up.register.bins).balanced)
        verified = _esep(up, "totals", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        replayed = _esep(up, "replay", "--stage", "intake", "--json")
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        assert [stage["equal"] for stage in json.loads(replayed.stdout)["stages"]] == [True]
        lags = json.loads(_esep(up, "status", "--json").stdout)["lag"]
        assert {lag["group"] for lag in lags} == {"intake", "totals", "alerts", "loader"}
        assert not any(app.ended_at for app in up.stack.apps.values()), "an app had to be started again"
        authority = Authority(up.settings.bootstrap_servers, up.stack.access.security(ADMIN))
        assert authority.grants() == plan_of(up.settings, up.register.bins).grants
        for name, app in up.stack.apps.items():
            environment = psutil.Process(app.process.pid).environ()
            assert environment["ESEP_KAFKA_USER"] == name
            assert up.stack.access.password(name) not in environment.values()


def _esep(up: Line, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the `esep` command as a user of this machine would, without any setting of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("ESEP_")}
    return up.command(env, *arguments)
