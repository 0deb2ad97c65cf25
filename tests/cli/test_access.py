"""`esep access`, as an operator calls it: init refuses to write over, plan is pure, apply tells what it changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from esep.access_files import AccessFiles, read_bundle
from esep.cli.main import app
from esep.errors import FileUnusable, SettingInvalid
from esep.kafka_wire import connect
from tests.support.secured import ANSWER_S, OTHER, SPARE, Secured

ROOT = Path(__file__).resolve().parent.parent.parent
Esep = Callable[..., Result]


@pytest.fixture
def esep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Esep:
    monkeypatch.setenv("ESEP_REGISTER_FILE", str(ROOT / "examples" / "register.yaml"))
    monkeypatch.setenv("ESEP_DATA_DIR", str(tmp_path / "none"))
    return lambda *arguments: CliRunner().invoke(app, ["access", *map(str, arguments)])


def test_authority_is_made_once_and_no_secret_is_printed(esep: Esep, tmp_path: Path) -> None:
    answer = esep("init", tmp_path / "kafka", "--host", "kafka-1.example")
    assert answer.exit_code == 0
    files = AccessFiles(tmp_path / "kafka")
    assert files.password("admin") not in answer.output
    assert isinstance(esep("init", tmp_path / "kafka").exception, FileUnusable)
    before = files.broker_file.read_text()
    assert esep("renew", tmp_path / "kafka", "--host", "kafka-1.example").exit_code == 0
    assert files.broker_file.read_text() != before


def test_plan_is_told_without_any_broker_and_is_the_same_each_time(esep: Esep) -> None:
    told = json.loads(esep("plan", "--json").stdout)
    assert json.loads(esep("plan", "--json").stdout) == told
    assert {"intake-0", "operator", "compliance", OTHER} <= set(told["principals"])
    assert {"principal": OTHER, "kind": "TOPIC", "pattern": "LITERAL", "name": f"organizer.{OTHER}.events"} | {
        "operation": "WRITE"
    } in told["grants"]
    assert OTHER in esep("plan").stdout


def test_brokers_that_ask_nobody_are_not_applied_to(esep: Esep) -> None:
    answer = esep("apply")
    assert isinstance(answer.exception, SettingInvalid)
    assert "--files" in answer.exception.hint


@pytest.mark.kafka
def test_organizer_is_issued_revoked_and_issued_anew(
    esep: Esep, secured: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESEP_BOOTSTRAP_SERVERS", secured.servers)
    to_files = ["--files", str(secured.files.directory)]
    for _ in range(2):
        answer = esep("issue", SPARE, "--to", tmp_path / "handover", *to_files)
        assert answer.exit_code == 0, answer.exception
        servers, security = read_bundle(tmp_path / "handover")
        assert servers == secured.servers
        assert security["sasl.password"] not in answer.output
        connect(servers, security, ANSWER_S).close()
        assert esep("revoke", SPARE, *to_files).exit_code == 0
        with pytest.raises(SettingInvalid, match="refused"):
            connect(servers, security, ANSWER_S)
    secured.passwords[SPARE] = secured.authority.issue(SPARE)


@pytest.mark.kafka
def test_apply_prints_what_it_changed_and_then_that_all_is_as_planned(
    esep: Esep, secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The register has one organizer more than the broker, and it is taken away again."""
    monkeypatch.setenv("ESEP_BOOTSTRAP_SERVERS", secured.servers)
    to_files = ["--files", str(secured.files.directory)]
    first = esep("apply", *to_files)
    assert first.exit_code == 0, first.exception
    assert "+ 070941024691 TOPIC LITERAL organizer.070941024691.events WRITE" in first.stdout
    assert "+ quota 070941024691 request_percentage" in first.stdout
    assert esep("apply", *to_files).stdout.strip() == "everything is as planned"
    monkeypatch.setenv("ESEP_REGISTER_FILE", str(_register_of_three(secured.files.directory.parent)))
    back = esep("apply", *to_files)
    assert "- 070941024691 TOPIC LITERAL organizer.070941024691.events WRITE" in back.stdout
    assert "- quota 070941024691 request_percentage" in back.stdout
    assert esep("apply", *to_files).stdout.strip() == "everything is as planned"


@pytest.mark.kafka
def test_stranger_is_not_issued_a_password(esep: Esep, secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESEP_BOOTSTRAP_SERVERS", secured.servers)
    answer = esep("issue", "990340005977", "--files", secured.files.directory)
    assert isinstance(answer.exception, SettingInvalid)
    assert "990340005977" not in secured.authority.users()


def _register_of_three(folder: Path) -> Path:
    import yaml

    register = yaml.safe_load((ROOT / "examples" / "register.yaml").read_text(encoding="utf-8"))
    register["organizers"] = [one for one in register["organizers"] if one["bin"] != "070941024691"]
    path = folder / "register.yaml"
    path.write_text(yaml.safe_dump(register, allow_unicode=True), encoding="utf-8")
    return path
