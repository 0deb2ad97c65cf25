"""`esep send` as a person and as a program call it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner, Result

from esep.access_files import AccessFiles, write_bundle
from esep.cli import output
from esep.cli.send import address_of, send
from esep.errors import FileUnusable, MappingInvalid, SettingInvalid, UsageError
from tests.producers.bets import DESK, lost, won, write_file
from tests.producers.fake_intake import FakeIntake

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.brokers import Broker

ORGANIZER = "940140000385"
NOWHERE = ("--bootstrap-servers", "127.0.0.1:1")


@pytest.fixture
def mapping(tmp_path: Path) -> str:
    path = tmp_path / "desk.yaml"
    path.write_text(DESK.model_dump_json(exclude_unset=True), encoding="utf-8")  # JSON is YAML.
    return str(path)


def _send(*arguments: object) -> Result:
    app = typer.Typer(rich_markup_mode="rich")
    app.command()(send)
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200", "TERM": "dumb"})


@pytest.mark.kafka
def test_program_reads_one_json_document_with_counts_and_reasons(
    broker: Broker, organizer: str, mapping: str, tmp_path: Path
) -> None:
    path = write_file(
        tmp_path / "desk-7.csv",
        won("t-1", at="2026-01-10T10:00:00Z"),
        lost("t-2", iin="900101300008"),
        lost("t-3", at="2026-01-10T11:00:00Z"),
    )
    call = (path, "--organizer", organizer, "--mapping", mapping, "--bootstrap-servers", broker.bootstrap_servers)
    with FakeIntake(broker.bootstrap_servers, organizer):
        first = _send(*call, "--json", "--lang", "kk")
        again = _send(*call, "--json")
        person = _send(*call, "--stream", "desk-7.b", "--rejected", tmp_path / "mend.csv")
    document = json.loads(first.stdout)
    assert (first.exit_code, document["outcome"], document["stream_id"]) == (1, "COMPLETE", "desk-7")
    assert (document["events_sent"], document["events_accepted"]) == (3, 3)
    assert document["rejects"][0] | {"text": ""} == {
        "line": 3,
        "code": "IIN_INVALID",
        "field": "iin",
        "text": "",
        "event_type": None,
        "sequence": None,
        "to_mend": True,
    }
    assert document["rejects"][0]["text"].startswith("ЖСН")
    assert json.loads(again.stdout)["events_duplicate"] == 3
    assert person.exit_code == 1
    assert (tmp_path / "mend.csv").exists()


def test_person_reads_counts_the_first_rejects_and_what_to_do(
    mapping: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output.out, "_width", 200)
    path = write_file(tmp_path / "desk-7.csv", *(lost(f"t-{number}", iin="900101300008") for number in range(25)))
    with output.out.capture() as captured:
        result = _send(path, "--organizer", ORGANIZER, "--mapping", mapping, "--rejected", tmp_path / "m.csv", *NOWHERE)
    printed = captured.get().splitlines()
    assert result.exit_code == 1
    assert sum("IIN_INVALID" in line for line in printed) == 20
    assert "… and 5 more; --json shows all." in printed
    assert any("mend them there, then send that file" in line for line in printed)
    assert "900101300008" not in captured.get()
    assert len((tmp_path / "m.csv").read_text().splitlines()) == 26


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"file": "none.csv"}, FileUnusable),
        ({"--mapping": "bustabit-b"}, MappingInvalid),
        ({"--organizer": "940140000386"}, UsageError),
        ({"--shift-days": "some"}, UsageError),
        ({"--stream": "desk 7"}, UsageError),
        ({"--receipt-root": "none.crt"}, FileUnusable),
    ],
)
def test_wrong_call_raises_an_error_that_exits_with_2(
    mapping: str, tmp_path: Path, change: dict[str, str], kind: type[UsageError]
) -> None:
    options = {"file": str(write_file(tmp_path / "desk-7.csv", lost("t-1"))), "--organizer": ORGANIZER}
    options |= {"--mapping": mapping} | change
    file = options.pop("file")
    result = _send(file, *(part for option in options.items() for part in option), *NOWHERE)
    assert type(result.exception) is kind
    assert result.exception.exit_code == 2
    assert result.exception.hint


def test_key_that_is_none_is_refused(mapping: str, tmp_path: Path) -> None:
    path = write_file(tmp_path / "desk-7.csv", lost("t-1"))
    key = tmp_path / "receipt-root.crt"
    key.write_text("no key")
    result = _send(path, "--organizer", ORGANIZER, "--mapping", mapping, "--receipt-root", key, *NOWHERE)
    assert isinstance(result.exception, SettingInvalid)


def test_help_shows_examples_and_exit_codes() -> None:
    text = " ".join(_send("--help").stdout.split())
    assert "esep send examples/bustabit-a.csv --organizer 940140000385 --mapping bustabit" in text
    assert "Exit code 0" in text
    for option in ("--stream", "--shift-days", "--rejected", "--receipt-root", "--no-wait", "--lang", "--json"):
        assert option in text


def test_organizer_is_known_by_its_bundle_which_goes_before_the_line_that_runs_here(tmp_path: Path) -> None:
    files = AccessFiles(tmp_path / "access")
    files.init()
    ca_pem = files.ca_file.read_text()
    write_bundle(files.bundle_dir("940140000385"), "940140000385", "vR3p-4kQ", ca_pem, "127.0.0.1:15001")
    write_bundle(tmp_path / "handover", "940140000385", "t7_Lm", ca_pem, "kafka-1.example:9093")
    servers, security = address_of("940140000385", None, tmp_path, None)
    assert (servers, security["sasl.password"]) == ("127.0.0.1:15001", "vR3p-4kQ")
    servers, security = address_of("940140000385", tmp_path / "handover", tmp_path, None)
    assert (servers, security["sasl.password"]) == ("kafka-1.example:9093", "t7_Lm")
    assert address_of("950341000052", None, tmp_path, None)[1] == {}


def test_brokers_named_elsewhere_are_not_told_the_password_of_the_line_that_runs_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = AccessFiles(tmp_path / "access")
    files.init()
    write_bundle(files.bundle_dir("940140000385"), "940140000385", "vR3p-4kQ", files.ca_file.read_text(), "nowhere:1")
    assert address_of("940140000385", None, tmp_path, "kafka:9092") == ("kafka:9092", {})
    monkeypatch.setenv("ESEP_BOOTSTRAP_SERVERS", "kafka:9092")
    assert address_of("940140000385", None, tmp_path, None) == ("kafka:9092", {})
