"""An alert is told in three languages, by the same facts, and names the person only where that was asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.sinks.clickhouse.alerts.facts import MASKED_IIN, Evidence
from esep.sinks.clickhouse.alerts.text import lines_of, plain_text
from esep.sinks.clickhouse.alerts.words import LANGUAGES, Language
from tests.support.stories import AT, PERSON, decided, evidence, story, windows

each_language = pytest.mark.parametrize("language", LANGUAGES)


def text(*found: tuple[Evidence, ...], language: Language = "en", show_iin: bool = False, loaded: bool = True) -> str:
    told = story(*found, decisions=(decided(),), loaded=loaded)
    return plain_text(lines_of(told, language, due_at=AT, show_iin=show_iin))


@given(windows, st.sampled_from(LANGUAGES))
def test_person_is_masked_and_named_only_where_it_was_asked_for(
    found: list[tuple[Evidence, ...]], language: Language
) -> None:
    """O9-5.1."""
    assert PERSON not in text(*found, language=language)
    assert MASKED_IIN in text(*found, language=language)
    assert PERSON in text(*found, language=language, show_iin=True)


@given(windows)
def test_every_language_tells_the_same_lines(found: list[tuple[Evidence, ...]]) -> None:
    told = story(*found, decisions=(decided(),))
    kinds = {tuple(line.kind for line in lines_of(told, one, due_at=AT, show_iin=False)) for one in LANGUAGES}
    assert len(kinds) == 1


@each_language
def test_text_has_values_with_thresholds_evidence_with_offsets_rule_totals_revisions_and_decisions(
    language: Language,
) -> None:
    told = text((evidence(1),), (evidence(1), evidence(2)), language=language)
    parts = (
        *("WIN_THRESHOLD", "AML law 191-IV, Art. 4(1)(1)", "MANDATORY", "20.11.2026 12:00:00"),
        *("winnings_sum: 2,400,000.00 KZT", "1,000,000.00 KZT", "1,200,000.00", "ledger/0", "11", "12", "ТОО «Бәс»"),
        *("2,400,000.00", "OPEN", "UPDATED", "+1 −0", "a.serikova", "CONFIRMED", "2026/117", "Қаралды."),
    )
    assert [part for part in parts if part not in told] == []


def test_decision_about_an_earlier_revision_is_said_to_be_one() -> None:
    assert "about an earlier revision" in text((evidence(1),), (evidence(2),))
    assert "about an earlier revision" not in text((evidence(1),))


def test_evidence_that_is_not_loaded_yet_is_said_to_be_missing() -> None:
    assert "not yet in the table ledger" in text((evidence(1),), loaded=False)
