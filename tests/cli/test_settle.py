"""`esep rules settle` on a whole line: what the stream leaves is said once, counted in lanes of its own, and loaded."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from esep.cli import settle as module
from esep.errors import PartUnready
from esep.events import Correction, Payout, Values, Wager
from esep.lineage import TopicPartition
from esep.producers.sender import EventSender
from esep.settings import Settings
from esep.status import Lag, is_through
from esep.topics import ALERTS, ALERTS_STAGE, LEDGER, LOADER
from tests.integration.line import line
from tests.support.command import command
from tests.support.live_rules import live_rules

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.line import Line

BIN, PERSON = "070941024691", "720507400312"
NOW = datetime.now(UTC).replace(microsecond=0)
LATE, LATELY = NOW - timedelta(days=60), NOW - timedelta(days=10)


def payout(bet: str, amount_tiyn: int, at: datetime) -> Payout:
    return Payout(
        site_id="KGD-1", iin=PERSON, wager_id=bet, occurred_at=at, payment_method="CASH", amount_tiyn=amount_tiyn,
        kind="WINNING", won_tiyn=amount_tiyn, wager_occurred_at=at, wager_amount_tiyn=100,
    )  # fmt: skip


def stake(site: str, at: datetime) -> Wager:
    return Wager(
        site_id=site, iin=PERSON, wager_id=f"s-{at:%j}", occurred_at=at, payment_method="CASH", amount_tiyn=500_00,
        channel="RETAIL", funding="CASH", odds_milli=1_500,
    )  # fmt: skip


def settled(up: Line, monkeypatch: pytest.MonkeyPatch, rules: Path, *options: object) -> list[tuple[str, str, int]]:
    """Return what a run says, once the stage has read all."""
    for name, value in up.stack.settings.items():
        monkeypatch.setenv(f"ESEP_{name.upper()}", value)
    monkeypatch.setenv("ESEP_RULES_FILE", str(rules))
    up.wait_until("the stage", lambda: is_through(up.settings.bootstrap_servers, ALERTS_STAGE, [LEDGER]))
    answer = command("rules", "settle", "--json", *options, "--data-dir", up.stack.data_dir)
    assert answer.exit_code == 0, answer.exception
    return [(one["rule"], one["status"], one["alerts"]) for one in json.loads(answer.stdout)["alerts"]]


@pytest.mark.long  # In short: tests/sinks/clickhouse/alerts/test_settling.py, tests/esep/test_settlement_topic.py.
@pytest.mark.stack
def test_what_the_stream_leaves_is_said_once_and_balances(
    common_line: Line, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """O9-4.3; DESIGN §5, §7: two halves that come 60 days late, a payout whose bet never came, a correction."""
    up, rules = common_line, live_rules(tmp_path, "PAYOUT_WITHOUT_WAGER")
    halves = [payout(f"h-{number}", 500_000_00, LATE + timedelta(seconds=number)) for number in range(2)]
    sent: list[Any] = [*halves, payout("never", 700_00, LATELY)]
    with EventSender(BIN, up.settings.bootstrap_servers) as client:
        for one in sent:
            client.send(one, "desk-settle")
    up.wait_rows(f"ledger WHERE iin = '{PERSON}'", len(sent))
    wanted = [("PAYOUT_WITHOUT_WAGER", "OPEN", 2), ("WIN_STRUCTURED", "OPEN", 1)]
    assert settled(up, monkeypatch, rules, "--dry-run") == wanted
    assert up.query(f"SELECT 1 FROM alerts WHERE iin = '{PERSON}'") == []
    assert settled(up, monkeypatch, rules) == wanted
    assert settled(up, monkeypatch, rules) == []
    up.wait_rows(f"alerts WHERE iin = '{PERSON}'", 3)
    undone = Values(event_type="PAYOUT", **halves[1].model_dump())
    correction = Correction(
        target_sequence=2, replaces_revision=0, corrected_at=NOW, reason="never paid", was=undone, now=None
    )
    with EventSender(BIN, up.settings.bootstrap_servers, next_sequences={"desk-settle": 4}) as client:
        client.send(correction, "desk-settle")
    up.wait_rows(f"ledger WHERE iin = '{PERSON}'", len(sent) + 1)
    assert settled(up, monkeypatch, rules) == [("WIN_STRUCTURED", "WITHDRAWN", 1)]
    up.wait_rows(f"alerts WHERE iin = '{PERSON}'", 4)
    statuses = f"SELECT rule_id, status FROM alerts_current WHERE iin = '{PERSON}' ORDER BY rule_id, status"
    assert {tuple(row.values()) for row in up.query(statuses)} == {
        ("PAYOUT_WITHOUT_WAGER", "OPEN"), ("WIN_STRUCTURED", "WITHDRAWN"),
    }  # fmt: skip
    up.assert_balanced()
    monkeypatch.setenv("ESEP_RULES_FILE", str(live_rules(up.stack.data_dir)))
    answer = command("replay", "--json", "--stage", "alerts", "--data-dir", up.stack.data_dir)
    assert json.loads(answer.stdout)["equal"], "what a run wrote follows from no stage's input"


@pytest.mark.long  # In short: tests/sinks/clickhouse/alerts/test_silences.py, tests/stream_apps/alerts/test_nightly.py.
@pytest.mark.stack
def test_silent_organizer_is_said_by_the_register_loaded_and_withdrawn_when_a_late_event_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O9-4.3, O9-4.4: two weeks' habit, and in the third the other one alone has anything."""
    rules, other = live_rules(tmp_path, "ORGANIZER_SILENT"), "940140000385"
    low = "weeks: 2\n    usual_in: 2\n    hours: 1\n    others: 1\n"
    text = rules.read_text("utf-8").replace("weeks: 8\n    usual_in: 6\n    hours: 6\n    others: 2\n", low)
    assert low in text
    rules.write_text(text, encoding="utf-8")
    with line(tmp_path / "line", ESEP_RULES_FILE=str(rules)) as up:
        for bin_, site, weeks in ((BIN, "KGD-1", (9, 8)), (other, "ALA-1", (9, 8, 7))):
            with EventSender(bin_, up.settings.bootstrap_servers) as client:
                for week in weeks:
                    client.send(stake(site, NOW - timedelta(weeks=week)), "desk-silent")
        up.wait_rows("ledger", 5)
        assert settled(up, monkeypatch, rules) == [("ORGANIZER_SILENT", "OPEN", 1)]
        assert settled(up, monkeypatch, rules) == []
        up.wait_rows("alerts", 1)
        (alert,) = up.query("SELECT organizer_bin, iin, silence_ended_at, observations[1].value FROM alerts_current")
        assert tuple(alert.values()) == (BIN, "", None, 1)
        with EventSender(BIN, up.settings.bootstrap_servers, next_sequences={"desk-silent": 3}) as client:
            client.send(stake("KGD-1", NOW - timedelta(weeks=7)), "desk-silent")
        up.wait_rows("ledger", 6)
        assert settled(up, monkeypatch, rules) == [("ORGANIZER_SILENT", "WITHDRAWN", 1)]
        up.wait_rows("alerts", 2)
        listed = command("alerts", "--data-dir", up.stack.data_dir).stdout
        assert listed.count(f"ORGANIZER_SILENT v1 organizer {BIN}: ") == 2
        up.assert_balanced()


def test_run_waits_for_a_loader_that_is_behind_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    lags = {
        LOADER: [Lag(LOADER, ALERTS, 0, 5, 5, 0), Lag(LOADER, LEDGER, 0, 3, 9, 6)],
        ALERTS_STAGE: [Lag(ALERTS_STAGE, LEDGER, 0, 7, 9, 2), Lag(ALERTS_STAGE, LEDGER, 1, 0, 0, 0)],
    }
    more: list[tuple[TopicPartition, int, int]] = []
    monkeypatch.setattr(module, "lags_of", lambda _, group, topics, __: [
        one for one in lags[group] if one.topic in topics
    ])  # fmt: skip
    monkeypatch.setattr(module, "committed", lambda _, *place, **__: more.append(place) or iter([[object()]]))
    read_to = module._read_to(Settings())
    assert read_to == {0: 7}
    with pytest.raises(PartUnready, match="the loader is behind on ledger/0"):
        module._wait_for_the_loader(Settings(), read_to, 0)
    assert more == [(TopicPartition(LEDGER, 0), 3, 7)]
    monkeypatch.setattr(module, "committed", lambda *_, **__: iter([]))  # Markers of transactions alone.
    module._wait_for_the_loader(Settings(), read_to, 0)


def test_partition_that_the_stage_has_not_begun_holds_the_run_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "lags_of", lambda *_: [Lag(ALERTS_STAGE, LEDGER, 1, 0, 4, 4)])
    with pytest.raises(PartUnready, match="has read nothing of ledger/1"):
        module._read_to(Settings())
