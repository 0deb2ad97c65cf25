"""The words of extracts in three languages.

Reads     words.yaml beside this file
Returns   `extract_words` of a language; LABELS: what stands at the head of an extract, in order
Promises  every language has a word for every label, table, column and code, or import fails
          (O114-3; box: sinks/clickhouse)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, model_validator

from esep.sinks.clickhouse.extracts.layout import COLUMNS_OF, POSTING_COLUMNS, SUM_COLUMNS
from esep.sinks.clickhouse.reports.words import LANGUAGES
from esep.yaml_text import from_yaml

if TYPE_CHECKING:
    from esep.sinks.clickhouse.reports.words import Language

LABELS = (
    *("request_id", "law", "asker", "basis", "case_number", "iin", "organizer_bin", "period", "known_at"),
    *("entered", "approved", "extracted", "version", "removed", "checksum"),
)
CODES = ("WAGER", "PAYOUT", "DEPOSIT", "WITHDRAWAL", "WINNING", "REFUND", "CASH_OUT")


class ExtractWords(BaseModel):
    """The words of one language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    law: str
    everybody: str
    nobody: str
    everything: str
    removed: str
    complete: str
    labels: dict[str, str]
    tables: dict[str, str]
    sheets: dict[str, str]
    notes: dict[str, str]
    columns: dict[str, str]
    codes: dict[str, str]

    @model_validator(mode="after")
    def _is_whole(self) -> ExtractWords:
        columns = {column.name for column in (*POSTING_COLUMNS, *SUM_COLUMNS)}
        wanted = [
            (self.labels, set(LABELS)),
            *((of_table, set(COLUMNS_OF)) for of_table in (self.tables, self.sheets, self.notes)),
            (self.columns, columns),
            (self.codes, set(CODES)),
        ]
        for have, want in wanted:
            if set(have) != want:
                raise ValueError(f"these words are missing or too many: {sorted(set(have) ^ want)}")
        return self


_FILE = from_yaml(Path(__file__).with_name("words.yaml").read_text(encoding="utf-8"))
_WORDS = {language: ExtractWords.model_validate(_FILE[language]) for language in LANGUAGES}


def extract_words(language: Language) -> ExtractWords:
    """Return the words of a language."""
    return _WORDS[language]
