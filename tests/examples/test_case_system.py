"""The example of a case system files each alert once, whatever is repeated, and goes on where it was killed."""

from __future__ import annotations

import random
import sqlite3
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from esep.admin import create_topics
from esep.codec import encode_one
from esep.embedded.kafka import KafkaBroker
from esep.schemas import schema
from esep.settings import Settings
from esep.topics import ALERTS, Topic
from tests.sinks.line import alerts

FILE = Path(__file__).resolve().parent.parent.parent / "examples" / "case_system.py"
SPEC = spec_from_file_location("case_system", FILE)
assert SPEC is not None
assert SPEC.loader is not None
case_system: Any = module_from_spec(SPEC)
sys.modules["case_system"] = case_system
SPEC.loader.exec_module(case_system)

REVISIONS = alerts(12, partition=0)  # Six alerts, each opened and withdrawn.
VALUES = [encode_one(one, schema("alert")) for one in REVISIONS]
EXPECTED = sorted((one["alert_id"], 2, "WITHDRAWN") for one in REVISIONS[::2])


def tables(cases: sqlite3.Connection) -> tuple[list[Any], int]:
    rows = cases.execute("SELECT alert_id, revision, status FROM cases ORDER BY alert_id").fetchall()
    return rows, cases.execute("SELECT count(*) FROM revisions").fetchone()[0]


@given(st.randoms(), st.integers(1, 5))
def test_repetitions_in_any_order_and_any_cut_end_with_the_same_cases(draw: random.Random, size: int) -> None:
    """At least once, as an adversary likes: every revision comes, some again, old ones after new ones."""
    values = VALUES + draw.choices(VALUES, k=8)
    draw.shuffle(values)
    cases = case_system.open_cases(":memory:")
    for start in range(0, len(values), size):
        case_system.file_alerts(cases, values[start : start + size])
    assert tables(cases) == (EXPECTED, 12)
    cases.close()


def test_batch_that_cannot_be_read_is_filed_not_at_all() -> None:
    cases = case_system.open_cases(":memory:")
    with pytest.raises(ValueError, match="another schema id"):
        case_system.file_alerts(cases, [VALUES[0], b"\x00none"])
    assert tables(cases) == ([], 0)
    cases.close()


@pytest.mark.kafka
def test_consumer_that_dies_before_kafka_knows_goes_on_and_files_each_alert_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between SQLite's commit and Kafka's, the next one reads the same batch again."""
    with KafkaBroker(tmp_path / "kafka") as broker:
        create_topics(broker.bootstrap_servers, [Topic(ALERTS, 2, "person_key", "alerts", ())], 1)
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        for place, value in enumerate(VALUES):
            producer.produce(ALERTS, value, partition=place // 2 % 2)
        assert producer.flush(30) == 0
        settings, file = Settings(bootstrap_servers=broker.bootstrap_servers), tmp_path / "cases.sqlite"
        filed = case_system.file_alerts

        def file_and_die(cases: sqlite3.Connection, values: list[bytes]) -> None:
            filed(cases, values)
            raise KeyboardInterrupt

        monkeypatch.setattr(case_system, "file_alerts", file_and_die)
        with pytest.raises(KeyboardInterrupt):
            case_system.run(settings, file, follow=False)
        read: list[bytes] = []
        monkeypatch.setattr(
            case_system, "file_alerts", lambda cases, values: (filed(cases, values), read.extend(values))
        )
        case_system.run(settings, file, follow=False)
        assert sorted(read) == sorted(VALUES), "all of it again, for Kafka had been told of nothing"
        assert tables(sqlite3.connect(file)) == (EXPECTED, 12)
        read.clear()
        case_system.run(settings, file, follow=False)
        assert read == []
