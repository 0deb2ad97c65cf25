"""Extracts in three languages."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from esep.sinks.clickhouse.extracts.words import ExtractWords, extract_words
from esep.sinks.clickhouse.reports.words import LANGUAGES


def test_languages_say_different_things() -> None:
    assert len({extract_words(language).title for language in LANGUAGES}) == len(LANGUAGES)


def test_missing_word_is_noticed() -> None:
    facts = extract_words("ru").model_dump()
    del facts["columns"]["iin"]
    with pytest.raises(ValidationError, match="missing or too many: \\['iin'\\]"):
        ExtractWords.model_validate(facts)
