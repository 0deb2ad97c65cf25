"""Facts of a day out of the real tables, put there by the loader's own way of inserting (O9-5.3)."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from esep.codes import REJECT_CODES
from esep.sinks.clickhouse.notices.facts import Outage, Place
from esep.sinks.clickhouse.notices.text import plain_text
from tests.sinks.line import IINS
from tests.support.notice_books import ALATAU, DAY, ESIL, Books, at
from tests.support.notices import persons_in

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = pytest.mark.clickhouse


@pytest.fixture
def books(clickhouse: ClickHouseServer) -> Books:
    return Books(clickhouse)


def test_every_reject_of_the_day_is_counted_in_one_line_of_its_organizer(books: Books) -> None:
    """Almaty's day, not UTC's: its first and last millisecond belong to it, those beside them do not."""
    last = timedelta(hours=24) - timedelta(milliseconds=1)
    books.reject(ALATAU, "EMPTY", at(0), at(0) + last, at(12), at(0) - timedelta(milliseconds=1), at(24))
    books.reject(ALATAU, "UNDECODABLE", at(3), at(2))
    books.reject(ESIL, "EMPTY", at(5))
    found = books.notices()
    lines = {bin_: {line.reject_code: line.count for line in notice.rejects} for bin_, notice in found.items()}
    assert lines == {ALATAU: {"EMPTY": 3, "UNDECODABLE": 2}, ESIL: {"EMPTY": 1}}
    empty, undecodable = found[ALATAU].rejects
    assert (empty.first_received_at, empty.last_received_at) == (at(0), at(0) + last)
    assert empty.examples == (Place(0, 0), Place(0, 1))
    assert undecodable.examples == (Place(0, 6), Place(0, 5))
    assert found[ESIL].rejects[0].examples == (Place(0, 7),)
    assert books.notices(organizer_bin=ESIL) == {ESIL: found[ESIL]}


def test_lines_of_the_tables_are_those_of_counting_by_hand(books: Books) -> None:
    """Two ways, one answer: the query, and a count of the same messages in Python, over three days."""
    draw, codes = Random(20261120), [code.code for code in REJECT_CODES]
    expected: Counter[tuple[str, date, str]] = Counter()
    for bin_ in (ALATAU, ESIL):
        for code in draw.sample(codes, 6):
            hours = [draw.uniform(-24, 48) for _ in range(40)]
            books.reject(bin_, code, *(at(hour) for hour in hours))
            expected.update((bin_, DAY + timedelta(days=int(hour // 24)), code) for hour in hours)
    found = Counter(
        {
            (bin_, day, line.reject_code): line.count
            for day in (DAY - timedelta(days=1), DAY, DAY + timedelta(days=1))
            for bin_, notice in books.notices(day).items()
            for line in notice.rejects
        }
    )
    assert found == expected


def test_no_number_of_a_person_leaves_the_tables(books: Books) -> None:
    books.reject(ALATAU, "EMPTY", at(1))
    books.receipt(ALATAU, at(2), {f"desk-{IINS[1]}": [(2, 3)]})
    notice = books.notices()[ALATAU]
    assert notice.gaps is not None
    for told in (plain_text(notice), json.dumps(notice.to_json())):
        assert persons_in(told, ALATAU) == []


def test_gaps_are_those_of_the_last_receipt_of_the_day_that_names_the_stream(books: Books) -> None:
    books.receipt(ALATAU, at(9), {"desk-1": [(4, 5)], "desk-2": [(2, 2)]})
    books.receipt(ALATAU, at(10), {"desk-1": [(5, 5)]})
    books.receipt(ALATAU, at(10), {"desk-1": [(7, 9)]}, partition=1)
    books.receipt(ALATAU, at(25), {"desk-2": []})
    books.receipt(ESIL, at(11), {"desk-1": [(3, 3)]})
    books.receipt(ESIL, at(12), {"desk-1": []})
    found = books.notices()
    assert set(found) == {ALATAU}, "the gap of the other was filled on the same day"
    gaps = found[ALATAU].gaps
    assert gaps is not None
    told = {(gap.partition, gap.stream_id): gap.ranges for gap in gaps.streams}
    assert told == {(0, "desk-1"): ((5, 5),), (0, "desk-2"): ((2, 2),), (1, "desk-1"): ((7, 9),)}
    assert books.notices(DAY + timedelta(days=1)) == {}, "filled in the night"


def test_late_receipts_are_our_own_interruption(books: Books) -> None:
    books.receipt(ALATAU, at(9), late_s=3600)
    books.receipt(ALATAU, at(9.5), late_s=1800)
    books.receipt(ALATAU, at(12), late_s=300)
    books.receipt(ALATAU, at(15), late_s=301)
    later = Outage(at(15), at(15) + timedelta(seconds=301), 4)
    assert books.notices()[ALATAU].outages == (Outage(at(9), at(10), 8), later)


def test_who_sent_every_day_for_four_weeks_and_then_nothing_is_silent(books: Books) -> None:
    for before in range(1, 29):
        books.receipt(ALATAU, at(23, DAY - timedelta(days=before)))
        if before != 7:
            books.receipt(ESIL, at(1, DAY - timedelta(days=before)))
    found = books.notices()
    assert set(found) == {ALATAU}
    assert found[ALATAU].silence is not None
    assert found[ALATAU].silence.since == at(-1)
    assert set(books.notices(DAY + timedelta(days=1))) == {ALATAU}
    books.receipt(ALATAU, at(1))
    assert books.notices() == {}


def test_same_tables_give_the_same_notice_and_its_term_passes_over_the_weekend(books: Books) -> None:
    books.reject(ALATAU, "EMPTY", at(1), at(2))
    first, second = books.notices()[ALATAU], books.notices()[ALATAU]
    assert (first, first.notice_id) == (second, second.notice_id)
    assert first.due_at == at(24, date(2026, 11, 23)) - timedelta(milliseconds=1)
    books.reject(ALATAU, "EMPTY", at(3))
    assert books.notices()[ALATAU].notice_id != first.notice_id
