"""Every code has a text in each language, and says what it must."""

from __future__ import annotations

import re

import pytest

from esep.codes import BY_CODE
from esep.producers.row_codes import LANGUAGES, ROW_CODES, field_of, text_of


@pytest.mark.parametrize("code", [*BY_CODE, *(code.code for code in ROW_CODES)])
def test_code_has_a_sentence_in_each_language(code: str) -> None:
    texts = {text_of(code, language) for language in LANGUAGES}
    assert len(texts) == 3
    assert all(re.fullmatch(r"[A-ZА-ЯӘҒҚҢӨҰҮҺІ].*[.+]", text) for text in texts)


def test_field_of_a_code_is_the_one_that_its_table_names() -> None:
    assert field_of("IIN_INVALID") == "iin"
    assert field_of("INSTANT_IN_FUTURE") == "occurred_at"
    assert field_of("ROW_NOT_UTF8") is None


def test_unknown_code_is_an_error() -> None:
    with pytest.raises(KeyError):
        text_of("ROW_TOO_BLUE")
