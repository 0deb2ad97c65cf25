"""Why a row, or a whole file, is refused before anything is sent; and the texts of every code, ours and intake's.

Reads     row_codes.yaml beside this file
Returns   `ROW_CODES`; `text_of` and `field_of` for these codes and those of `esep.codes`
Promises  codes of rows and of events are distinct; no text holds a value of the file (box: producers)

What an event must be in itself is said by `esep.checks` with the codes of `esep.codes`. Here stands what comes before:
can the row be read, does the mapping make an event of it, and has it happened yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter

from esep.codes import BY_CODE, RejectCode
from esep.yaml_text import from_yaml

Language = Literal["en", "ru", "kk"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


class RowCode(BaseModel):
    """Why a row or a file was refused, for a person in three languages; `field` where it is always the same one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    scope: Literal["file", "row"]
    field: str | None = None
    clause: str
    en: str
    ru: str
    kk: str


_DECLARED = Path(__file__).with_name("row_codes.yaml").read_text(encoding="utf-8")
ROW_CODES = TypeAdapter(tuple[RowCode, ...]).validate_python(from_yaml(_DECLARED))
_ALL: dict[str, RowCode | RejectCode] = {**BY_CODE, **{code.code: code for code in ROW_CODES}}
if len(_ALL) != len(BY_CODE) + len(ROW_CODES):
    raise ImportError("a code of a row has the name of another code")


def text_of(code: str, language: Language = "en") -> str:
    """Return the text of a code for a person; KeyError for what is none.

    >>> text_of("IIN_INVALID"), text_of("FILE_EMPTY", "ru")
    ('The IIN is not 12 digits with a right control digit.', 'Файл пуст.')
    """
    text: str = getattr(_ALL[code], language)
    return text


def field_of(code: str) -> str | None:
    """Return the field that a code is about, as its table says.

    >>> field_of("AMOUNT_NOT_POSITIVE")
    'amount_tiyn'
    """
    return _ALL[code].field
