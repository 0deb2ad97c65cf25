"""`esep reference`: a file is shown before it is published, publishes once, and of persons only counts are told."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from esep.cli.main import app
from esep.cli.reference import load_first, make_topics
from esep.embedded.kafka import KafkaBroker
from esep.errors import FileUnusable, SettingInvalid, UsageError
from esep.settings import load_settings
from esep.topics import events_topic

ROOT = Path(__file__).resolve().parents[2]
REGISTER = ROOT / "examples" / "register.yaml"
IIN = "900101300007"
LIST = f"list,iin,valid_from,valid_to\nDEBTOR,{IIN},2026-01-01,\nDEBTOR,900101300811,2026-01-01,\n"
NEW_BIN = "160541000004"


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    """A broker of its own: the topic has one name, and the whole line's topics are made."""
    with tempfile.TemporaryDirectory(prefix="esep-kafka-") as data_dir, KafkaBroker(Path(data_dir)) as broker:
        yield broker.bootstrap_servers


@pytest.fixture
def esep(servers: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("ESEP_BOOTSTRAP_SERVERS", servers)
    monkeypatch.setenv("ESEP_DATA_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: Any) -> Result:
        return CliRunner().invoke(app, ["reference", *map(str, arguments)])

    return run


def shown(esep: Any, *kind: str) -> Any:
    return json.loads(esep("show", *kind, "--json").output)


@pytest.mark.kafka
def test_from_an_empty_broker_to_superseded_facts(esep: Any, servers: str, tmp_path: Path) -> None:
    """One story, told in order, for the topic is one."""
    assert isinstance(esep("show").exception, SettingInvalid), "there is no topic yet"
    make_topics(load_settings(), [])
    _first_load_publishes_and_the_second_nothing(esep)
    _new_organizer_has_its_topics_and_a_changed_one_supersedes(esep, servers, tmp_path)
    _persons_are_counted_and_never_named(esep, tmp_path)
    _wrong_file_changes_nothing(esep, tmp_path)


def _first_load_publishes_and_the_second_nothing(esep: Any) -> None:
    first = esep("load", REGISTER)
    assert first.exit_code == 0, first.output
    assert "+ ORGANIZER 940140000385" in first.output
    assert "published" in first.output
    before = shown(esep)
    load_first(load_settings())  # What `esep setup` does: nothing, where something was published before.
    again = esep("load", REGISTER)
    assert again.exit_code == 0
    assert "all of it is published already" in again.output
    assert shown(esep) == before
    assert before["counts"]["ORGANIZER"] == 4
    assert before["loads"] == 1


def _new_organizer_has_its_topics_and_a_changed_one_supersedes(esep: Any, servers: str, tmp_path: Path) -> None:
    content = yaml.safe_load(REGISTER.read_text("utf-8"))
    content["organizers"] = content["organizers"][:2]
    content["organizers"][0]["name_ru"] = "БК «Алатау»"
    content["organizers"][1]["bin"] = NEW_BIN
    content["holidays"] = [{"day": "2026-12-16", "kind": "DAY_OFF", "name_kk": "Күн", "name_ru": "День"}]
    file = tmp_path / "reference.yaml"
    file.write_text(yaml.safe_dump(content, allow_unicode=True))
    dry = esep("load", file, "--dry-run")
    assert "nothing was changed" in dry.output
    assert shown(esep)["loads"] == 1
    assert events_topic(NEW_BIN) not in AdminClient({"bootstrap.servers": servers}).list_topics(timeout=10).topics
    answer = esep("load", file)
    for line in (f"+ ORGANIZER {NEW_BIN}", "+ HOLIDAY 2026-12-16", "~ ORGANIZER 940140000385"):
        assert line in dry.output
        assert line in answer.output
    assert events_topic(NEW_BIN) in AdminClient({"bootstrap.servers": servers}).list_topics(timeout=10).topics
    organizers = {fact["key"]: fact for fact in shown(esep, "ORGANIZER")}
    assert len(organizers) == 5, "what a file leaves out stays"
    assert "БК «Алатау»" in organizers["940140000385"]["content"]
    assert organizers["940140000385"]["load"] == 2
    assert "2026-12-16" in esep("show", "HOLIDAY").output


def _persons_are_counted_and_never_named(esep: Any, tmp_path: Path) -> None:
    file = tmp_path / "persons.csv"
    file.write_text(LIST)
    answers = [esep("load", file, "--dry-run"), esep("load", file), esep("load", file), esep("show")]
    assert shown(esep)["counts"]["DEBTOR"] == 2
    file.write_text(LIST.replace("2026-01-01,\n", "2026-01-01,2026-06-01\n", 1))
    answers.append(esep("load", file))
    assert shown(esep)["counts"]["DEBTOR"] == 2
    assert shown(esep)["loads"] == 4
    assert [answer.exit_code for answer in answers] == [0] * 5
    assert not [answer.output for answer in answers if IIN in answer.output]
    assert "all of it is published already" in answers[2].output


def _wrong_file_changes_nothing(esep: Any, tmp_path: Path) -> None:
    before = shown(esep)
    file = tmp_path / "persons.csv"
    file.write_text(LIST + "DEBTOR,900101300008,2026-01-01,\n")
    answer = esep("load", file)
    assert isinstance(answer.exception, FileUnusable)
    assert "900101300008" not in str(answer.exception)
    assert shown(esep) == before


def test_unknown_kind_is_refused_with_the_known_ones(esep: Any) -> None:
    answer = esep("show", "PERSONS")
    assert isinstance(answer.exception, UsageError)
    assert "HOLIDAY" in answer.exception.hint


@pytest.mark.parametrize("command", ["load", "show"])
def test_help_says_what_it_does_and_shows_an_example(esep: Any, command: str) -> None:
    assert "Example: esep reference" in " ".join(esep(command, "--help").output.split())
