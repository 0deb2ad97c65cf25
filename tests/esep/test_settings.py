"""Every setting is described, set by its variable, and refused by name where it is out of range."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import ValidationError

from esep.errors import SettingInvalid
from esep.settings import Settings, load_settings

FIELDS = Settings.model_fields
each_setting = pytest.mark.parametrize("name", sorted(FIELDS))
SECRET = "correct-horse-battery-staple"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FIELDS:
        monkeypatch.delenv(f"ESEP_{name.upper()}", raising=False)


def variable(name: str) -> str:
    return f"ESEP_{name.upper()}"


def other_value(name: str) -> tuple[str, Any]:
    """Return a text that the variable may have, other than its default, and what it stands for."""
    kind = FIELDS[name].annotation
    if kind is int:
        number = FIELDS[name].default + 1
        return str(number), number
    if get_origin(kind) is Literal:
        other = next(one for one in get_args(kind) if one != FIELDS[name].default)
        return other, other
    return ("/run/secrets/other", Path("/run/secrets/other")) if kind is not str else ("other", "other")


@each_setting
def test_setting_says_what_it_means(name: str) -> None:
    description = FIELDS[name].description or ""
    assert description.endswith((".", "…"))
    assert description[0].isupper()


@each_setting
def test_setting_has_a_default_that_is_in_range(name: str) -> None:
    assert not FIELDS[name].is_required()
    assert getattr(load_settings(), name) == FIELDS[name].default
    assert Settings.model_validate({name: FIELDS[name].default})


@each_setting
def test_variable_sets_its_setting_and_no_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = other_value(name)
    monkeypatch.setenv(variable(name), text)
    changed = load_settings().model_dump()
    assert changed == {**Settings().model_dump(), name: value}
    assert changed[name] != FIELDS[name].default


@each_setting
def test_variable_wins_over_a_callers_default_and_that_over_ours(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = other_value(name)
    assert getattr(load_settings({name: text}), name) == value
    monkeypatch.setenv(variable(name), text)
    callers = "callers" if FIELDS[name].annotation in {str, Path, Path | None} else str(FIELDS[name].default)
    assert getattr(load_settings({name: callers}), name) == value


@pytest.mark.parametrize("name", sorted(name for name in FIELDS if FIELDS[name].annotation is int))
@pytest.mark.parametrize("bad", ["many", "-1", "1.5", "", SECRET])
def test_value_out_of_range_is_refused_by_its_variable(name: str, bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable(name), bad)
    with pytest.raises(SettingInvalid) as caught:
        load_settings()
    assert variable(name) in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.exit_code == 2


def test_every_variable_out_of_range_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESEP_ORDINAL", "-1")
    monkeypatch.setenv("ESEP_LEDGER_PARTITIONS", "0")
    with pytest.raises(SettingInvalid, match=r"ESEP_ORDINAL.*ESEP_LEDGER_PARTITIONS"):
        load_settings()


def test_callers_default_out_of_range_is_refused_too() -> None:
    with pytest.raises(SettingInvalid, match="ESEP_ORDINAL"):
        load_settings({"ordinal": "-1"})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().ordinal = 1  # type: ignore[misc]


def test_secret_is_the_content_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "routing.key").write_bytes(bytes(range(32)))
    monkeypatch.setenv("ESEP_ROUTING_KEY_FILE", str(tmp_path / "routing.key"))
    assert load_settings().secret("routing_key_file") == bytes(range(32))


def test_password_is_the_line_in_its_file_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().clickhouse_password == ""
    (tmp_path / "password").write_text(f"{SECRET}\n")
    monkeypatch.setenv("ESEP_CLICKHOUSE_PASSWORD_FILE", str(tmp_path / "password"))
    assert load_settings().clickhouse_password == SECRET


@pytest.mark.parametrize("name", sorted(name for name in FIELDS if name.endswith(("key_file", "password_file"))))
def test_secret_that_cannot_be_read_is_refused_by_its_variable(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable(name), str(tmp_path / "gone"))
    loaded = load_settings()
    with pytest.raises(SettingInvalid, match=variable(name)):
        _ = loaded.clickhouse_password if name.startswith("clickhouse") else loaded.secret(name)


def test_settings_hold_paths_of_secrets_and_never_the_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed, logged or dumped of the settings gives nothing away."""
    (tmp_path / "password").write_text(SECRET)
    monkeypatch.setenv("ESEP_CLICKHOUSE_PASSWORD_FILE", str(tmp_path / "password"))
    loaded = load_settings()
    assert loaded.clickhouse_password == SECRET
    assert SECRET not in repr(loaded) + str(loaded) + loaded.model_dump_json()
