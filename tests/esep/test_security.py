"""Settings become the properties of each client library, or an error that names what is missing."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import confluent_kafka as ck
import pytest

from esep.certificates import make_ca
from esep.errors import SettingInvalid
from esep.security import PLAIN, aiokafka_properties, client_security, librdkafka_properties
from esep.settings import Settings

CA = make_ca(datetime.now(UTC)).certificate


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "ca.crt").write_text(CA)
    (tmp_path / "password").write_text("vR3p-4kQ\n")
    return Settings(
        kafka_security="SASL_SSL",
        kafka_ca_file=tmp_path / "ca.crt",
        kafka_user="intake-0",
        kafka_password_file=tmp_path / "password",
    )


def test_plain_line_adds_nothing_to_a_client() -> None:
    assert client_security(Settings()) == {}
    assert aiokafka_properties(PLAIN) == {}


def test_librdkafka_takes_the_properties_and_verifies_the_host_name(settings: Settings) -> None:
    security = client_security(settings)
    assert security == librdkafka_properties("intake-0", "vR3p-4kQ", CA)
    assert security["ssl.endpoint.identification.algorithm"] == "https"
    ck.Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0, **security}).purge()


def test_aiokafka_is_told_the_same_and_trusts_this_authority_alone(settings: Settings) -> None:
    told = aiokafka_properties(client_security(settings))
    context = told.pop("ssl_context")
    assert told == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "intake-0",
        "sasl_plain_password": "vR3p-4kQ",
    }
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("name", ["kafka_ca_file", "kafka_user", "kafka_password_file"])
def test_setting_that_is_missing_is_named(settings: Settings, name: str) -> None:
    lacking = settings.model_copy(update={name: None})
    with pytest.raises(SettingInvalid) as caught:
        client_security(lacking)
    assert f"ESEP_{name.upper()}" == caught.value.detail


def test_file_that_cannot_be_read_is_named_and_no_password_told(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").unlink()
    with pytest.raises(SettingInvalid, match="ESEP_KAFKA_CA_FILE") as caught:
        client_security(settings)
    assert "vR3p" not in str(caught.value)
