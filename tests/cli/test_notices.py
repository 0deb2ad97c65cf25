"""`esep notices` shows, writes and records what each organizer is to be told (O9-5.3)."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from esep.cli.notices import document
from esep.cli.operate import _notices_line
from esep.errors import SettingInvalid, UsageError
from esep.sinks.clickhouse.notices.record import Standing, complete_days
from tests.support.command import command
from tests.support.notice_books import ALATAU, ESIL, Books, at
from tests.support.notices import persons_in

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer

esep = partial(command, "notices")
YESTERDAY = complete_days(datetime.now(UTC))[-1]


@pytest.fixture
def books(clickhouse: ClickHouseServer, monkeypatch: pytest.MonkeyPatch) -> Books:
    """Refused messages of yesterday, by the clock that the command goes by."""
    made = Books(clickhouse)
    made.reject(ALATAU, "EMPTY", at(1, YESTERDAY), at(2, YESTERDAY))
    made.reject(ESIL, "UNDECODABLE", at(3, YESTERDAY))
    made.show_to_commands(monkeypatch)
    return made


@pytest.mark.clickhouse
def test_notices_are_shown_as_text_json_and_pdf(books: Books, tmp_path: Path) -> None:
    text = esep("--organizer", ALATAU, "--day", str(YESTERDAY))
    assert text.exit_code == 0, text.exception
    assert "EMPTY: 2." in text.stdout
    assert ESIL not in text.stdout
    answer = esep("--json", "--day", str(YESTERDAY), "--pdf", str(tmp_path / "notices"))
    assert answer.exit_code == 0, answer.exception
    told = json.loads(answer.stdout)
    assert [one["organizer_bin"] for one in told["notices"]] == [ALATAU, ESIL]
    assert persons_in(answer.stdout.replace(ALATAU, "").replace(ESIL, ""), "") == []
    files = sorted(path.stem for path in (tmp_path / "notices").glob("*.pdf"))
    assert files == sorted(one["notice_id"] for one in told["notices"])
    assert f"Хабарлама нөмірі: {files[0]}" in text.stdout


@pytest.mark.clickhouse
def test_open_notices_have_their_time_left_until_they_are_issued(books: Books) -> None:
    before = json.loads(esep("--open", "--json").stdout)
    assert set(before["hours_left"]) == {ALATAU, ESIL}
    assert all(hours > 0 for hours in before["hours_left"].values())
    issued = json.loads(esep("--issue", "--json").stdout)
    assert [one["notice_id"] for one in issued["notices"]] == [one["notice_id"] for one in before["notices"]]
    assert json.loads(esep("--open", "--json").stdout) == {"hours_left": {}, "notices": []}
    assert "0 notices issued" in esep("--issue").stdout


@pytest.mark.clickhouse
def test_fewest_hours_left_are_those_of_the_organizer_s_oldest_notice(books: Books) -> None:
    now, older = datetime.now(UTC), YESTERDAY - timedelta(days=8)
    books.reject(ALATAU, "EMPTY", at(3, older))
    found = [*books.notices(YESTERDAY).values(), *books.notices(older).values()]
    told = document(found, now)
    assert set(told["hours_left"]) == {ALATAU, ESIL}
    (overdue,) = [one for one in told["notices"] if one["day"] == str(older)]
    assert told["hours_left"][ALATAU] == overdue["hours_left"] < 0 < told["hours_left"][ESIL]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--organizer", "900101300007"], "no BIN"),
        (["--day", "20.11.2026"], "is no day"),
        (["--day", str(YESTERDAY + timedelta(days=2))], "is not over yet"),
        (["--issue", "--organizer", ALATAU], "for all organizers"),
        (["--issue", "--open"], "for all organizers"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments: list[str], text: str) -> None:
    answer = esep(*arguments)
    assert isinstance(answer.exception, UsageError)
    assert text in str(answer.exception)
    assert "900101300007" not in str(answer.exception)


@pytest.mark.clickhouse
def test_missing_library_of_the_pdf_is_named(books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fpdf", None)
    for module in ("esep.sinks.clickhouse.notices.pdf", "esep.sinks.clickhouse.paper"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    answer = esep("--pdf", str(tmp_path))
    assert isinstance(answer.exception, SettingInvalid)
    assert "fpdf" in str(answer.exception)


def test_status_says_which_day_is_due() -> None:
    assert "every day that is over was looked through" in _notices_line(None)
    due = Standing(YESTERDAY, at(24, YESTERDAY), 7.5)
    assert f"{YESTERDAY} is to be looked through (esep notices --issue), 7.5 hours left" in _notices_line(due)
