"""The declaration of the flags: one bit each, texts in three languages, nothing that could refuse."""

from __future__ import annotations

import pytest

from esep.codes import BY_CODE
from esep.flags import FLAG_CODES, FLAGS, FlagCode
from esep.restrictions import LISTS


def test_flags_are_distinct_bits() -> None:
    assert all(bit.bit_count() == 1 for bit in FLAGS.values())
    assert len(set(FLAGS.values())) == len(FLAGS) == len(FLAG_CODES)


def test_bits_that_lie_in_the_ledger_keep_their_meaning() -> None:
    assert FLAGS == {
        "UNDER_21_HINT": 1, "CREDIT_MONEY": 2, "RESTRICTED": 4, "DEBTOR": 8, "OFFICIAL": 16, "UNLICENSED": 32,
        "ILLEGAL_RESOURCE": 64,
    }  # fmt: skip


def test_no_flag_is_a_code_that_refuses() -> None:
    assert not FLAGS.keys() & BY_CODE.keys()


def test_flags_that_need_lists_are_those_of_the_lists() -> None:
    assert {code.flag for code in FLAG_CODES if code.needs == "lists"} == set(LISTS.values())


@pytest.mark.parametrize("code", FLAG_CODES, ids=lambda code: code.flag)
def test_text_is_a_sentence_in_each_language(code: FlagCode) -> None:
    texts = [code.en, code.ru, code.kk]
    assert all(text.endswith(".") and len(text.split()) >= 4 for text in texts)
    assert len(set(texts)) == len(texts)


def test_credit_money_rests_on_its_clause() -> None:
    """Clause R2021-3."""
    assert next(code.clause for code in FLAG_CODES if code.flag == "CREDIT_MONEY") == "R2021-3"
