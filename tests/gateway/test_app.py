"""The gateway does not begin where somebody could listen in, and ends when it is asked to."""

from __future__ import annotations

import asyncio
import signal
import ssl
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from esep.certificates import make_broker_certificate, make_ca
from esep.errors import SettingInvalid
from esep.gateway.app import ca_of, limits_of, refuse_in_the_clear, serve, tls_of
from esep.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
ISSUED = make_broker_certificate(make_ca(datetime.now(UTC)), ["127.0.0.1"], datetime.now(UTC))


def settings(**given: object) -> Settings:
    return Settings.model_validate(given)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    certificate, key = tmp_path / "gateway.pem", tmp_path / "gateway.key"
    certificate.write_text(ISSUED.certificate)
    key.write_text(ISSUED.key)
    return {"gateway_cert_file": certificate, "gateway_key_file": key}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.0.1"])
def test_loopback_is_open_to_a_plain_line_without_tls(host: str) -> None:
    refuse_in_the_clear(settings(gateway_host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "gateway.example"])
def test_any_other_address_needs_tls_and_brokers_that_ask(host: str, files: dict[str, Path]) -> None:
    with pytest.raises(SettingInvalid, match="without TLS"):
        refuse_in_the_clear(settings(gateway_host=host, kafka_security="SASL_SSL"))
    with pytest.raises(SettingInvalid, match="plain line"):
        refuse_in_the_clear(settings(gateway_host=host, **files))
    refuse_in_the_clear(settings(gateway_host=host, kafka_security="SASL_SSL", **files))


def test_certificate_is_used_from_tls_1_2_on_or_refused_with_a_word(files: dict[str, Path], tmp_path: Path) -> None:
    context = tls_of(settings(**files))
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert tls_of(settings()) is None
    for wrong in (tmp_path / "nosuch", Path(__file__)):
        with pytest.raises(SettingInvalid, match="cannot be used"):
            tls_of(settings(**files | {"gateway_cert_file": wrong}))


def test_brokers_that_ask_need_their_ca(tmp_path: Path) -> None:
    assert ca_of(settings()) is None
    with pytest.raises(SettingInvalid, match="SASL_SSL"):
        ca_of(settings(kafka_security="SASL_SSL"))
    (tmp_path / "ca.crt").write_text("PEM")
    assert ca_of(settings(kafka_security="SASL_SSL", kafka_ca_file=tmp_path / "ca.crt")) == "PEM"


def test_every_limit_is_a_setting() -> None:
    limits = limits_of(
        settings(
            gateway_body_bytes_max=2048,
            gateway_events_max=3,
            gateway_requests_max=5,
            gateway_organizer_requests_max=2,
            gateway_read_ms=700,
        )
    )
    assert (limits.body_bytes_max, limits.events_max, limits.requests_max) == (2048, 3, 5)
    assert (limits.organizer_requests_max, limits.read_s) == (2, 0.7)


def test_address_that_cannot_be_had_is_said() -> None:
    with pytest.raises(SettingInvalid, match="cannot listen"):
        asyncio.run(serve(settings(gateway_host="192.0.2.7", gateway_port=1), None, None))


def test_process_ends_in_order_when_it_is_asked_to() -> None:
    started = subprocess.Popen(
        [sys.executable, "-m", "esep.cli", "run", "gateway"],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "ESEP_GATEWAY_PORT": "0"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert started.stderr is not None
        assert "listening on" in next(iter(started.stderr))
        started.send_signal(signal.SIGTERM)
        assert started.wait(30) == 0
    finally:
        started.kill()
        started.communicate()
