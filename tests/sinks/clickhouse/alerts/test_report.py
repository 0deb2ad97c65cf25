"""The mandatory report holds what the law asks for, and is refused where there is nothing to report."""

from __future__ import annotations

import json

import pytest

from esep.errors import SinkUnavailable, UsageError
from esep.sinks.clickhouse.alerts.report import check_reportable, report_document, report_lines
from esep.sinks.clickhouse.alerts.words import LANGUAGES, Language
from tests.support.stories import ALERT_ID, AT, PERSON, evidence, story


def test_report_names_person_operation_sum_way_organizer_and_what_it_rests_on() -> None:
    """AML law 191-IV, Art. 4(1)(1), Art. 10; O9-L1, O9-L4, O9-L5."""
    told = report_document(story((evidence(1),)), AT)
    assert json.loads(json.dumps(told)) == told
    assert (told["report_id"], told["person"], told["form"]) == (f"{ALERT_ID}/1", {"iin": PERSON}, None)
    assert told["basis"].endswith("Art. 4(1)(1)")
    assert "Art. 10" in told["term"]
    (operation,) = told["operations"]
    expected = {
        "occurred_at": "2026-11-20T07:01:00.000Z",
        "amount_tiyn": 120_000_000,
        "won_tiyn": 119_950_000,
        "payment_method": "CARD",
        "organizer_bin": "940140000385",
        "licence_number": "24012345",
        "wager_occurred_at": "2026-11-20T05:00:00.000Z",
        "ledger_partition": 0,
        "ledger_offset": 11,
        "body_sha256": "ab" * 32,
    }
    assert {name: operation[name] for name in expected} == expected


def test_report_is_of_the_last_revision() -> None:
    told = report_document(story((evidence(1),), (evidence(2),)), AT)
    assert told["report_id"] == f"{ALERT_ID}/2"
    assert [one["ledger_offset"] for one in told["operations"]] == [12]


@pytest.mark.parametrize("language", LANGUAGES)
def test_lines_hold_the_same_facts_in_every_language(language: Language) -> None:
    told = "\n".join(line.text for line in report_lines(story((evidence(1),)), AT, language))
    parts = (PERSON, "1,200,000.00", "CARD", "ТОО «Бәс»", "24012345", "20.11.2026 12:01:00", "500.00", "ab" * 32)
    assert [part for part in parts if part not in told] == []


@pytest.mark.parametrize(
    ("told", "error", "text"),
    [
        (story((evidence(1),), severity="HIGH"), UsageError, "asks for no report"),
        (story((evidence(1),), ()), UsageError, "is withdrawn"),
        (story((evidence(1),), loaded=False), SinkUnavailable, "not in the ledger's table yet"),
    ],
)
def test_what_cannot_be_reported_is_refused(told: object, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        check_reportable(told)  # type: ignore[arg-type]


def test_mandatory_alert_that_stands_can_be_reported() -> None:
    check_reportable(story((evidence(1),)))
