"""The words of a notice: each fact in both languages, with its reason, the same for the same facts (O9-5.3)."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime

import pytest
from hypothesis import given

from esep.codes import BY_CODE, REJECT_CODES
from esep.sinks.clickhouse.notices.facts import Notice, RejectLine
from esep.sinks.clickhouse.notices.text import LANGUAGES, Language, lines_of, plain_text
from tests.support.notices import notices, persons_in

SECTIONS = ("rejects", "gaps", "silence", "outages")


@given(notices())
def test_every_fact_stands_in_both_languages_and_every_part_with_its_reason(notice: Notice) -> None:
    for language in LANGUAGES:
        lines = lines_of(notice, language)
        kinds = [line.kind for line in lines]
        assert kinds.count("title") == 1
        assert kinds.count("section") == sum(bool(getattr(notice, name)) for name in SECTIONS)
        assert kinds.count("reason") == sum(bool(getattr(notice, name)) for name in SECTIONS[1:])
        items = [line.text for line in lines if line.kind == "item"]
        streams = notice.gaps.streams if notice.gaps else ()
        assert len(items) == len(notice.rejects) + len(streams) + bool(notice.silence) + len(notice.outages)
        for rejected in notice.rejects:
            told = [text for text in items if text.startswith(f"{rejected.reject_code}: {rejected.count}.")]
            assert len(told) == 1
            assert getattr(BY_CODE[rejected.reject_code], language).strip() in told[0]


@given(notices())
def test_same_facts_give_the_same_text_and_no_person_is_in_it(notice: Notice) -> None:
    text = plain_text(notice)
    assert plain_text(dataclasses.replace(notice)) == text
    assert persons_in(text.replace(notice.notice_id, "").replace(notice.organizer_bin, ""), "") == []
    assert text.count(notice.notice_id) == len(LANGUAGES)
    assert "{" not in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", [code.code for code in REJECT_CODES])
def test_every_code_has_a_line_with_its_own_text(code: str, language: Language) -> None:
    at = datetime(2026, 11, 20, 7, tzinfo=UTC)
    notice = Notice("940140000385", date(2026, 11, 20), at, (RejectLine(code, 3, at, at, ()),))
    (item,) = (line.text for line in lines_of(notice, language) if line.kind == "item")
    assert item.startswith(f"{code}: 3.")
    assert getattr(BY_CODE[code], language).strip() in item
    assert "20.11.2026 12:00:00" in item
