"""The line loses processes while bets flow: afterwards the books balance and every total is right.

With the shipped settings, one kind of fault after the other; many at once are in `make test` (tests/chaos).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from esep.cli.operate import app_commands
from esep.producers.mapping import load_mapping
from esep.producers.receipt_reader import ReceiptReader
from esep.producers.send import send_file
from esep.producers.sender import EventSender
from tests.integration.line import BETS, Line, line

pytestmark = [pytest.mark.stack, pytest.mark.long]
_SESSION_MS = 6_000  # The shortest that a broker takes by default: so long a stopped worker keeps its partitions.
_EVENTS = 36_975
_ROWS = 8_000  # Of the bets, for rounds that need no more.
_WRONG_TOTALS = """
SELECT count() FROM (
    SELECT person_ever_wager_count + person_ever_winning_count AS counted,
           row_number() OVER (PARTITION BY iin ORDER BY ledger_offset) AS place
    FROM ledger
) WHERE counted != place
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with line(tmp_path_factory.mktemp("faults"), ESEP_SESSION_TIMEOUT_MS=str(_SESSION_MS)) as started:
        yield started


@pytest.fixture(scope="module")
def fewer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a file of the first bets."""
    file = tmp_path_factory.mktemp("bets") / "fewer.csv"
    file.write_text("".join(BETS.read_text("utf-8").splitlines(keepends=True)[: _ROWS + 1]), "utf-8")
    return file


@contextmanager
def sending(up: Line, round_name: str, file: Path = BETS) -> Iterator[Counter[str]]:
    """Send the bets as all organizers, one after the other, while the body does its worst; wait for the end.

    round_name: of the streams, so that each round's bets are others to intake. Gives the events sent, by round.
    """
    failures: list[BaseException] = []
    sent: Counter[str] = Counter()

    def send() -> None:
        try:
            for organizer_bin in up.register.bins:
                servers = up.settings.bootstrap_servers
                with (
                    EventSender(organizer_bin, servers) as client,
                    ReceiptReader(organizer_bin, servers) as receipts,
                ):
                    summary = send_file(
                        file,
                        load_mapping("bustabit"),
                        client,
                        receipts=receipts,
                        stream_id=round_name,
                        show_progress=False,
                    )
                    sent[round_name] += summary.events_sent
        except BaseException as error:  # noqa: BLE001 - told to the test, whatever it is
            failures.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
        up.wait_until("all is sent", lambda: not thread.is_alive(), 120)
    finally:
        thread.join(120)
    assert not failures, failures


def assert_right(up: Line, sent: Counter[str]) -> None:
    """Every event is in the ledger once, in Kafka and in ClickHouse, and each person's running counts have no step
    missing and none twice."""
    ((round_name, events),) = sent.items()
    count = f"SELECT count() FROM ledger WHERE stream_id = '{round_name}'"
    up.wait_until("all is in the ledger", lambda: up.value(count) >= events)
    up.assert_balanced()
    once = f"SELECT uniqExact(entry_id) FROM ledger WHERE stream_id = '{round_name}'"
    assert up.value(count) == up.value(once) == events
    assert up.value(_WRONG_TOTALS) == 0


def committed(up: Line, worker: str) -> int:
    """Return how many records a worker has committed since its process started."""
    return int(up.stack.apps[worker].status().get("counters", {}).get("records", 0))


def ended(up: Line) -> dict[str, int]:
    """Return how often each app has ended."""
    return {name: len(app.ended_at) for name, app in up.stack.apps.items()}


def test_totals_killed_in_the_middle_of_the_load_lose_and_double_nothing(up: Line) -> None:
    with sending(up, "twice") as sent:
        for _ in range(2):
            up.wait_until("totals at work", lambda: committed(up, "totals-0") > 0)
            killed = up.stack.apps["totals-0"].process.pid
            up.stack.apps["totals-0"].process.kill()
            up.wait_until("another process", lambda killed=killed: up.stack.apps["totals-0"].process.pid != killed)
    assert_right(up, sent)
    assert sent["twice"] == _EVENTS
    assert ended(up) == {"intake-0": 0, "totals-0": 2, "alerts-0": 0, "loader-0": 0}


def test_every_app_killed_once_in_the_load_loses_and_doubles_nothing(up: Line, fewer: Path) -> None:
    """Clauses O9-4.4, O9-4.5: each part comes back by itself, and the books balance."""
    before = ended(up)
    worked = committed(up, "totals-0")
    with sending(up, "all-at-once", fewer) as sent:
        up.wait_until("totals at work", lambda: committed(up, "totals-0") > worked)
        for app in up.stack.apps.values():
            app.process.kill()
    assert_right(up, sent)
    assert ended(up) == {name: times + 1 for name, times in before.items()}


def test_partitions_move_between_two_workers_while_one_is_stopped_and_woken(up: Line, fewer: Path) -> None:
    """The stopped worker loses its partitions to the other, wakes up with work in hand, and may not commit it."""
    up.stack.start_apps({"totals-1": app_commands()["totals-0"]}, {"ESEP_SESSION_TIMEOUT_MS": str(_SESSION_MS)})
    up.stack.wait_ready()
    up.wait_until("both have partitions", lambda: _partitions(up, "totals-0") == _partitions(up, "totals-1") == 2)
    with sending(up, "moved", fewer) as sent:
        up.wait_until("the second at work", lambda: committed(up, "totals-1") > 0)
        up.stack.apps["totals-1"].process.pause()
        up.wait_until("the first has all partitions", lambda: _partitions(up, "totals-0") == 4)
        up.stack.apps["totals-1"].process.resume()
    assert_right(up, sent)
    up.wait_until("both work again", lambda: _partitions(up, "totals-0") == _partitions(up, "totals-1") == 2)


def _partitions(up: Line, worker: str) -> int:
    status = up.stack.apps[worker].status()
    return len(status.get("positions", {})) if status.get("state") == "ready" else 0
