"""Every setting of a worker reaches the shell, for each of the three stages."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from esep.certificates import make_ca
from esep.keys import make_routing_key
from esep.receipt_keys import make_receipt_keys
from esep.reference_topic import ReferenceReader
from esep.rule_topic import RuleFileReader
from esep.security import librdkafka_properties
from esep.stream_apps import launch
from esep.stream_apps.batches import Limits


@pytest.mark.parametrize("name", ["intake", "totals", "alerts"])
def test_settings_reach_the_shell(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_routing_key(tmp_path / "routing.key")
    make_receipt_keys(tmp_path, datetime.now(UTC))
    certificate = make_ca(datetime.now(UTC)).certificate
    (tmp_path / "ca.crt").write_text(certificate)
    (tmp_path / "password").write_text("vR3p-4kQ\n")
    given: dict[str, Any] = {}

    def run_worker(stage: Any, **options: Any) -> int:
        given.update(options, stage=stage.name, side_input=type(options["side_input"]))
        return 75

    monkeypatch.setattr(launch, "run_worker", run_worker)
    variables = {
        "BOOTSTRAP_SERVERS": "broker:9092",
        "ORDINAL": "3",
        "POLL_RECORDS_MAX": "7",
        "POLL_BYTES_MAX": "2048",
        "POLL_WAIT_MS": "5",
        "SESSION_TIMEOUT_MS": "6000",
        "STATUS_FILE": str(tmp_path / "status.json"),
        "KAFKA_SECURITY": "SASL_SSL",
        "KAFKA_CA_FILE": str(tmp_path / "ca.crt"),
        "KAFKA_USER": f"{name}-3",
        "KAFKA_PASSWORD_FILE": str(tmp_path / "password"),
        "ROUTING_KEY_FILE": str(tmp_path / "routing.key"),
        "RECEIPT_KEY_FILE": str(tmp_path / "receipt.key"),
    }
    for variable, value in variables.items():
        monkeypatch.setenv(f"ESEP_{variable}", value)
    assert import_module(f"esep.stream_apps.{name}.app").main() == 75
    assert given == {
        "stage": name,
        "bootstrap_servers": "broker:9092",
        "group": name,
        "ordinal": 3,
        "limits": Limits(records_max=7, bytes_max=2048, spacing_ms=5, session_timeout_ms=6000),
        "status_path": tmp_path / "status.json",
        "security": librdkafka_properties(f"{name}-3", "vR3p-4kQ", certificate),
        "side_input": {"intake": ReferenceReader, "alerts": RuleFileReader}.get(name, type(None)),
    }
