"""Every sentence is there in every language, with the same names in it, in letters that the paper has."""

from __future__ import annotations

from pathlib import Path
from string import Formatter

import pytest
import ttf_opensans
from fontTools.ttLib import TTFont

from esep.sinks.clickhouse.alerts import words as module
from esep.sinks.clickhouse.alerts.facts import MEASURES
from esep.sinks.clickhouse.alerts.words import LANGUAGES, Words, words


def names(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


@pytest.mark.parametrize("sentence", [name for name in Words.model_fields if name != "measures"])
def test_sentence_fills_in_the_same_names_in_every_language(sentence: str) -> None:
    told = {language: getattr(words(language), sentence) for language in LANGUAGES}
    assert len(set(map(frozenset, map(names, told.values())))) == 1
    assert len(set(told.values())) == len(LANGUAGES), "not translated"


def test_every_measure_has_a_word() -> None:
    assert all(tuple(words(language).measures) == MEASURES for language in LANGUAGES)


def test_font_has_every_letter() -> None:
    letters = set(Path(module.__file__).with_name("words.yaml").read_text(encoding="utf-8")) - {"\n"}
    for font in (ttf_opensans.OPENSANS_REGULAR, ttf_opensans.OPENSANS_BOLD):
        with TTFont(font.path) as opened:
            known = opened.getBestCmap()
        assert [letter for letter in sorted(letters) if ord(letter) not in known] == []
