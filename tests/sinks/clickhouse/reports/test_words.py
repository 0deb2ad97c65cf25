"""Every language has a word for everything, and import fails where one lacks."""

from __future__ import annotations

import string
from typing import Any

import pytest
from pydantic import ValidationError

from esep.sinks.clickhouse.reports.signs import LARGE_TIYN, MONITORED_TIYN
from esep.sinks.clickhouse.reports.words import LANGUAGES, Words, words

WHOLE = words("kk").model_dump()


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for part in (value.values() if isinstance(value, dict) else value) for text in _texts(part)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_left_to_fill_in_but_the_page_and_no_word_is_empty(language: Any) -> None:
    said = words(language).model_dump()
    assert all(_texts(said))
    fields = {name for text in _texts(said) for _, name, _, _ in string.Formatter().parse(text) if name}
    assert fields == {"number", "count"}
    assert max(len(name) for name in said["sheets"].values()) <= 31, "the format allows no longer name of a sheet"


def test_each_language_has_words_of_its_own() -> None:
    for part in ("titles", "tables", "notes", "codes"):
        told = [_texts(getattr(words(language), part)) for language in LANGUAGES]
        same = {text for text in set(told[0]) & set(told[1]) if any(letter.isalpha() for letter in text)}
        assert same <= {"Карта"}, same


@pytest.mark.parametrize(
    "part", ["titles", "basis", "labels", "tables", "sheets", "notes", "groups", "columns", "codes"]
)
def test_missing_or_unknown_word_is_found(part: str) -> None:
    for changed in ({**WHOLE[part], "unknown": ["?"] if part == "notes" else "?"}, dict(list(WHOLE[part].items())[1:])):
        with pytest.raises(ValidationError, match="missing or too many"):
            Words.model_validate({**WHOLE, part: changed})


def test_two_codes_of_one_word_are_found() -> None:
    """Or what is read back from a file would not be what was written."""
    with pytest.raises(ValidationError, match="same word"):
        Words.model_validate({**WHOLE, "codes": dict.fromkeys(WHOLE["codes"], "Ақша")})


@pytest.mark.parametrize("language", LANGUAGES)
def test_thresholds_in_the_texts_are_those_that_are_used(language: Any) -> None:
    codes = {code: text.replace(",", "").replace(" ", "") for code, text in words(language).codes.items()}
    for code in ("PASSED_THROUGH", "TURNED_INTO_CASH", "RETURNED", "SAFE_BETS"):
        assert str(LARGE_TIYN // 100) in codes[code]
    assert str(MONITORED_TIYN // 100) in codes["SPLIT"]
