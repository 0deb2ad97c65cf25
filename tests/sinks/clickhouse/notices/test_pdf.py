"""A notice on paper: the same bytes each time, and a glyph for every letter of every text (O9-5.3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import ttf_opensans
from fontTools.ttLib import TTFont
from hypothesis import given, settings

from esep.codes import REJECT_CODES
from esep.sinks.clickhouse.notices import text
from esep.sinks.clickhouse.notices.facts import Late, Notice, Place, RejectLine, Silence, gaps_of, outages_of
from esep.sinks.clickhouse.notices.pdf import pdf_of
from tests.support.examples import examples
from tests.support.notices import notices

AT = datetime(2026, 11, 20, 7, tzinfo=UTC)
FULL = Notice(
    "940140000385",
    date(2026, 11, 20),
    AT + timedelta(days=3),
    tuple(RejectLine(code.code, 3, AT, AT, (Place(0, 1),)) for code in REJECT_CODES),
    gaps_of({(partition, f"desk-{partition}"): [(n, n) for n in range(2, 90, 2)] for partition in range(60)}),
    Silence(AT),
    outages_of([Late(AT, AT + timedelta(hours=1), 7)]),
)


@settings(max_examples=examples(5))
@given(notices())
def test_same_notice_is_the_same_file(notice: Notice) -> None:
    made = pdf_of(notice)
    assert made.startswith(b"%PDF-")
    assert made.rstrip().endswith(b"%%EOF")
    assert pdf_of(notice) == made


def test_long_notice_takes_several_pages_and_each_language_begins_on_its_own() -> None:
    assert pdf_of(FULL).count(b"/Type /Page\n") >= 4
    short = Notice("940140000385", date(2026, 11, 20), AT, silence=Silence(AT))
    assert pdf_of(short).count(b"/Type /Page\n") == 2


def test_font_has_every_letter_that_a_notice_may_have() -> None:
    words = Path(text.__file__).with_name("words.yaml").read_text(encoding="utf-8")
    letters = set(words) | {letter for code in REJECT_CODES for letter in code.kk + code.ru + code.code}
    letters |= {chr(number) for number in range(0x20, 0x7F)} | set("әғқңөұүһіӘҒҚҢӨҰҮҺІ")
    for font in (ttf_opensans.OPENSANS_REGULAR, ttf_opensans.OPENSANS_BOLD):
        with TTFont(font.path) as opened:
            known = opened.getBestCmap()
        assert [letter for letter in sorted(letters - {"\n"}) if ord(letter) not in known] == []
