"""What is carried by a medium is what would have been sent: the same bytes under the same numbers (clause O114-3)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from esep.errors import FileUnusable, UsageError
from esep.producers.medium import read_medium
from esep.producers.send import send_file
from esep.producers.sender import EventSender
from esep.producers.summary import Outcome, Summary
from esep.producers.to_medium import file_to_medium, write_new
from tests.producers.bets import DESK, lost, won, write_file
from tests.producers.fake_intake import read_events

if TYPE_CHECKING:
    from pathlib import Path

    from esep.delivery import Message
    from tests.support.brokers import Broker

ORGANIZER = "940140000385"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
ROWS = (
    won("t-1"),
    lost("t-2"),
    lost("t-3", iin="900101300008"),
    lost("t-4", at="2026-12-01T10:00:00Z"),
    won("t-5"),
)


def written(path: Path, out: Path, organizer_bin: str = ORGANIZER, **options: object) -> tuple[Summary, list[Message]]:
    summary = file_to_medium(path, DESK, organizer_bin, KEY, out, now=NOW, **options)  # type: ignore[arg-type]
    return summary, read_medium(out.read_bytes(), organizer_bin, KEY.public_key()).messages


@pytest.mark.kafka
def test_messages_are_those_that_would_have_been_sent(broker: Broker, organizer: str, tmp_path: Path) -> None:
    path = write_file(tmp_path / "desk-7.csv", *ROWS)
    with EventSender(organizer, broker.bootstrap_servers) as client:
        sent = send_file(path, DESK, client, receipts=None, now=NOW, show_progress=False)
    summary, messages = written(path, tmp_path / "desk-7.esep", organizer)
    lying = read_events(broker.bootstrap_servers, organizer, sent.events_sent)
    assert messages == [(one.key(), one.value()) for one in lying]
    assert summary.events_sent == sent.events_sent == len(messages) == 5
    same = ("stream_id", "rows", "rows_rejected", "rows_waiting", "events_numbered", "rejects", "exit_code")
    assert [getattr(summary, name) for name in same] == [getattr(sent, name) for name in same]
    assert summary.outcome is Outcome.WRITTEN_TO_FILE


def test_rejected_rows_go_to_a_file_to_be_mended_and_waiting_ones_do_not(tmp_path: Path) -> None:
    path, mend = write_file(tmp_path / "desk-7.csv", *ROWS), tmp_path / "mend.csv"
    summary, _ = written(path, tmp_path / "out.esep", rejected_path=mend, stream_id="desk-8")
    assert [(one.line, one.code, one.to_mend) for one in summary.rejects] == [
        (4, "IIN_INVALID", True),
        (5, "INSTANT_IN_FUTURE", False),
    ]
    assert summary.rejected_file == str(mend)
    assert mend.read_text().splitlines()[1:] == [ROWS[2]]
    assert summary.stream_id == "desk-8"


def test_nothing_is_written_over(tmp_path: Path) -> None:
    path, out = write_file(tmp_path / "desk-7.csv", *ROWS), tmp_path / "out.esep"
    written(path, out)
    before = out.read_bytes()
    with pytest.raises(FileUnusable, match="exists already"):
        file_to_medium(path, DESK, ORGANIZER, KEY, out, now=NOW)
    with pytest.raises(FileUnusable, match="exists already"):
        file_to_medium(path, DESK, ORGANIZER, KEY, tmp_path / "new.esep", rejected_path=path, now=NOW)
    assert out.read_bytes() == before
    assert not (tmp_path / "new.esep").exists()


def test_call_that_is_wrong_leaves_nothing_behind(tmp_path: Path) -> None:
    path = write_file(tmp_path / "desk-7.csv", *ROWS)
    with pytest.raises(UsageError, match="no BIN"):
        file_to_medium(path, DESK, "940140000386", KEY, tmp_path / "a.esep", now=NOW)
    with pytest.raises(FileUnusable, match="cannot be written"):
        write_new(tmp_path / "nowhere" / "b.esep", b"x")
    assert {one.name for one in tmp_path.iterdir()} == {"desk-7.csv"}
