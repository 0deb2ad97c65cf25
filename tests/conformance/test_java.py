"""Apache's own Avro and Kafka libraries, in Java, read the golden files as we wrote them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import confluent_kafka as ck
import numpy as np
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from esep.clock import to_ms
from esep.embedded.kafka import KafkaBroker
from esep.producers.offline import Messages, OfflineIntake
from esep.register import load_register
from esep.topics import events_topic
from tests.stream_apps.intake.made_up import NOW

ROOT = Path(__file__).resolve().parents[2]
JAVA = ROOT / "conformance" / "java"
ORGANIZER, PARTITIONS = "940140000385", 4
MISSING = [name for name in ("javac", "mvn") if shutil.which(name) is None]
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(bool(MISSING), reason=f"Java's check of the golden files needs {' and '.join(MISSING)}"),
]
WHOLE = pytest.mark.skipif(os.environ.get("ESEP_JAVA") != "all", reason="`make conformance-java` runs it")


def run(main_class: str, build: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Compile the classes of conformance/java and run one of them, as `make conformance-java` does."""
    command = ["mvn", "--batch-mode", "--quiet", "--file", str(JAVA / "pom.xml"), "compile", "exec:java"]
    command += [f"-Dexec.mainClass=kz.esep.conformance.{main_class}", f"-Dexec.args={' '.join(arguments)}"]
    answer = subprocess.run(
        [*command, f"-Dbuild.folder={build}"], capture_output=True, text=True, timeout=280, check=False
    )
    if "Could not transfer" in answer.stdout or "has not been downloaded" in answer.stdout:
        pytest.skip("Maven cannot fetch the libraries here")
    return answer


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Maven puts what it compiles: once for all tests."""
    return tmp_path_factory.mktemp("java")


def test_java_agrees_on_every_record_partition_instrument_receipt_and_proof(build: Path) -> None:
    """Clause D934-42: the contract is what the schema says, whoever reads it."""
    answer = run("Golden", build, str(ROOT))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    records = (ROOT / "conformance" / "records.jsonl").read_text(encoding="utf-8").splitlines()
    assert f"records {sum(json.loads(line)['fields'] is not None for line in records)}" in answer.stdout
    assert "receipts 8" in answer.stdout
    assert "proofs 9" in answer.stdout


@WHOLE
def test_java_notices_what_differs(build: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "conformance", tmp_path / "conformance", ignore=shutil.ignore_patterns("java"))
    changes = {
        "records.jsonl": ('"amount_tiyn": 50000', '"amount_tiyn": 50001'),
        "partitions.jsonl": ('"murmur2": ', '"murmur2": 1'),
        "receipts.jsonl": ('"genuine": true', '"genuine": false'),
        "proofs.jsonl": ('"holds": false', '"holds": true'),
    }
    for name, (was, now) in changes.items():
        path = tmp_path / "conformance" / name
        path.write_text(path.read_text(encoding="utf-8").replace(was, now, 1), encoding="utf-8")
    answer = run("Golden", build, str(tmp_path))
    assert answer.returncode != 0
    for what in ("wager-plain: fields", "murmur2", "genuine-1: genuine", "message-changed: holds"):
        assert what in answer.stdout + answer.stderr


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[str]:
    """A broker of its own, since the example has a topic that others use; its address."""
    with KafkaBroker(tmp_path / "kafka") as started:
        admin = AdminClient({"bootstrap.servers": started.bootstrap_servers})
        stamped = {"message.timestamp.type": "LogAppendTime"}
        for created in admin.create_topics([NewTopic(events_topic(ORGANIZER), PARTITIONS, 1, config=stamped)]).values():
            created.result()
        yield started.bootstrap_servers


def only_message(bootstrap_servers: str) -> ck.Message:
    """Return the message on the organizer's topic, as soon as it is there."""
    topic = events_topic(ORGANIZER)
    consumer = ck.Consumer(
        {"bootstrap.servers": bootstrap_servers, "group.id": uuid.uuid4().hex, "enable.auto.commit": False}
    )
    try:
        consumer.assign([ck.TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        deadline_s = time.monotonic() + 60
        while time.monotonic() < deadline_s:
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                return message
        raise AssertionError("nothing came")
    finally:
        consumer.close()


@pytest.mark.kafka
@WHOLE
def test_example_of_the_page_sends_what_intake_takes(own_broker: str, build: Path) -> None:
    """Clauses O9-4.2, O9-4.3: the bytes, key and partition of Kafka's own Java client pass every check."""
    schema = str(ROOT / "schemas" / "wager" / "v1.avsc")
    answer = run("SendOne", build, own_broker, schema, str(to_ms(NOW) - 1))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "at offset 0" in answer.stdout
    sent = only_message(own_broker)
    offline = OfflineIntake(ORGANIZER, PARTITIONS, load_register(ROOT / "examples" / "register.yaml"))
    at, received_ms = np.array([sent.partition()]), np.array([to_ms(NOW)])
    (verdict,) = offline.check(Messages([sent.key()], [sent.value()], at, received_ms)).rows(named=True)
    assert verdict["reject_code"] is None
    assert (verdict["stream_id"], verdict["sequence"], verdict["partition"]) == ("cash-desk-9", 1, sent.partition())
