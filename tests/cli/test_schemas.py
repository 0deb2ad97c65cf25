"""`esep schemas` against a real registry."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from esep.cli.schemas import schemas
from esep.errors import RegistryUnavailable, SettingInvalid
from esep.schemas import all_schemas


def run(*arguments: str) -> tuple[int, str]:
    answer = CliRunner().invoke(schemas, list(arguments))
    if answer.exception and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer.exit_code, answer.stdout


def test_what_was_published_is_found_fine(registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clause D934-42."""
    code, text = run("publish", "--registry", registry)
    assert code == 0
    assert "FULL_TRANSITIVE" in text
    monkeypatch.setenv("ESEP_SCHEMA_REGISTRY_URL", registry)
    code, text = run("check", "--json")
    told = json.loads(text)
    assert code == 0
    assert {(one["record"], one["version"]) for one in told} == {(one.record, one.version) for one in all_schemas()}
    assert all(one["id"] and not one["faults"] for one in told)


def test_registry_must_be_named_and_answer() -> None:
    with pytest.raises(SettingInvalid, match="no registry is named"):
        run("check")
    with pytest.raises(RegistryUnavailable):
        run("publish", "--registry", "http://127.0.0.1:9")
