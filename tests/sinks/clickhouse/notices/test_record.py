"""What was issued is known, once each, and so is the time left for what was not (O9-5.3)."""

from __future__ import annotations

import doctest
import json
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.notices import record
from esep.sinks.clickhouse.notices.record import (
    DAYS_BACK,
    complete_days,
    hours_left,
    issue,
    open_notices,
    standing,
)
from tests.support.notice_books import ALATAU, DAY, ESIL, HOLIDAYS, Books, at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = pytest.mark.clickhouse
MONDAY = date(2026, 11, 23)
NOW = at(9, MONDAY)
DAYS = complete_days(NOW)


@pytest.fixture
def books(clickhouse: ClickHouseServer) -> Books:
    return Books(clickhouse)


@pytest.fixture
def client(books: Books) -> Iterator[Client]:
    with connect(books.settings) as opened:
        yield opened


def test_notice_is_issued_once_and_kept_as_it_was(books: Books, client: Client) -> None:
    books.reject(ALATAU, "EMPTY", at(1))
    books.reject(ESIL, "EMPTY", at(2, DAY - timedelta(days=1)))
    open_before = open_notices(client, DAYS, HOLIDAYS)
    assert [(one.organizer_bin, one.day) for one in open_before] == [(ESIL, DAY - timedelta(days=1)), (ALATAU, DAY)]
    assert issue(client, DAYS, HOLIDAYS, NOW) == open_before
    assert issue(client, DAYS, HOLIDAYS, NOW + timedelta(hours=1)) == []
    assert open_notices(client, DAYS, HOLIDAYS) == []
    rows = client.query(
        "SELECT notice_id, organizer_bin, day, due_at, issued_at, content FROM notices ORDER BY day", query_tz="UTC"
    ).result_rows
    assert [(row[0], row[1], row[2]) for row in rows] == [
        (one.notice_id, one.organizer_bin, one.day) for one in open_before
    ]
    assert [row[3].replace(tzinfo=None) for row in rows] == [one.due_at.replace(tzinfo=None) for one in open_before]
    assert {row[4].replace(tzinfo=None) for row in rows} == {NOW.replace(tzinfo=None)}
    assert [row[5] for row in rows] == [one.content for one in open_before]
    assert json.loads(rows[1][5])["rejects"][0]["count"] == 1


def test_day_of_which_more_became_known_has_a_second_notice(books: Books, client: Client) -> None:
    books.reject(ALATAU, "EMPTY", at(1))
    (first,) = issue(client, DAYS, HOLIDAYS, NOW)
    books.reject(ALATAU, "CORRECTION_MISMATCH", at(1))
    (second,) = issue(client, DAYS, HOLIDAYS, NOW)
    assert (second.organizer_bin, second.day, second.due_at) == (first.organizer_bin, first.day, first.due_at)
    assert second.notice_id != first.notice_id
    assert client.query("SELECT count() FROM notices").result_rows == [(2,)]


def test_day_is_not_read_again_until_rows_have_come_that_could_change_it(
    books: Books, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[date] = []
    monkeypatch.setattr(record, "notices_of", lambda _client, day, *_: read.append(day) or [])
    books.reject(ALATAU, "EMPTY", at(1))
    issue(client, DAYS, HOLIDAYS, NOW)
    assert read == DAYS
    assert issue(client, DAYS, HOLIDAYS, NOW) == open_notices(client, DAYS, HOLIDAYS) == []
    assert read == DAYS, "nothing had come"
    books.receipt(ESIL, at(2))
    open_notices(client, DAYS, HOLIDAYS)
    assert read[len(DAYS) :] == [day for day in DAYS if day >= DAY], "silence of later days looks back on this one"


def test_time_left_is_that_until_the_end_of_monday(books: Books, client: Client) -> None:
    books.reject(ALATAU, "EMPTY", at(1))
    (notice,) = open_notices(client, [DAY], HOLIDAYS)
    assert hours_left(notice, NOW) == 15
    assert hours_left(notice, NOW + timedelta(hours=16)) == -1


def test_oldest_day_that_nobody_looked_through_stands_out(books: Books, client: Client) -> None:
    assert standing(client, HOLIDAYS, NOW) is None, "nothing has ever come"
    books.receipt(ALATAU, at(3, DAY - timedelta(days=1)))
    untold = standing(client, HOLIDAYS, NOW)
    assert untold is not None
    assert (untold.day, untold.hours_left) == (DAY - timedelta(days=1), -57 + 0)
    assert untold.to_json()["day"] == "2026-11-19"
    issue(client, [untold.day, DAY], HOLIDAYS, NOW)
    untold = standing(client, HOLIDAYS, NOW)
    assert untold is not None
    assert (untold.day, untold.hours_left) == (DAY + timedelta(days=1), 15)
    issue(client, DAYS, HOLIDAYS, NOW)
    assert standing(client, HOLIDAYS, NOW) is None
    assert standing(client, HOLIDAYS, NOW + timedelta(days=1)) is not None


def test_days_that_are_over_end_with_yesterday_in_almaty() -> None:
    assert DAYS[-1] == MONDAY - timedelta(days=1)
    assert len(DAYS) == DAYS_BACK == len(set(DAYS))
    assert complete_days(at(0, MONDAY) - timedelta(milliseconds=1))[-1] == MONDAY - timedelta(days=2)
    assert doctest.testmod(record).attempted == 2
    assert doctest.testmod(record).failed == 0
