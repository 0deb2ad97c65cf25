"""Every reject code says why in three languages, under a clause that exists, and stands where it must."""

from __future__ import annotations

import re

import pytest

from docs.legal import clauses
from esep import codes
from esep.codes import BY_CODE, PRECEDENCE, REJECT_CODES, RejectCode
from esep.events import EVENT_RECORDS
from esep.flags import FLAGS
from esep.schemas import newest

EVENT_FIELDS = {field for record in EVENT_RECORDS for field in newest(record).fields}
KAZAKH_ONLY = set("әғқңөұүһіӘҒҚҢӨҰҮҺІ")
each_code = pytest.mark.parametrize("code", REJECT_CODES, ids=lambda code: code.code)


@each_code
def test_code_has_a_text_in_each_language(code: RejectCode) -> None:
    for text in (code.en, code.ru, code.kk):
        assert text.strip() == text != ""
        assert "\n" not in text
    assert code.en.isascii()
    assert re.search("[А-Яа-я]", code.ru)
    assert not KAZAKH_ONLY & set(code.ru)
    assert re.search("[А-Яа-я]", code.kk)
    assert code.kk != code.ru


@each_code
def test_code_names_a_clause_that_exists(code: RejectCode) -> None:
    assert code.clause in clauses()


@each_code
def test_code_names_a_field_that_an_event_has(code: RejectCode) -> None:
    assert code.field is None or code.field in EVENT_FIELDS


@each_code
def test_code_reads_as_one_word(code: RejectCode) -> None:
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", code.code)


def test_codes_are_distinct_and_found_by_name() -> None:
    assert len(BY_CODE) == len(REJECT_CODES)
    assert [BY_CODE[code.code] for code in sorted(REJECT_CODES, key=lambda code: PRECEDENCE[code.code])] == list(
        REJECT_CODES
    )


def test_texts_are_distinct_in_each_language() -> None:
    for language in ("en", "ru", "kk"):
        assert len({getattr(code, language) for code in REJECT_CODES}) == len(REJECT_CODES)


def test_what_cannot_be_told_apart_is_refused_before_what_can() -> None:
    """An event without an identity uses up no sequence, so nothing else may be asked of it first."""
    consumes = [code.consumes for code in REJECT_CODES]
    assert consumes == sorted(consumes)


def test_order_is_bytes_then_identity_then_form_then_time_and_register() -> None:
    stage = {"bytes": 0, "topic": 1, "form": 2, "time": 3, "register": 4}
    consuming = [stage[code.needs] for code in REJECT_CODES if code.consumes and code.needs in stage]
    assert consuming == sorted(consuming)
    assert {code.needs for code in REJECT_CODES[:4]} == {"bytes"}
    assert all(code.needs != "bytes" for code in REJECT_CODES[4:])


def test_stateless_codes_are_those_that_need_the_message_alone() -> None:
    assert {code.needs for code in REJECT_CODES if code.stateless} == {"bytes", "form"}


def test_codes_that_decoding_gives_are_declared() -> None:
    assert {code.code for code in REJECT_CODES if code.needs == "bytes"} == {
        "EMPTY",
        "NOT_WIRE_FORMAT",
        "SCHEMA_UNKNOWN",
        "UNDECODABLE",
    }


def test_flags_never_show_in_a_text_for_an_organizer() -> None:
    """Restrictions, age and debts of a person are the authority's to know (DESIGN §4)."""
    texts = " ".join(text for code in REJECT_CODES for text in (code.code, code.en)).upper()
    assert not [word for word in ("FLAG", "RESTRICTED", "DEBTOR", "OFFICIAL", "UNDER_21") if word in texts]
    assert not [flag for flag in FLAGS if flag in texts]


WORDS = (
    "EVENT_TYPES",
    "CHANNELS",
    "FUNDINGS",
    "PAYOUT_KINDS",
    "PAYMENT_METHODS",
    "INSTRUMENT_KINDS",
    "DEVICE_KINDS",
    "BET_KINDS",
    "ORGANIZER_KINDS",
)


@pytest.mark.parametrize("words", WORDS)
def test_words_of_a_list_are_distinct_and_plain(words: str) -> None:
    declared = getattr(codes, words)
    assert len(set(declared)) == len(declared) > 0
    assert all(re.fullmatch(r"[A-Z]+(_[A-Z]+)*", word) for word in declared)


def test_credit_money_is_known_to_the_schema() -> None:
    """Clause R2021-3: known and alerted, not refused."""
    assert "CREDIT_CARD" in codes.PAYMENT_METHODS
    assert "CREDIT_MONEY" in FLAGS


def test_both_kinds_of_organizer_are_known() -> None:
    """Clause O9-3."""
    assert set(codes.ORGANIZER_KINDS) == {"BOOKMAKER", "TOTALIZATOR"}
