"""File alerts into a table of cases: a small consumer of `compliance.alerts`, to begin your own with.

Reads     `compliance.alerts`, committed records only, in the consumer group `compliance`
Writes    an SQLite file: `cases`, a row per alert as it is now; `revisions`, a row per revision
Promises  a record that is read twice changes nothing: SQLite commits before Kafka does (at least once), and a case only
          ever moves on to a higher revision

    ESEP_BOOTSTRAP_SERVERS=… python examples/case_system.py cases.sqlite        # to the present end, then it ends
    ESEP_BOOTSTRAP_SERVERS=… python examples/case_system.py cases.sqlite --follow
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from esep.errors import BrokerUnavailable
from esep.registry import adopt
from esep.security import client_security
from esep.settings import Settings, load_settings
from esep.topics import ALERTS, COMPLIANCE
from esep.versions import decode_record

TABLES = """
CREATE TABLE IF NOT EXISTS cases (
    alert_id TEXT PRIMARY KEY, revision INTEGER NOT NULL, status TEXT NOT NULL, rule_id TEXT NOT NULL,
    severity TEXT NOT NULL, iin TEXT NOT NULL, occurred_at TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS revisions (
    alert_id TEXT NOT NULL, revision INTEGER NOT NULL, content TEXT NOT NULL, PRIMARY KEY (alert_id, revision)
) STRICT;
"""
UPSERT = """
INSERT INTO cases VALUES (:alert_id, :revision, :status, :rule_id, :severity, :iin, :occurred_at, :reason_ru)
ON CONFLICT (alert_id) DO UPDATE SET
    revision = excluded.revision, status = excluded.status, severity = excluded.severity,
    occurred_at = excluded.occurred_at, reason = excluded.reason
WHERE excluded.revision > cases.revision
"""
BATCH, WAIT_S = 500, 0.5
GIVEN_S_MAX = 60.0  # A member that was killed leaves the group after 45 s of silence.


def open_cases(path: Path) -> sqlite3.Connection:
    """Return the file with its tables."""
    cases = sqlite3.connect(path)
    cases.executescript(TABLES)
    return cases


def file_alerts(cases: sqlite3.Connection, values: Iterable[bytes]) -> None:
    """File message values in one transaction; repetitions and any order end with the same tables."""
    with cases:
        for value in values:
            alert = decode_record(value, "alert")
            content = json.dumps(alert, default=str, ensure_ascii=False, sort_keys=True)
            flat = {**alert, "occurred_at": alert["occurred_at"].isoformat()}
            cases.execute(
                "INSERT OR IGNORE INTO revisions VALUES (?, ?, ?)", (alert["alert_id"], alert["revision"], content)
            )
            cases.execute(UPSERT, {name: flat[name] for name in _COLUMNS})


_COLUMNS = ("alert_id", "revision", "status", "rule_id", "severity", "iin", "occurred_at", "reason_ru")


def run(settings: Settings, path: Path, *, follow: bool) -> None:
    """File what comes, from where the group stands; to the present end, or on and on."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            **client_security(settings),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "group.id": COMPLIANCE,
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([ALERTS])
    try:
        with closing(open_cases(path)) as cases:
            for messages in _batches(consumer, follow=follow):
                file_alerts(cases, [message.value() or b"" for message in messages])
                consumer.commit(asynchronous=False)  # Behind SQLite's commit: what is between them is read again.
    finally:
        consumer.close()


def _batches(consumer: Consumer, *, follow: bool) -> Iterator[list[Message]]:
    ended: set[int] = set()
    give_up_at = time.monotonic() + GIVEN_S_MAX
    while follow or not ended or ended != {one.partition for one in consumer.assignment()}:
        if not (follow or consumer.assignment()) and time.monotonic() > give_up_at:
            raise BrokerUnavailable("the group gave no partition", hint="does another case system run?")
        got = consumer.consume(BATCH, WAIT_S)
        if messages := [message for message in got if message.error() is None]:
            ended -= {message.partition() for message in messages}
            yield messages
        for message in got:
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
            elif error is not None:
                raise KafkaException(error)


def main(arguments: list[str]) -> None:
    """Run by the environment's settings."""
    parser = argparse.ArgumentParser(description="File alerts into a table of cases.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--follow", action="store_true")
    asked = parser.parse_args(arguments)
    settings = load_settings()
    adopt(settings)  # Ids of schemas may come from a registry.
    run(settings, asked.file, follow=asked.follow)


if __name__ == "__main__":
    main(sys.argv[1:])
