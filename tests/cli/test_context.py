"""Which line a command talks to: the environment's, else the one that runs below the data directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from esep.cli.context import STACK_FILE, settings_of


def test_running_line_is_found_in_its_data_directory(tmp_path: Path) -> None:
    (tmp_path / STACK_FILE).write_text(json.dumps({"settings": {"bootstrap_servers": "127.0.0.1:15001"}}))
    assert settings_of(tmp_path).bootstrap_servers == "127.0.0.1:15001"


def test_environment_goes_before_the_running_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / STACK_FILE).write_text(json.dumps({"settings": {"bootstrap_servers": "127.0.0.1:15001"}}))
    monkeypatch.setenv("ESEP_BOOTSTRAP_SERVERS", "kafka:9092")
    assert settings_of(tmp_path).bootstrap_servers == "kafka:9092"


def test_without_either_the_defaults_hold(tmp_path: Path) -> None:
    assert settings_of(tmp_path).bootstrap_servers == "127.0.0.1:9092"
