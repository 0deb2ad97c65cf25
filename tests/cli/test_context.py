"""Which line a command talks to: the environment's, else the one that runs below the data directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from esep.access_files import AccessFiles
from esep.cli.context import ACCESS_DIR, STACK_FILE, settings_of


def test_running_line_is_found_in_its_data_directory(tmp_path: Path) -> None:
    (tmp_path / STACK_FILE).write_text(json.dumps({"settings": {"bootstrap_servers": "127.0.0.1:15001"}}))
    assert settings_of(tmp_path).bootstrap_servers == "127.0.0.1:15001"


def test_environment_goes_before_the_running_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / STACK_FILE).write_text(json.dumps({"settings": {"bootstrap_servers": "127.0.0.1:15001"}}))
    monkeypatch.setenv("ESEP_BOOTSTRAP_SERVERS", "kafka:9092")
    assert settings_of(tmp_path).bootstrap_servers == "kafka:9092"


def test_without_either_the_defaults_hold(tmp_path: Path) -> None:
    assert settings_of(tmp_path).bootstrap_servers == "127.0.0.1:9092"


def test_secured_line_is_spoken_to_as_the_principal_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / STACK_FILE).write_text(json.dumps({"settings": {"bootstrap_servers": "127.0.0.1:15001"}}))
    AccessFiles(tmp_path / ACCESS_DIR).init()
    settings = settings_of(tmp_path, "compliance")
    assert (settings.kafka_security, settings.kafka_user) == ("SASL_SSL", "compliance")
    assert settings.kafka_password_file == tmp_path / ACCESS_DIR / "passwords" / "compliance"
    assert settings_of(tmp_path).kafka_user == "operator"


def test_files_that_are_named_go_before_those_of_the_line(tmp_path: Path) -> None:
    (tmp_path / STACK_FILE).write_text(json.dumps({"settings": {}}))
    for name in (ACCESS_DIR, "cluster"):
        AccessFiles(tmp_path / name).init()
    assert settings_of(tmp_path, "admin", tmp_path / "cluster").kafka_ca_file == tmp_path / "cluster" / "ca.crt"


def test_line_that_has_ended_leaves_nobody_to_speak_to_by_password(tmp_path: Path) -> None:
    AccessFiles(tmp_path / ACCESS_DIR).init()
    assert settings_of(tmp_path).kafka_security == "PLAINTEXT"


def test_brokers_that_the_environment_names_are_not_told_the_passwords_of_the_line_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / STACK_FILE).write_text(json.dumps({"settings": {"bootstrap_servers": "127.0.0.1:15001"}}))
    AccessFiles(tmp_path / ACCESS_DIR).init()
    monkeypatch.setenv("ESEP_BOOTSTRAP_SERVERS", "kafka:9092")
    assert settings_of(tmp_path).kafka_security == "PLAINTEXT"


def test_principal_of_the_environment_acts_by_its_own_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / STACK_FILE).write_text(json.dumps({"settings": {"bootstrap_servers": "127.0.0.1:15001"}}))
    AccessFiles(tmp_path / ACCESS_DIR).init()
    monkeypatch.setenv("ESEP_KAFKA_USER", "admin")
    settings = settings_of(tmp_path, "compliance")
    assert settings.kafka_user == "admin"
    assert settings.kafka_password_file == tmp_path / ACCESS_DIR / "passwords" / "admin"
