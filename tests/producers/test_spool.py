"""The spool as a state machine: whatever happens, numbers are dense and given once, and bytes never change."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from esep.codec import decode
from esep.errors import FileUnusable, InvariantBroken, SpoolUnwritable, UsageError
from esep.events import EVENT_RECORDS, Correction
from esep.producers.answers import State
from esep.producers.spool import Ack, Spool
from esep.producers.spool_reader import SpoolReader
from tests.producers.bets import ROOT
from tests.producers.spooling import AT, ORGANIZER, bet, kept, paid, refused, told
from tests.support.examples import examples

STREAMS = ("desk-7", "desk-8")


def make(path: Path, **options: object) -> Spool:
    return Spool(path / "esep.spool", ORGANIZER, **options)  # type: ignore[arg-type]


class SpoolMachine(RuleBasedStateMachine):
    """The spool beside a model of it: two streams, one partition, a broker that appends what it is sent."""

    in_flight = Bundle("in_flight")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="esep-spool-"))
        self.clock_ms = 1_800_000_000_000
        self.given: dict[tuple[str, int], bytes] = {}
        self.order: list[tuple[str, int]] = []
        self.log: list[tuple[str, int]] = []  # What the broker has, by offset.
        self.answered = 0  # Offsets that receipts cover.
        self.verdicts: dict[tuple[str, int], str] = {}
        self.notices: list[dict[str, object]] = []
        self.final: dict[tuple[str, int], tuple[int, str | None]] = {}
        self.receipts = 0
        self.tickets = 0
        self.spool = self.open()

    def open(self) -> Spool:
        return make(self.folder, now_ms=lambda: self.clock_ms, first_sequences={"desk-8": 118})

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.folder)

    @rule(stream=st.sampled_from(STREAMS), count=st.integers(1, 4))
    def send(self, stream: str, count: int) -> None:
        with self.spool.transaction():
            numbers = self.append(stream, count)
        self.order += [(stream, number) for number in numbers]

    @rule(stream=st.sampled_from(STREAMS), count=st.integers(1, 4))
    def fail(self, stream: str, count: int) -> None:
        """A transaction that is not committed gives no number."""
        with pytest.raises(ZeroDivisionError), self.spool.transaction():
            len(self.append(stream, count)) / 0

    @rule(stream=st.sampled_from(STREAMS))
    def refuse(self, stream: str) -> None:
        with pytest.raises(UsageError), self.spool.transaction():
            self.spool.append(stream, [bet("t"), bet("t").model_copy(update={"amount_tiyn": 2**70})])

    def append(self, stream: str, count: int) -> range:
        events = []
        for _ in range(count):
            self.tickets += 1
            events.append(bet(f"t-{self.tickets}") if self.tickets % 2 else paid(f"t-{self.tickets}"))
        return self.spool.append(stream, events)

    @rule(target=in_flight, upto=st.integers(1, 6))
    def deliver(self, upto: int) -> tuple[tuple[str, int], Ack] | None:
        """The broker appends the first events that are not acknowledged; the acknowledgement of the last is kept."""
        with SpoolReader(self.spool.path) as reader:
            unsent = list(reader.unsent(0))[:upto]
        sent = None
        for event in unsent:
            key = event.stream_id, int(self.number_of(event.value))
            assert self.given.get(key, event.value) == event.value
            self.log.append(key)
            sent = key, Ack(event.event, 0, len(self.log) - 1)
        return sent

    def number_of(self, value: bytes) -> int:
        (frame,) = decode([value], EVENT_RECORDS).frames.values()
        return int(frame["sequence"][0])

    @rule(sent=consumes(in_flight))
    def acknowledge(self, sent: tuple[tuple[str, int], Ack] | None) -> None:
        if sent is not None:
            with self.spool.transaction():
                self.spool.acknowledge([sent[1]])

    @rule(upto=st.integers(1, 8), code=st.sampled_from([None, "IIN_INVALID", "SITE_UNKNOWN"]))
    def receipt(self, upto: int, code: str | None) -> None:
        """Intake reads on: what is new is taken, or refused with a code; what it knows is a duplicate."""
        through = min(self.answered + upto, len(self.log))
        if through == self.answered:
            return
        notices = []
        for offset in range(self.answered, through):
            key = self.log[offset]
            if key not in self.verdicts:
                self.verdicts[key] = code or "ACCEPTED"
                if code:
                    notices.append(refused(offset, *key, code))
        consumed = {stream: [number for name, number in self.verdicts if name == stream] for stream in STREAMS}
        content = told(through - 1, self.answered, {name: ns for name, ns in consumed.items() if ns}, rejects=notices)
        with self.spool.transaction():
            self.spool.take_receipts([(self.receipts, content)])
        self.receipts, self.answered = self.receipts + 1, through

    @rule()
    def late(self) -> None:
        with self.spool.transaction():
            self.spool.send_again({0: len(self.log)})

    @rule(hours=st.integers(-48, 48))
    def jump(self, hours: int) -> None:
        """The wall clock is set."""
        self.clock_ms += hours * 3_600_000

    @rule()
    def restart(self) -> None:
        self.spool.close()
        self.spool = self.open()

    @invariant()
    def numbers_are_dense_and_unique_and_bytes_and_answers_stay(self) -> None:
        rows = kept(self.spool.path)
        for row in rows:
            key = row.stream_id, row.sequence
            assert self.given.setdefault(key, row.value) == row.value
            if row.state >= State.RECEIPTED:
                assert self.final.setdefault(key, (row.state, row.reject_code)) == (row.state, row.reject_code)
                verdict = self.verdicts[key]
                assert (row.state, row.reject_code) == (
                    (State.RECEIPTED, None) if verdict == "ACCEPTED" else (State.REJECTED, verdict)
                )
            elif row.state == State.SPOOLED:
                assert key not in self.final
        assert [(row.stream_id, row.sequence) for row in rows] == self.order
        for stream, first in (("desk-7", 1), ("desk-8", 118)):
            numbers = [row.sequence for row in rows if row.stream_id == stream]
            assert numbers == list(range(first, first + len(numbers)))
        counts = Counter(row.state for row in rows)
        assert {state: counts[state] for state in State} == dict(self.spool.tally)
        with SpoolReader(self.spool.path) as reader:
            assert reader.tally() == self.spool.tally
            assert reader.receipts_offset == self.receipts


SpoolMachine.TestCase.settings = settings(max_examples=examples(15), stateful_step_count=30, deadline=None)
TestSpoolMachine = SpoolMachine.TestCase


def test_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """Write-ahead log and synchronous=FULL: what SQLite itself calls durable over a power cut."""
    spool = make(tmp_path)
    assert spool._file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert spool._file.execute("PRAGMA synchronous").fetchone() == (2,)
    spool.close()
    again = make(tmp_path)
    assert again._file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert again._file.execute("PRAGMA synchronous").fetchone() == (2,)
    again.close()


def fill(spool: Spool) -> None:
    """Keep events in hundreds until the spool takes no more."""
    while True:
        with spool.transaction():
            spool.append("desk-7", [bet(f"t-{number}") for number in range(100)])


def test_full_spool_says_so_uses_up_no_number_and_still_takes_answers(tmp_path: Path) -> None:
    spool = make(tmp_path, bytes_max=400_000)
    with pytest.raises(SpoolUnwritable, match="could not keep this"):
        fill(spool)
    taken = spool.tally[State.SPOOLED]
    assert taken >= 100
    assert [row.sequence for row in kept(spool.path)] == list(range(1, taken + 1))
    with spool.transaction():
        spool.acknowledge([Ack(number, 0, number - 1) for number in range(1, taken + 1)])
    with spool.transaction():
        spool.take_receipts([(0, told(taken - 1, consumed={"desk-7": list(range(1, taken + 1))}))])
    assert spool.tally[State.RECEIPTED] == taken
    spool.close()
    larger = make(tmp_path, bytes_max=4_000_000)
    with larger.transaction():
        assert larger.append("desk-7", [bet("t-more")]) == range(taken + 1, taken + 2)
    larger.close()


FAILING_DISK = """
import resource, signal, sys
from pathlib import Path
from esep.errors import SpoolUnwritable
from esep.producers.spool import Spool
from tests.producers.spooling import ORGANIZER, bet
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
spool = Spool(Path(sys.argv[1]), ORGANIZER)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
try:
    while True:
        with spool.transaction():
            print(spool.append("desk-7", [bet("t")] * 50).stop - 1, flush=True)
except SpoolUnwritable as error:
    print(error.what)
try:
    with spool.transaction():
        pass
except SpoolUnwritable as error:
    print(error.what)
"""


def test_disk_that_fails_stops_the_spool_until_it_is_opened_again_with_all_that_was_confirmed(tmp_path: Path) -> None:
    """A write that the system refuses, by a limit on the size of files."""
    path = tmp_path / "esep.spool"
    answer = subprocess.run(
        [sys.executable, "-c", FAILING_DISK, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    *numbers, failed, stopped = answer.stdout.splitlines()
    assert "could not keep this" in failed
    assert "its disk has failed" in stopped
    confirmed = int(numbers[-2])  # The last was given inside the transaction that failed.
    again = make(tmp_path)
    with again.transaction():
        assert again.append("desk-7", [bet("t")]).start == confirmed + 1
    again.close()


OPEN_ONLY = """
import sys
from pathlib import Path
from esep.producers.spool import Spool
from tests.support.examples import examples
Spool(Path(sys.argv[1]), sys.argv[2])
"""


def test_second_user_of_a_spool_is_refused_here_and_in_another_process(tmp_path: Path) -> None:
    spool = make(tmp_path)
    with pytest.raises(FileUnusable, match="is in use"):
        make(tmp_path)
    call = [sys.executable, "-c", OPEN_ONLY, str(spool.path), ORGANIZER]
    other = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert other.returncode == 1
    assert "is in use" in other.stderr
    spool.close()
    assert subprocess.run(call, cwd=ROOT, capture_output=True, timeout=60, check=False).returncode == 0


def test_spool_of_another_organizer_another_file_and_no_bin_are_refused(tmp_path: Path) -> None:
    make(tmp_path).close()
    with pytest.raises(FileUnusable, match="is that of 940140000385"):
        Spool(tmp_path / "esep.spool", "950341000052")
    with pytest.raises(UsageError, match="is no BIN"):
        Spool(tmp_path / "esep.spool", "900101300007")
    (tmp_path / "bets.csv").write_text("ticket,person\n" * 100)
    with pytest.raises(FileUnusable, match="cannot be opened"):
        Spool(tmp_path / "bets.csv", ORGANIZER)
    database = sqlite3.connect(tmp_path / "tills.db")
    database.execute("CREATE TABLE tills (id INTEGER)")
    database.close()
    with pytest.raises(FileUnusable, match="no spool of this version"):
        Spool(tmp_path / "tills.db", ORGANIZER)
    with pytest.raises(FileUnusable, match="cannot be opened"):
        Spool(tmp_path / "nosuch" / "esep.spool", ORGANIZER)
    make(tmp_path).close()  # What was refused holds no lock.


def test_event_or_answer_that_is_changed_behind_our_back_is_refused_by_the_file(tmp_path: Path) -> None:
    spool = make(tmp_path)
    with spool.transaction():
        spool.append("desk-7", [bet("t-1")])
    for change in ("UPDATE events SET value = x'00'", "UPDATE events SET sequence = 2", "DELETE FROM events"):
        with pytest.raises(InvariantBroken), spool.transaction():
            spool._file.execute(change)
    assert len(kept(spool.path)) == 1
    spool.close()


def test_stream_id_that_intake_refuses_is_refused_before_it_is_written(tmp_path: Path) -> None:
    spool = make(tmp_path)
    with pytest.raises(UsageError, match="cannot be a stream id"), spool.transaction():
        spool.append("desk 7", [bet("t-1")])
    spool.close()


def test_receipted_events_go_when_the_law_lets_them_and_their_numbers_are_not_given_again(tmp_path: Path) -> None:
    """Clause O9-4.7: a bet of 2020 is kept through 2025, Almaty; the payout of 2021 goes with its bet."""
    now = datetime(2026, 11, 21, tzinfo=UTC)
    horizon = datetime(2020, 12, 31, 18, tzinfo=UTC)
    old, young = horizon - timedelta(milliseconds=1), horizon
    correction = Correction(target_sequence=1, replaces_revision=0, corrected_at=young, reason="typed twice")
    events = [bet("t-1", old), paid("t-1", old), bet("t-2", young), correction, bet("t-3", old)]
    spool = make(tmp_path)
    with spool.transaction():
        spool.append("desk-7", events)
        spool.acknowledge([Ack(number, 0, number - 1) for number in range(1, 6)])
        spool.take_receipts([(0, told(4, consumed={"desk-7": [1, 2, 3, 4, 5]}, rejects=[refused(4, "desk-7", 5)]))])
    with pytest.raises(UsageError, match="must be kept"):
        spool.prune(horizon + timedelta(milliseconds=1), now)
    with SpoolReader(spool.path) as reader:
        assert reader.count_receipted_before(int(horizon.timestamp() * 1000)) == 2
    assert spool.prune(horizon, now) == 2
    assert [row.sequence for row in kept(spool.path)] == [3, 4, 5], "what was refused is not pruned"
    assert spool.tally[State.RECEIPTED] == 2
    with spool.transaction():
        assert spool.append("desk-7", [bet("t-4")]) == range(6, 7)
    assert horizon < AT
    spool.close()
