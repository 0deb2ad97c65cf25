"""An alert as a message."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest

from esep.lineage import TopicPartition
from esep.rules import load_rules
from esep.stream_apps.alerts import message
from esep.stream_apps.alerts.book import Found, Observed
from esep.stream_apps.alerts.columns import Posting
from esep.stream_apps.alerts.message import EVIDENCE_MAX, Cause, alert_id, headers_of
from esep.stream_apps.alerts.state import AlertState
from esep.stream_apps.alerts.watch import Outcome
from esep.topics import INTERNAL_BYTES_MAX
from esep.versions import decode_record, encode_record

PERSON = bytes.fromhex("00112233445566778899aabbccddeeff")
IIN = "900101300007"
RECEIVED_MS = 1_773_172_800_123
CAUSE = Cause(TopicPartition("ledger", 3), 77, RECEIVED_MS, RECEIVED_MS - 5_000, IIN, 9)
WINDOW = [
    Posting(RECEIVED_MS - 9_000, "950341000052/desk-2/4", 0, 1, 60_000_000, 70),
    Posting(RECEIVED_MS - 5_000, "940140000385/desk-1/9", 0, 1, 45_000_050, 77),
]


RULES = load_rules()
WIN_STRUCTURED, WIN_THRESHOLD = RULES.rule("WIN_STRUCTURED"), RULES.rule("WIN_THRESHOLD")


def found(window: list[Posting]) -> Found:
    total = sum(one.amount_tiyn for one in window)
    observed = (
        Observed("winnings_sum", total, 100_000_000, "tiyn", True),
        Observed("winnings_count", len(window), 2, "count", True),
        Observed("never_mentioned", None, 7, "milli", False),
    )
    return Found(window[-1], tuple(window), observed, ())


def outcome(status: str = "OPEN", window: list[Posting] = WINDOW) -> Outcome:
    state = AlertState(2, status, b"")
    return Outcome(WIN_STRUCTURED, PERSON, "2026-03-11", state, found(window) if window else None, 0)


def alert_record(outcome: Outcome, cause: Cause, row: int) -> dict[str, Any]:
    return message.alert_record(outcome, cause, row, RULES.withdrawn)


def test_alert_survives_avro_with_values_thresholds_and_evidence() -> None:
    record = decode_record(encode_record(alert_record(outcome(), CAUSE, 5), "alert"), "alert")
    assert (record["row"], record["cause_topic"], record["cause_partition"], record["cause_offset"]) == (
        5,
        "ledger",
        3,
        77,
    )
    assert record["organizer_bins"] == ["940140000385", "950341000052"]
    assert record["occurred_at"] == datetime.fromtimestamp((RECEIVED_MS - 5_000) / 1000, UTC)
    assert [(one["value"], one["threshold"], one["unit"]) for one in record["observations"]] == [
        (105_000_050, 100_000_000, "tiyn"), (2, 2, "count"),
    ]  # fmt: skip
    assert [(one["entry_id"], one["ledger_partition"], one["ledger_offset"]) for one in record["evidence"]] == [
        ("950341000052/desk-2/4", 3, 70), ("940140000385/desk-1/9", 3, 77),
    ]  # fmt: skip


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_reason_names_sum_count_and_threshold_but_not_the_person(language: str) -> None:
    reason = alert_record(outcome(), CAUSE, 1)[f"reason_{language}"]
    assert all(value in reason for value in ("1,050,000.50", "1,000,000.00", "2"))
    assert IIN not in reason


def test_withdrawn_alert_rests_on_nothing_and_occurred_with_its_cause() -> None:
    record = alert_record(outcome("WITHDRAWN", []), CAUSE, 1)
    assert (record["evidence"], record["observations"], record["organizer_bins"]) == ([], [], [])
    assert record["occurred_at"] == RECEIVED_MS - 5_000
    assert record["reason_en"] != alert_record(outcome(), CAUSE, 1)["reason_en"]


@pytest.mark.parametrize(("status", "word"), [("OPEN", "opened"), ("UPDATED", "updated"), ("WITHDRAWN", "withdrawn")])
def test_headers_are_cloud_events_in_binary_mode_without_an_iin(status: str, word: str) -> None:
    headers = dict(headers_of(alert_record(outcome(status), CAUSE, 1)))
    id_ = alert_id(WIN_STRUCTURED, PERSON, "2026-03-11")
    assert headers == {
        "ce_specversion": b"1.0", "ce_id": f"{id_}/2".encode(), "ce_type": f"kz.esep.alert.{word}.v1".encode(),
        "ce_source": b"urn:kz:esep:alerts", "ce_subject": id_.encode(), "ce_time": b"2026-03-10T20:00:00.123Z",
        "content-type": b"avro/binary",
    }  # fmt: skip
    assert not any(IIN.encode() in value for value in headers.values())


def test_alert_id_is_worked_out_by_anybody_from_rule_version_key_and_bucket() -> None:
    text = "WIN_THRESHOLD\n1\n00112233445566778899aabbccddeeff\n940140000385/desk-1/9"
    expected = hashlib.sha256(text.encode()).hexdigest()[:32]
    assert alert_id(WIN_THRESHOLD, PERSON, "940140000385/desk-1/9") == expected


def test_evidence_beyond_the_limit_leaves_out_the_oldest_and_fits_a_message() -> None:
    window = [
        Posting(number, f"940140000385/{'d' * 120}/{number}", 0, 1, 20_000, number)
        for number in range(EVIDENCE_MAX + 5)
    ]
    record = alert_record(outcome(window=window), CAUSE, 1)
    assert [record["evidence"][0]["ledger_offset"], record["evidence"][-1]["ledger_offset"]] == [5, EVIDENCE_MAX + 4]
    assert record["observations"][1]["value"] == EVIDENCE_MAX + 5
    assert len(encode_record(record, "alert")) < INTERNAL_BYTES_MAX
