"""The whole line on real bets: every ledger row, every receipt and every alert against an oracle in plain Python."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from esep.cli.alerts import read_alerts
from esep.producers import send as send_module
from esep.producers.mapping import load_mapping
from esep.producers.receipt_reader import ReceiptReader
from esep.producers.send import send_file
from esep.producers.sender import EventSender
from esep.producers.summary import Outcome, Summary
from esep.producers.synthetic import synthetic_iin
from esep.topics import EVENT_BYTES_MAX, events_topic
from tests.integration.line import BETS, Line, line
from tests.integration.oracle import Posting, postings, running_totals, structured_alerts, threshold_alerts
from tests.producers.bets import DESK, won, write_file

pytestmark = pytest.mark.stack
_TOTALS = [
    f"{scope}_{span}_{name}_{what}"
    for scope in ("person", "organizer")
    for span in ("year", "ever")
    for name in ("wager", "winning")
    for what in ("count", "tiyn")
]


_HEADER = "Id,GameID,Username,Bet,CashedOut,Bonus,Profit,BustedAt,PlayDate"
_GOOD = "1,1,ann,10,2.0,NA,10,3.0,2021-11-01T10:00:00Z"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with line(tmp_path_factory.mktemp("line")) as started:
        yield started


def send(up: Line, organizer_bin: str, path: Path = BETS, mapping: str = "bustabit") -> Summary:
    with (
        EventSender(organizer_bin, up.settings.bootstrap_servers) as client,
        ReceiptReader(organizer_bin, up.settings.bootstrap_servers) as receipts,
    ):
        return send_file(path, load_mapping(mapping), client, receipts=receipts, show_progress=False)


@pytest.fixture(scope="module")
def sent(up: Line) -> list[Summary]:
    summaries = [send(up, organizer_bin) for organizer_bin in up.register.bins]
    up.wait_rows("ledger", sum(summary.events_sent for summary in summaries))
    return summaries


@pytest.fixture(scope="module")
def expected(up: Line, sent: list[Summary]) -> list[Posting]:
    """What the file says, with the organizer of each player as the line has it: the split is the mapping's own."""
    with BETS.open(encoding="utf-8", newline="") as file:
        names = {row["Username"] for row in csv.DictReader(file)}
    by_iin = {synthetic_iin(name): name for name in names}
    booked = up.query("SELECT DISTINCT iin, organizer_bin FROM ledger")
    organizer_of = {by_iin[row["iin"]]: row["organizer_bin"] for row in booked}
    assert set(organizer_of) == names
    assert len(booked) == len(names), "a player stands with two organizers"
    return postings(BETS, organizer_of, sent[0].shift_days)


def test_every_event_is_accepted_once(sent: list[Summary], expected: list[Posting]) -> None:
    """Clause O9-4.3: every bet and payout of every participant."""
    assert {summary.outcome for summary in sent} == {Outcome.COMPLETE}
    assert sum(summary.events_accepted for summary in sent) == len(expected)
    assert sum(summary.events_rejected + summary.events_duplicate for summary in sent) == 0


def test_every_ledger_row_equals_the_oracle(up: Line, expected: list[Posting]) -> None:
    """Amounts, instants and all running totals, row by row, in the order in which the ledger booked them."""
    names = {synthetic_iin(name): name for name in {posting.username for posting in expected}}
    rows = up.query("SELECT * FROM ledger_rows ORDER BY ledger_partition, ledger_offset")
    by_key = {(p.organizer, p.wager_id, p.event_type): p for p in expected}
    assert len(by_key) == len(expected) == len(rows)
    ordered = [by_key[row["organizer_bin"], row["wager_id"], row["event_type"]] for row in rows]
    for row, posting, totals in zip(rows, ordered, running_totals(ordered), strict=True):
        assert names[row["iin"]] == posting.username
        assert int(row["occurred_at"].timestamp() * 1000) == posting.occurred_ms
        assert (row["amount_tiyn"], row["won_tiyn"]) == (posting.amount_tiyn, posting.won_tiyn)
        assert (row["revision"], row["leg"]) == (0, 1)
        assert {name: row[name] for name in _TOTALS} == {name: totals[name] for name in _TOTALS}


def test_totals_views_agree_with_the_oracle(up: Line, expected: list[Posting]) -> None:
    paid: dict[str, int] = {}
    for posting in expected:
        if posting.event_type == "PAYOUT":
            iin = synthetic_iin(posting.username)
            paid[iin] = paid.get(iin, 0) + posting.amount_tiyn
    rows = up.query(
        "SELECT iin, sumIf(amount_tiyn, event_type = 'PAYOUT') AS paid FROM ledger GROUP BY iin HAVING paid > 0"
    )
    assert {row["iin"]: row["paid"] for row in rows} == paid


def test_alerts_are_those_of_the_oracle(up: Line, expected: list[Posting]) -> None:
    threshold, structured = threshold_alerts(expected), structured_alerts(expected)
    up.wait_rows("alerts", len(threshold) + len(structured))
    iin_of = {posting.username: synthetic_iin(posting.username) for posting in expected}
    entries = {row["entry_id"]: row["wager_id"] for row in up.query("SELECT entry_id, wager_id FROM ledger")}
    last: dict[str, dict[str, Any]] = {}
    for alert in read_alerts(up.settings.bootstrap_servers, follow=False):
        if alert["alert_id"] not in last or last[alert["alert_id"]]["revision"] < alert["revision"]:
            last[alert["alert_id"]] = alert
    standing = [alert for alert in last.values() if alert["status"] != "WITHDRAWN"]
    raised = {(a["iin"], entries[a["bucket"]]) for a in standing if a["rule_id"] == "WIN_THRESHOLD"}
    assert raised == {(iin_of[name], wager_id) for name, wager_id in threshold}
    raised = {(a["iin"], a["bucket"]) for a in standing if a["rule_id"] == "WIN_STRUCTURED"}
    assert raised == {(iin_of[name], day) for name, day in structured}


def test_books_balance(up: Line, sent: list[Summary]) -> None:
    up.assert_balanced()


def test_what_totals_remember_is_what_the_ledger_comes_to(up: Line, expected: list[Posting]) -> None:
    """O9-4.6; DESIGN §5: the state of totals equals its rebuild from the ledger, cell by cell."""
    answer = command(up, "totals", "verify", "--json")
    told = json.loads(answer.stdout)
    assert (answer.returncode, told["equal"]) == (0, True), answer.stdout + answer.stderr
    assert sum(one["postings"] for one in told["partitions"]) == len(expected)
    assert sum(one["persons"] for one in told["partitions"]) == len({posting.username for posting in expected})


def test_same_file_again_adds_duplicates_to_the_receipts_and_nothing_to_the_ledger(
    up: Line, sent: list[Summary]
) -> None:
    """Clause O9-4.5: to repeat from a copy is always safe."""
    before = up.query("SELECT count() AS rows, sum(amount_tiyn) AS sum FROM ledger")
    again = [send(up, organizer_bin) for organizer_bin in up.register.bins]
    assert [summary.events_duplicate for summary in again] == [summary.events_accepted for summary in sent]
    assert sum(summary.events_accepted + summary.events_rejected for summary in again) == 0
    up.assert_balanced()
    assert up.query("SELECT count() AS rows, sum(amount_tiyn) AS sum FROM ledger") == before


def test_only_what_intake_can_compare_is_sent_again(
    up: Line, sent: list[Summary], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real receipts say which numbers were used; decision 0006."""
    monkeypatch.setattr(send_module, "COMPARED_MAX", 500)
    again = send(up, up.register.bins[0])
    assert (again.outcome, again.events_sent, again.events_duplicate) == (Outcome.COMPLETE, 501, 501)
    assert again.events_skipped == sent[0].events_sent - 501


@pytest.mark.long
def test_sending_that_is_killed_goes_on_and_counts_each_event_once(
    up: Line, sent: list[Summary], tmp_path: Path
) -> None:
    organizer_bin, mapping = up.register.bins[0], tmp_path / "desks.yaml"
    mapping.write_text(DESK.model_dump_json(exclude_unset=True), encoding="utf-8")
    at = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%dT%H:00:00Z}"
    path = write_file(tmp_path / "killed.csv", *(won(f"k-{number}", at=at) for number in range(15_000)))
    end_before = _end_of(up, organizer_bin)
    options = ["--organizer", organizer_bin, "--mapping", str(mapping)]
    killed = subprocess.Popen(
        [sys.executable, "-m", "esep.cli", "send", str(path), *options, "--json"],
        env={**os.environ, **{f"ESEP_{name.upper()}": value for name, value in up.stack.settings.items()}},
        stdout=subprocess.DEVNULL,
    )
    try:
        up.wait_until(
            "some events", lambda: _end_of(up, organizer_bin) > end_before + 5_000 or killed.poll() is not None
        )
    finally:
        killed.kill()
        assert killed.wait(30) == -signal.SIGKILL
    summary = send(up, organizer_bin, path, str(mapping))
    assert (summary.outcome, summary.events_numbered) == (Outcome.COMPLETE, 30_000)
    assert summary.events_sent + summary.events_skipped == 30_000
    of_stream = "FROM ledger WHERE stream_id = 'killed'"
    up.wait_until("all events", lambda: up.value(f"SELECT count() {of_stream}") >= 30_000)
    assert up.query(f"SELECT count() AS n, uniqExact(sequence) AS distinct, max(sequence) AS last {of_stream}") == [
        {"n": 30_000, "distinct": 30_000, "last": 30_000}
    ]


def _end_of(up: Line, organizer_bin: str) -> int:
    """Return how many messages are on an organizer's topic."""
    consumer = Consumer({"bootstrap.servers": up.settings.bootstrap_servers, "group.id": "test-reader"})
    try:
        places = [TopicPartition(events_topic(organizer_bin), partition) for partition in (0, 1)]
        return sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
    finally:
        consumer.close()


def test_edited_file_under_its_old_name_is_a_conflict_and_counts_nothing_twice(
    up: Line, sent: list[Summary], tmp_path: Path
) -> None:
    organizer_bin = up.register.bins[0]
    before = up.value("SELECT count() FROM ledger")
    lines = BETS.read_text(encoding="utf-8").splitlines(keepends=True)
    edited = tmp_path / BETS.name
    edited.write_text("".join(lines[:1] + lines[101:]), encoding="utf-8")
    summary = send(up, organizer_bin, edited)
    assert summary.outcome is Outcome.STOPPED_BY_CONFLICT
    assert summary.exit_code == 1
    assert up.value("SELECT count() FROM ledger") == before


def test_garbage_on_the_topic_is_rejected_with_its_bytes_and_harms_nobody(up: Line, sent: list[Summary]) -> None:
    """Bytes that are no event, straight past the client: each gets its code, each is kept, good neighbours pass."""
    organizer_bin = up.register.bins[1]
    rows_before = up.value("SELECT count() FROM ledger")
    good = _values_of(up, organizer_bin)
    garbage: list[tuple[str, str | None, bytes, int | None]] = [
        ("NOT_WIRE_FORMAT", "x", b"\xff\xfe\xfd raw garbage", None),
        ("UNDECODABLE", "x", good[0][: len(good[0]) // 2], None),
        ("UNDECODABLE", "x", good[0] + b"\x00", None),
        ("SCHEMA_UNKNOWN", "x", b"\x00\x00\x00\xff\xff" + good[0][5:], None),
        ("UNDECODABLE", "x", good[0][:5] + os.urandom(EVENT_BYTES_MAX - 10_000), None),
        ("KEY_MISMATCH", "somebody-else", good[0], None),
        ("KEY_MISMATCH", None, good[0], None),
        ("EMPTY", "x", b"", None),
    ]
    producer = Producer(
        {
            "bootstrap.servers": up.settings.bootstrap_servers,
            "partitioner": "murmur2_random",
            "message.max.bytes": EVENT_BYTES_MAX,
        }
    )
    for _, key, value, _ in garbage:
        producer.produce(events_topic(organizer_bin), value, key)
    producer.produce(events_topic(organizer_bin), good[0], _key_of(good[0]), partition=1 - _partition_of(good[0]))
    with EventSender(organizer_bin, up.settings.bootstrap_servers) as client:
        entry_id = client.send(_a_wager(), stream_id="neighbour")
    assert producer.flush(30) == 0
    up.wait_until("the neighbour", lambda: up.value("SELECT count() FROM ledger") > rows_before)
    up.wait_rows("rejected", len(garbage) + 1)
    rows = up.query(
        "SELECT reject_code, hex(body) AS body FROM rejected WHERE organizer_bin = {b:String}", b=organizer_bin
    )
    expected = [(code, value.hex().upper()) for code, _, value, _ in garbage]
    expected.append(("WRONG_PARTITION", good[0].hex().upper()))
    assert sorted((row["reject_code"], row["body"]) for row in rows) == sorted(expected)
    assert up.value("SELECT entry_id FROM ledger ORDER BY received_at DESC LIMIT 1") == entry_id
    assert all(app.process.is_running() for app in up.stack.apps.values())
    assert not any(app.ended_at for app in up.stack.apps.values()), "an app had to be started again"
    up.assert_balanced()


def _a_wager() -> Any:
    from datetime import UTC, datetime, timedelta

    from esep.events import Wager

    return Wager(
        site_id="AST-1",
        iin="900101300007",
        wager_id="ticket-1",
        occurred_at=datetime.now(UTC) - timedelta(seconds=5),
        amount_tiyn=100_000,
        payment_method="CASH",
        channel="RETAIL",
        funding="CASH",
        odds_milli=1_500,
    )


def _values_of(up: Line, organizer_bin: str) -> list[bytes]:
    """Return the first messages on an organizer's topic."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": up.settings.bootstrap_servers, "group.id": "test-reader"})
    try:
        topic = events_topic(organizer_bin)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in (0, 1)])
        return [message.value() for message in consumer.consume(5, timeout=10)]
    finally:
        consumer.close()


def _key_of(value: bytes) -> str:
    from esep.codec import decode_one
    from esep.schemas import schema

    return str(decode_one(value, schema("wager"))["stream_id"])


def _partition_of(value: bytes) -> int:
    from esep.partitioner import partition_of

    return partition_of(_key_of(value).encode(), 2)


def command(up: Line, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the `esep` command as a user would, against the line that is up."""
    env = {**os.environ, **{f"ESEP_{name.upper()}": value for name, value in up.stack.settings.items()}}
    return up.command(env, *arguments)


@pytest.mark.long
def test_commands_answer_a_program_in_json(up: Line, sent: list[Summary]) -> None:
    status = command(up, "status", "--json")
    assert status.returncode == 0, status.stderr
    facts = json.loads(status.stdout)
    assert {process["part"] for process in facts["processes"]} == {"intake-0", "totals-0", "alerts-0", "loader-0"}
    assert facts["rows"]["ledger"] >= sum(summary.events_sent for summary in sent)
    books = command(up, "reconcile", "--json")
    assert books.returncode == 0, books.stdout + books.stderr
    assert json.loads(books.stdout)
    rows = command(up, "sql", "--format", "json", "SELECT count() AS rows FROM ledger")
    assert int(json.loads(rows.stdout)["data"][0]["rows"]) == facts["rows"]["ledger"]


def test_wrong_statement_is_an_error_with_a_code(up: Line) -> None:
    answer = command(up, "sql", "SELECT nosuch FROM ledger")
    assert answer.returncode == 2
    assert "UNKNOWN_IDENTIFIER" in answer.stderr


def test_broken_file_is_told_line_by_line_and_the_good_rows_pass(up: Line, tmp_path: Path) -> None:
    """Through the command line, with exit code 1: the codes and lines are those of the file."""
    rows = [
        _GOOD,
        "2,1,ann,-5,NA,NA,NA,3.0,2021-11-01T10:01:00Z",
        "3,1,ann,0,NA,NA,NA,3.0,2021-11-01T10:02:00Z",
        "4,1,ann,ten,NA,NA,NA,3.0,2021-11-01T10:03:00Z",
        "5,1,ann,10,NA,NA,NA,3.0,2099-11-01T10:04:00Z",
        "6,1,ann,10",
    ]
    path = tmp_path / "desk-7.csv"
    path.write_bytes("\n".join([_HEADER, *rows]).encode() + b"\n7,1,\xff\xfe,10,NA,NA,NA,3.0,2021-11-01T10:00:00Z\n")
    owner = up.value("SELECT 1") and _owner_of("ann")
    answer = command(
        up, "send", str(path), "--organizer", owner, "--mapping", "bustabit", "--shift-days", "0", "--json"
    )
    assert answer.returncode == 1, answer.stderr
    told = json.loads(answer.stdout)
    assert told["events_accepted"] == 2
    lines = {reject["line"]: reject["code"] for reject in told["rejects"]}
    assert set(lines) == {3, 4, 5, 6, 7, 8}
    assert lines[3] == lines[4] == "AMOUNT_NOT_POSITIVE"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "FILE_EMPTY"),
        (_HEADER.encode("utf-16"), "FILE_NOT_UTF8"),
        (f"{_HEADER},Colour\n{_GOOD},red\n".encode(), "COLUMN_UNKNOWN"),
        (f"{_HEADER.removesuffix(',PlayDate')}\n".encode(), "COLUMN_MISSING"),
    ],
)
def test_file_whose_first_line_is_at_fault_is_refused_with_code_and_line_and_nothing_is_sent(
    up: Line, tmp_path: Path, content: bytes, code: str
) -> None:
    path = tmp_path / "desk-8.csv"
    path.write_bytes(content)
    answer = command(up, "send", str(path), "--organizer", _owner_of("ann"), "--mapping", "bustabit", "--json")
    assert answer.returncode == 2, answer.stderr
    told = json.loads(answer.stdout)
    assert (told["error"], told["code"], told["line"]) == ("FileUnusable", code, 1)
    assert code in answer.stderr


def _owner_of(name: str) -> str:
    import polars as pl

    from esep.producers.synthetic import split_places

    organizers = load_mapping("bustabit").split.organizers  # type: ignore[union-attr]
    return str(organizers[split_places(pl.Series([name]), len(organizers))[0]])
