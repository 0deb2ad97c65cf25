"""`esep rules activate` and `esep rules activated`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from esep.admin import create_topics
from esep.embedded.kafka import KafkaBroker
from esep.errors import EsepError, FileUnusable, UsageError
from esep.rules import RULES_FILE
from esep.topics import RULES, all_topics
from tests.support.command import command

pytestmark = pytest.mark.kafka
TEXT = RULES_FILE.read_text("utf-8")
STRUCTURED = "rule: WIN_STRUCTURED\n    version: 1\n"
NIGHT_BURST = "rule: NIGHT_BURST\n    version: 1\n    mode: "
esep = partial(command, "rules")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with KafkaBroker(tmp_path_factory.mktemp("activate")) as own:
        topics = all_topics([], events_partitions=1, ledger_partitions=1)
        create_topics(own.bootstrap_servers, [topic for topic in topics if topic.name == RULES], 1)
        yield own.bootstrap_servers


@pytest.fixture(autouse=True)
def _broker(servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESEP_BOOTSTRAP_SERVERS", servers)


def written(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = TEXT
    for was, now in changes:
        assert text.count(was) == 1, was
        text = text.replace(was, now)
    path = tmp_path / "changed.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(*words: object) -> EsepError:
    answer = esep("activate", *words)
    assert isinstance(answer.exception, EsepError), answer.stdout
    return answer.exception


def files() -> list[dict[str, Any]]:
    return list(json.loads(esep("activated", "--json").stdout))


def test_what_cannot_be_in_force_is_refused_as_a_whole_and_nothing_is_written(tmp_path: Path) -> None:
    """D934-1..3."""
    in_a_moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 50))
    for at in ("2026-01-01T00:00", in_a_moment):
        assert "less than a minute ahead" in refused(RULES_FILE, "--at", at).what
    assert isinstance(refused(RULES_FILE, "--at", "tomorrow"), UsageError)
    wrong = refused(written(tmp_path, (STRUCTURED, STRUCTURED.replace("1", "one"))), "--at", "2099-06-01T12:00")
    assert isinstance(wrong, FileUnusable)
    assert f"line {TEXT[: TEXT.index(STRUCTURED)].count(chr(10)) + 2}, rules › " in wrong.detail
    changed = written(
        tmp_path,
        (NIGHT_BURST + "SHADOW", NIGHT_BURST + "LIVE"),
        ("small_winnings_sum_24h, at_least: 100_000_000", "small_winnings_sum_24h, at_least: 90_000_000"),
    )
    both = refused(changed, "--at", "2099-06-01T12:00")
    assert "WIN_STRUCTURED: its alerts change: give it a new version" in both.detail
    assert "NIGHT_BURST" in both.detail
    assert "since: 2099-06-02" in both.detail, "the first day on which the stage has all"
    assert [(one["number"], one["state"], one["put_there"]) for one in files()] == [(1, "in force", "configured")]


def test_file_waits_for_its_instant_beside_the_one_that_was_in_force_and_both_can_be_printed(tmp_path: Path) -> None:
    changed = written(
        tmp_path,
        (STRUCTURED, STRUCTURED.replace("1", "2")),
        ("small_winnings_sum_24h, at_least: 100_000_000", "small_winnings_sum_24h, at_least: 90_000_000"),
        (NIGHT_BURST + "SHADOW", NIGHT_BURST + "LIVE\n    since: 2099-06-02"),
    )
    dry = esep("activate", changed, "--at", "2099-06-01T12:00", "--dry-run")
    assert "WIN_STRUCTURED (changed): version: 1 → 2" in dry.stdout
    assert "nothing was changed" in dry.stdout
    assert len(files()) == 1
    put = esep("activate", changed, "--at", "2099-06-01T12:00")
    assert "file 2 is in force from 2099-06-01T12:00:00.000+05:00 on" in put.stdout, put.exception
    first, second = files()
    assert (first["state"], first["from"], second["state"]) == ("in force", "ever", "to come")
    assert second["live"] == ["WIN_THRESHOLD v1", "WIN_STRUCTURED v2", "NIGHT_BURST v1"]
    assert esep("activated", "--print", "1").stdout == TEXT
    assert esep("activated", "--print", "2").stdout == changed.read_text("utf-8")
    assert isinstance(esep("activated", "--print", "3").exception, UsageError)
    assert str(second["sha256"])[:12] in esep("activated").stdout
    assert "was put there already" in refused(RULES_FILE, "--at", "2099-06-01T12:00").detail
