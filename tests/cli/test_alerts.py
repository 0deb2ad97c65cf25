"""What a consumer of alerts sees: committed revisions, in order, to the topic's end."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from esep.admin import create_topics
from esep.cli.alerts import alert_line, read_alerts
from esep.cli.main import app
from esep.codec import encode_one
from esep.embedded.kafka import KafkaBroker
from esep.errors import BrokerUnavailable, UsageError
from esep.schemas import schema
from esep.topics import ALERTS, Topic


def an_alert(revision: int, status: str) -> dict[str, Any]:
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    texts = ("cause_topic", "rule_id", "severity", "mode", "bucket", "reason_kk", "reason_ru", "basis")
    return {
        **dict.fromkeys(texts, "WIN_THRESHOLD"),
        **dict.fromkeys(("row", "cause_partition", "cause_offset", "rule_version", "reference_version"), 1),
        "received_at": at,
        "occurred_at": at,
        "alert_id": "0" * 32,
        "revision": revision,
        "status": status,
        "iin": "900101300007",
        "organizer_bins": ["940140000385"],
        "reason_en": "Winnings were paid.",
        "observations": [{"name": "winnings_sum", "value": 100_000_000, "threshold": 100_000_000, "unit": "tiyn"}],
        "evidence": [],
    }


def test_line_names_status_rule_person_and_values() -> None:
    line = alert_line(an_alert(1, "OPEN"))
    expected = ("OPEN", "WIN_THRESHOLD v1", "900101300007", "[winnings_sum 100,000,000 (≥ 100,000,000)]")
    assert all(part in line for part in expected)


def test_line_of_an_alert_without_a_person_names_what_it_is_about() -> None:
    nobody = {**an_alert(1, "OPEN"), "iin": "", "organizer_bin": None, "instrument_hash": "5a" * 32}
    assert "v1 instrument 5a5a5a5a5a5a5a5a: " in alert_line(nobody)
    silent = {**nobody, "instrument_hash": None, "organizer_bin": "940140000385"}
    assert "v1 organizer 940140000385: " in alert_line(silent)


@pytest.mark.kafka
def test_only_committed_alerts_are_read_and_the_reading_ends(tmp_path: Path) -> None:
    with KafkaBroker(tmp_path) as own:
        create_topics(own.bootstrap_servers, [Topic(ALERTS, 2, "person_key", "alerts", ())], 1)
        producer = Producer({"bootstrap.servers": own.bootstrap_servers, "transactional.id": "alerts-test"})
        producer.init_transactions(30)
        for revision, (status, commit) in enumerate((("OPEN", True), ("UPDATED", False), ("WITHDRAWN", True)), start=1):
            producer.begin_transaction()
            producer.produce(ALERTS, encode_one(an_alert(revision, status), schema("alert")), partition=1)
            producer.flush(10)
            (producer.commit_transaction if commit else producer.abort_transaction)(30)
        seen = [alert["status"] for alert in read_alerts(own.bootstrap_servers, follow=False)]
        assert seen == ["OPEN", "WITHDRAWN"]


@pytest.mark.parametrize("options", [["--json"], ["--follow"], ["--data-dir", "elsewhere"]])
def test_option_before_a_command_below_is_refused_and_not_passed_over(options: list[str]) -> None:
    answer = CliRunner().invoke(app, ["alerts", *options, "show", "0" * 32])
    assert isinstance(answer.exception, UsageError)
    assert f"{options[0]} stands before show" in str(answer.exception)


def test_absent_broker_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("esep.cli.alerts._ANSWER_S", 0.3)
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:9"):
        list(read_alerts("127.0.0.1:9", follow=False))
