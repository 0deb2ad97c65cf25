"""The words of reports in three languages.

Reads     words.yaml beside this file
Returns   `words` of a language
Promises  every language has a word for every report, table, column and code, and no two codes share one, or import
          fails: what is read back from a file must be what was written (box: sinks/clickhouse)
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, model_validator

from esep.codes import PAYMENT_METHODS
from esep.sinks.clickhouse.reports.forms import FORMS, TABLES
from esep.sinks.clickhouse.reports.movements import INSIDE, MOVEMENTS
from esep.sinks.clickhouse.reports.signs import SIGNS
from esep.sinks.clickhouse.reports.statistics import BRACKETS
from esep.yaml_text import from_yaml

Language = Literal["kk", "ru", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LABELS = (
    *("report_id", "basis", "recipient", "organizer_bin", "organizer_name", "period", "known_at"),
    *("made_at", "version", "officer", "checksum"),
)
CODES = {*MOVEMENTS, *INSIDE, *PAYMENT_METHODS, *BRACKETS, *(word for word, _ in SIGNS.values())}


class Words(BaseModel):
    """The words of one language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    titles: dict[str, str]
    basis: dict[str, str]
    labels: dict[str, str]
    recipient: str
    everybody: str
    everything: str
    about: str
    total: str
    signature: str
    page: str
    tables: dict[str, str]
    sheets: dict[str, str]
    notes: dict[str, tuple[str, ...]]
    groups: dict[str, str]
    columns: dict[str, str]
    codes: dict[str, str]

    @model_validator(mode="after")
    def _is_whole(self) -> Words:
        columns = [column for table in TABLES.values() for column in table.columns]
        wanted = [
            *((of_form, set(FORMS)) for of_form in (self.titles, self.basis)),
            *((of_table, set(TABLES)) for of_table in (self.tables, self.sheets, self.notes)),
            (self.labels, set(LABELS)),
            (self.columns, {column.name for column in columns}),
            (self.groups, {column.group for column in columns if column.group}),
            (self.codes, CODES),
        ]
        for have, want in wanted:
            if set(have) != want:
                raise ValueError(f"these words are missing or too many: {sorted(set(have) ^ want)}")
        for have in (self.titles, self.labels, self.tables, self.sheets, self.codes):
            if len(set(have.values())) != len(have):
                raise ValueError("two of these have the same word")
        return self


_FILE = from_yaml(Path(__file__).with_name("words.yaml").read_text(encoding="utf-8"))
_WORDS = {language: Words.model_validate(_FILE[language]) for language in LANGUAGES}


def words(language: Language) -> Words:
    """Return the words of a language."""
    return _WORDS[language]
