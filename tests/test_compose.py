"""docker-compose.yml and Dockerfile, as far as they can be checked without an engine: names, settings, commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from esep import __version__
from esep.cli.main import app
from esep.embedded.artifacts import read_lock
from esep.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)


def test_every_part_of_the_line_has_a_service() -> None:
    assert {"kafka", "clickhouse", "setup", "keys", "intake", "totals", "alerts", "loader"} == set(SERVICES)


@pytest.mark.parametrize("name", OURS)
def test_command_of_a_service_is_one_of_the_command_line(name: str) -> None:
    """`--help` after the real arguments: the command and its options must exist, nothing is run."""
    answer = CliRunner().invoke(app, [*SERVICES[name]["command"], "--help"])
    assert answer.exit_code == 0, answer.output


@pytest.mark.parametrize("name", OURS)
def test_environment_of_a_service_names_settings_that_exist(name: str) -> None:
    known = {f"ESEP_{field.upper()}" for field in Settings.model_fields}
    assert set(SERVICES[name].get("environment", {})) <= known


def test_every_secret_and_volume_that_is_used_is_declared() -> None:
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        named = {volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith(".")}
        assert named <= set(COMPOSE["volumes"])


def test_broker_is_of_the_version_that_is_tested_here() -> None:
    """Others lose the ends of transactions: decision 0005."""
    version = next(jar.coordinate.rsplit(":", 1)[1] for jar in read_lock() if ":kafka_2.13:" in jar.coordinate)
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}"


def test_parts_wait_for_what_they_need() -> None:
    for name in ("intake", "totals", "alerts", "loader"):
        assert SERVICES[name]["depends_on"] == {"setup": {"condition": "service_completed_successfully"}}
    assert set(SERVICES["setup"]["depends_on"]) == {"kafka", "clickhouse"}
    assert all("healthcheck" in SERVICES[name] for name in ("kafka", "clickhouse"))


def test_image_is_tagged_with_our_version() -> None:
    assert {SERVICES[name]["image"] for name in OURS} == {f"esep:{__version__}"}


def test_dockerfile_copies_what_exists_and_runs_as_a_user() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for source in re.findall(r"^COPY (\S+) ", text, re.MULTILINE):
        assert (ROOT / source).exists()
    assert re.search(r"^USER esep$", text, re.MULTILINE)
    assert "--require-hashes" in text
