"""`esep gaps` for operators, by the store, and for an organizer, by its own receipts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from esep.errors import UsageError
from esep.producers.receipt_file import write_receipts
from tests.producers.spooling import ORGANIZER
from tests.support.command import command
from tests.support.notice_books import ESIL, Books
from tests.support.receipt_signing import ROOT_CERTIFICATE
from tests.support.told_receipts import DESK, RECEIVED_AT, Organizer

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer

esep = partial(command, "gaps")


def test_organizer_sees_by_its_own_receipts_what_is_missing_and_since_when(tmp_path: Path) -> None:
    """O9-4.5: what got lost on the way is known to both sides."""
    organizer, root, file = Organizer(tmp_path), tmp_path / "root.crt", tmp_path / "receipts.jsonl"
    root.write_bytes(ROOT_CERTIFICATE.public_bytes(Encoding.PEM))
    organizer.report(DESK, 5)
    sent = organizer.messages()
    organizer.deliver([sent[0], sent[4]])
    write_receipts(file, organizer.receipts())
    arguments = ("--organizer", ORGANIZER, "--receipts", file, "--receipt-root", root)
    answer = esep(*arguments, "--json")
    assert answer.exit_code == 1, answer.exception
    told = {"organizer_bin": ORGANIZER, "partition": 0, "stream_id": DESK, "first": 2, "last": 4, "missing_count": 3}
    since = RECEIVED_AT.isoformat().replace("+00:00", "Z")
    assert json.loads(answer.stdout) == {"gaps": 1, "missing_count": 3, "ranges": [{**told, "since": since}]}
    assert "3 events are missing, in 1 gaps" in esep(*arguments).stdout
    organizer.deliver(sent[1:4])
    file.unlink()
    write_receipts(file, organizer.receipts())
    assert (esep(*arguments).exit_code, json.loads(esep(*arguments, "--json").stdout)["gaps"]) == (0, 0)
    assert isinstance(esep("--organizer", ESIL, "--receipts", file).exception, UsageError)
    organizer.close()


@pytest.mark.clickhouse
def test_operator_sees_all_organizers_by_the_store_and_no_person(
    clickhouse: ClickHouseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    books, now = Books(clickhouse), datetime.now(UTC)
    books.show_to_commands(monkeypatch)
    assert esep().exit_code == 0
    books.receipt(ORGANIZER, now - timedelta(days=40), {"desk-1": [(2, 9)]})
    books.receipt(ESIL, now, {"desk-900101300007": [(1, number) for number in (1,)]})
    answer = esep("--json")
    assert answer.exit_code == 1
    assert [one["organizer_bin"] for one in json.loads(answer.stdout)["ranges"]] == [ESIL]
    assert "900101300007" not in answer.stdout + esep().stdout
    assert json.loads(esep("--days", 0, "--json").stdout)["missing_count"] == 9
    assert json.loads(esep("--organizer", ORGANIZER, "--days", 0, "--json").stdout)["missing_count"] == 8


def test_what_cannot_be_asked_is_refused() -> None:
    assert isinstance(esep("--organizer", "900101300007").exception, UsageError)
    assert isinstance(esep("--topic").exception, UsageError)
