"""The sentences about an alert in three languages.

Reads     words.yaml beside this file
Returns   `words` of a language
Promises  every language has every sentence, or import fails (DESIGN §7; box: sinks/clickhouse)
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from esep.yaml_text import from_yaml

Language = Literal["kk", "ru", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


class Words(BaseModel):
    """The sentences of one language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    rule: str
    severity: str
    person: str
    instrument: str
    organizer: str
    unended: str
    reason: str
    due: str
    observed: str
    observation: str
    evidence: str
    entry: str
    unloaded: str
    totals: str
    total: str
    revisions: str
    revision: str
    decisions: str
    decision: str
    stale: str
    measures: dict[str, str]
    report_title: str
    report_number: str
    report_form: str
    operation: str
    wager: str
    source: str


_FILE = from_yaml(Path(__file__).with_name("words.yaml").read_text(encoding="utf-8"))
_WORDS = {language: Words.model_validate(_FILE[language]) for language in LANGUAGES}


def words(language: Language) -> Words:
    """Return the sentences of a language."""
    return _WORDS[language]
