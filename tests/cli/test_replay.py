"""`esep replay`: all the same ends with 0; what is not is told by lane and entry, and ends with 1; nobody is named."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from esep.cli import replay as module
from esep.errors import SettingInvalid
from esep.lineage import Position, TopicPartition
from esep.rule_files import RuleFiles
from esep.rule_topic import configured
from esep.settings import Settings
from esep.stream_apps.totals.remembered import VALUE_COLUMNS, frame_of
from esep.topics import ACCEPTED, LEDGER
from esep.versions import encode_record
from tests.stream_apps.intake.made_up import (
    ALATAU,
    EVENTS_PARTITIONS,
    LEDGER_PARTITIONS,
    reference_of,
)
from tests.stream_apps.replay.memory import MemoryLog, line, outputs, tampered
from tests.support.command import command

ROUTING_KEY = b"routing key of the tests"


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """Run the command on a line in memory."""
    (tmp_path / "routing.key").write_bytes(ROUTING_KEY)
    monkeypatch.setenv("ESEP_ROUTING_KEY_FILE", str(tmp_path / "routing.key"))
    monkeypatch.setenv("ESEP_EVENTS_PARTITIONS", str(EVENTS_PARTITIONS))
    monkeypatch.setenv("ESEP_LEDGER_PARTITIONS", str(LEDGER_PARTITIONS))
    monkeypatch.setattr(module, "published", lambda _: reference_of())
    monkeypatch.setattr(module, "known_files", lambda *_: SimpleNamespace(files=RuleFiles([configured(None)])))

    def run(log: MemoryLog, *options: object) -> Any:
        monkeypatch.setattr(module, "KafkaLog", lambda *_: log)
        return command("replay", *options, "--data-dir", tmp_path)

    return run


def test_line_at_rest_ends_with_0(replay: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROGRESS_S", 0.0)
    answer = replay(line())
    assert (answer.exit_code, answer.exception) == (0, None)
    assert "All is the same, byte for byte." in answer.stdout
    for stage in ("intake", "totals", "alerts"):
        assert f"{stage}, replayed" in answer.stdout
        assert f"{stage}: replayed " in answer.stderr
    document = json.loads(replay(line(), "--stage", "alerts", "--stage", "totals", "--json").stdout)
    assert document["equal"]
    assert [one["stage"] for one in document["stages"]] == ["totals", "alerts"]


def test_posting_that_was_changed_is_told_and_ends_with_1(replay: Any) -> None:
    output = outputs(line(), LEDGER)[0]
    log, content, _ = tampered(line(), output, 2, "CHANGED", LEDGER)
    answer = replay(log, "--stage", "totals")
    assert answer.exit_code == 1
    assert "Not all is the same." in answer.stdout
    assert f"differs: accepted/{output.partition} to {output}: row 3 at offset 6 (entry " in answer.stdout
    assert content["iin"] not in answer.stdout + answer.stderr
    document = json.loads(replay(log, "--stage", "totals", "--json").stdout)
    (stage,) = document["stages"]
    assert (document["equal"], stage["differences"][0]["row"], stage["more"]) == (False, 3, 0)


def test_final_sums_that_differ_are_told_by_the_persons_key(replay: Any) -> None:
    output = outputs(line(), LEDGER)[0]
    log, content, _ = tampered(line(), output, len(line().topics[output]) - 1, "MISSING", LEDGER)
    dearer = content | {"organizer_year_wager_tiyn": content["organizer_year_wager_tiyn"] + 9}
    log.topics[output].append((999, 0, line().topics[output][-1][2], encode_record(dearer, LEDGER)))
    answer = replay(log, "--organizer", content["organizer_bin"], "--json")
    assert answer.exit_code == 1
    (told,) = json.loads(answer.stdout)["stages"][0]["sums"]
    assert (told["sum"], told["ledger"] - told["replayed"]) == ("wager_tiyn", 9)
    assert content["iin"] not in answer.stdout
    assert "the first sums that differ" in replay(log, "--organizer", content["organizer_bin"]).stdout


def test_input_whose_beginning_is_gone_is_told(replay: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = outputs(line(), ACCEPTED)[0]
    monkeypatch.setattr(module, "state_from_store", lambda *_: None)
    answer = replay(line().copy(firsts={source: 9}), "--stage", "totals")
    assert answer.exit_code == 1
    assert f"not replayed: {source}: Kafka has deleted what came before offset 9" in answer.stdout


def test_organizers_and_ends_may_be_chosen(replay: Any) -> None:
    end = f"organizer.{ALATAU}.events/0=9"
    (stage,) = json.loads(replay(line(), "--organizer", ALATAU, "--until", end, "--json").stdout)["stages"]
    assert stage["stage"] == "intake"
    assert stage["inputs"][0]["read"] == 5
    assert {one["input"].split(".")[1] for one in stage["inputs"]} == {ALATAU}


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--organizer", "070941024691"], "no organizer 070941024691 was published"),
        (["--organizer", ALATAU, "--stage", "totals"], "--organizer is of no use here"),
        (["--until", "accepted/0"], "--until is to say TOPIC/PARTITION=OFFSET"),
        (["--until", "ledgers/0=4", "--stage", "totals"], "--until ledgers/0 names no input that was replayed"),
    ],
)
def test_what_cannot_be_asked_is_refused(replay: Any, options: list[str], what: str) -> None:
    answer = replay(line(), *options)
    assert isinstance(answer.exception, SettingInvalid)
    assert str(answer.exception).startswith(what)


def test_state_comes_from_the_ledger_in_clickhouse_if_it_is_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    class Store:
        def __enter__(self) -> Store:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    (tmp_path / "routing.key").write_bytes(ROUTING_KEY)
    settings = Settings(routing_key_file=tmp_path / "routing.key")
    sums = {"iin": "900101300007", "bin": int(ALATAU), "year": 2026, **dict.fromkeys(VALUE_COLUMNS, 3)}
    monkeypatch.setattr(module, "connect", lambda _: Store())
    monkeypatch.setattr(module, "booked", lambda _, *place: pl.DataFrame([sums]) if place == (1, 7) else None)
    monkeypatch.setattr(module, "row_before", lambda _, *place: {(1, 40): 7}.get(place))
    state = module.state_from_store(settings, 1, 40)
    assert state is not None
    assert state.position == Position(40, {TopicPartition(LEDGER, 1): 7})
    assert frame_of(state.data).select("bin", "year", "wager_tiyn").rows() == [(int(ALATAU), 2026, 3)]
    assert module.state_from_store(settings, 1, 41) is None
