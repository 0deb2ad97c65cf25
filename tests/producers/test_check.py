"""What a check of a file says: the same codes as sending it, line by line, and nothing of its values."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from esep.errors import UsageError
from esep.producers.check import CheckReport, Finding, StreamSeen, check_file, check_messages
from esep.producers.files import read_rows
from esep.producers.numbering import number_events
from esep.producers.rows import map_rows
from tests.producers.bets import DESK, IINS, ROOT, lost, won, write_file
from tests.stream_apps.intake.made_up import (
    ALATAU,
    BAIGE,
    EVENTS_PARTITIONS,
    REGISTER,
    Message,
    correction,
    desk,
    message,
    payout,
    wager,
)
from tests.stream_apps.intake.made_up import NOW as RECEIVED

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BAD_IIN = "900101300008"


def file_report(path: Path, *rows: str, received_at: datetime = NOW, known: bool = True) -> CheckReport:
    register = REGISTER if known else None
    return check_file(
        write_file(path / "desk-7.csv", *rows),
        DESK,
        ALATAU,
        received_at=received_at,
        partitions=EVENTS_PARTITIONS,
        register=register,
    )


def message_report(path: Path, *messages: Message, partition: int | None = None, bin_: str = ALATAU) -> CheckReport:
    def text(body: bytes | None) -> str | None:
        return None if body is None else base64.b64encode(body).decode()

    lines = [{"key": text(one.key), "value": text(one.value)} for one in messages]
    where = {} if partition is None else {"partition": partition}
    file = path / "messages.jsonl"
    file.write_text("".join(json.dumps(line | where) + "\n" for line in lines), encoding="utf-8")
    return check_messages(file, bin_, received_at=RECEIVED, partitions=EVENTS_PARTITIONS, register=REGISTER)


def found(report: CheckReport) -> list[tuple[int, str, str | None]]:
    return [(finding.line, finding.code, finding.field) for finding in report.findings]


def test_rows_are_found_at_fault_with_line_code_and_field(tmp_path: Path) -> None:
    """Clauses O9-4.3, O9-L1, O9-L3: what intake would refuse, and what would not even be sent."""
    report = file_report(
        tmp_path,
        won("t-1"),
        lost("t-2", iin=BAD_IIN),
        lost("t-3", stake="0"),
        lost("t-4", stake="some"),
        lost("t-5", at="2026-11-22T10:00:00Z"),
        lost("t-6", at="2019-06-01T10:00:00Z"),
        "too,few",
    )
    assert found(report) == [
        (3, "IIN_INVALID", "iin"),
        (4, "AMOUNT_NOT_POSITIVE", "amount_tiyn"),
        (5, "VALUE_UNREADABLE", "stake"),
        (6, "INSTANT_IN_FUTURE", "occurred_at"),
        (7, "INSTANT_EXPIRED", "occurred_at"),
        (8, "ROW_FIELD_COUNT", None),
    ]
    assert (report.lines, report.messages, report.passed, report.exit_code) == (7, 3, 2, 1)
    (stream,) = report.streams
    assert (stream.stream_id, stream.last, stream.missing) == ("desk-7", 4, 1)


def test_licence_and_site_are_asked_of_the_register_only_if_it_is_given(tmp_path: Path) -> None:
    """Clauses O9-3, O9-4.1: as of the instant of each event."""
    early = lost("t-1", at="2025-01-15T10:00:00Z")
    assert found(file_report(tmp_path, early)) == [(2, "LICENCE_NOT_IN_FORCE", "occurred_at")]
    assert found(file_report(tmp_path, early, known=False)) == []
    elsewhere = message(wager(site_id="AST-1"))
    assert found(message_report(tmp_path, elsewhere)) == [(1, "SITE_UNKNOWN", "site_id")]


def test_file_of_real_bets_would_pass_whole(tmp_path: Path) -> None:
    from esep.producers.mapping import load_mapping

    path, mapping = ROOT / "examples" / "bustabit-a.csv", load_mapping("bustabit")
    report = check_file(path, mapping, ALATAU, received_at=NOW, partitions=EVENTS_PARTITIONS)
    mapped = map_rows(read_rows(path, mapping.columns), mapping, ALATAU, NOW.date())
    assert report.exit_code == 0
    assert report.passed == report.messages == number_events(mapped.events, ALATAU, "s").height > 9_000


def test_raw_messages_are_found_at_fault_with_line_stream_and_sequence(tmp_path: Path) -> None:
    """Clauses O9-4.2, O9-4.5: bytes, BIN, key, partition, form, sequence."""
    good, repaid = message(wager(sequence=1)), message(payout(sequence=2))
    other_key = Message(repaid.value, b"desk-other")
    report = message_report(
        tmp_path,
        good,
        repaid,
        good,
        message(wager(sequence=1, wager_id="w-other")),
        other_key,
        Message(b"\0\0\0", b"desk-0"),
        Message(None, None),
        message(wager(sequence=9, iin=BAD_IIN)),
        message(wager(sequence=10, organizer_bin=BAIGE)),
        message(correction(sequence=5)),
    )
    assert found(report) == [
        (4, "SEQUENCE_CONFLICT", "sequence"),
        (5, "KEY_MISMATCH", "stream_id"),
        (6, "NOT_WIRE_FORMAT", None),
        (7, "EMPTY", None),
        (8, "IIN_INVALID", "iin"),
        (9, "BIN_MISMATCH", "organizer_bin"),
    ]
    assert report.findings[0] == Finding(4, "SEQUENCE_CONFLICT", "sequence", "WAGER", desk(0), 1)
    assert (report.messages, report.passed, report.duplicates) == (10, 3, 1)
    assert report.streams == (StreamSeen(desk(0), 0, 9, 5),)
    assert report.count_by_code["EMPTY"] == 1


def test_partition_is_checked_where_a_line_names_it(tmp_path: Path) -> None:
    one = message(wager(stream_id=desk(1)))
    assert found(message_report(tmp_path, one)) == []
    assert found(message_report(tmp_path, one, partition=1)) == []
    assert found(message_report(tmp_path, one, partition=0)) == [(1, "WRONG_PARTITION", "stream_id")]


def test_line_without_a_message_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "messages.txt"
    path.write_text("no message\n")
    report = check_messages(path, ALATAU, received_at=NOW, partitions=1)
    assert found(report) == [(1, "MESSAGE_UNREADABLE", None)]
    assert (report.lines, report.messages, report.passed, report.exit_code) == (1, 0, 0, 1)


def test_slices_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [message(wager(sequence=1 + number % 7, amount_tiyn=number % 3)) for number in range(20)]
    whole = message_report(tmp_path, *messages)
    rows = [won(f"t-{n}", iin=IINS[n % 4] if n % 5 else BAD_IIN, at="2020-06-01T10:00:00Z") for n in range(20)]
    whole_file = file_report(tmp_path, *rows)
    monkeypatch.setattr("esep.producers.check._SLICE", 3)
    assert message_report(tmp_path, *messages) == whole
    assert file_report(tmp_path, *rows) == whole_file
    assert {finding.code for finding in whole_file.findings} == {"IIN_INVALID", "INSTANT_EXPIRED"}


def test_document_holds_texts_in_the_language_and_no_value_of_the_file(tmp_path: Path) -> None:
    """Clause O9-5.1: no number of a person leaves the file."""
    document = file_report(tmp_path, lost("t-2", iin=BAD_IIN)).document("kk")
    assert document["findings"][0]["text"].startswith("ЖСН")
    assert document["count_by_code"] == {"IIN_INVALID": 1}
    assert BAD_IIN not in json.dumps(document, default=str)


def test_empty_file_has_no_stream_and_no_finding(tmp_path: Path) -> None:
    report = file_report(tmp_path, received_at=NOW + timedelta(days=1))
    assert (report.lines, report.streams, report.exit_code) == (0, (), 0)


def test_number_that_is_no_bin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no BIN"):
        message_report(tmp_path, message(wager()), bin_="940140000386")
