"""Amounts are exact: every text is held against exact fractions."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from esep.money import AMOUNT_TIYN_MAX, SUM_TIYN_MAX, tenge_text, tiyn_from_text
from esep.settings import Settings

DIGITS = st.text("0123456789", max_size=30)
SIGNS = st.sampled_from(["", "+", "-"])
EXPONENTS = st.just("") | st.builds("{}{}{}".format, st.sampled_from("eE"), SIGNS, st.integers(0, 99))


def exact(text: str) -> int | None:
    """Return 100 times the number, where that is whole; by fractions, which round nothing."""
    tiyn = 100 * Fraction(Decimal(text))
    return tiyn.numerator if tiyn.denominator == 1 else None


@given(SIGNS, DIGITS, st.sampled_from(["", "."]), DIGITS, EXPONENTS)
@example("", "1", ".", "0" * 29 + "1", "")
@example("", "9" * 30, ".", "99", "")
@example("-", "9" * 30, ".", "9" * 30, "E+28")
def test_text_is_read_exactly(sign: str, whole: str, point: str, fraction: str, exponent: str) -> None:
    """The first example has more digits than Python's decimals keep by themselves: rounded, it would be one tenge."""
    if not whole and not (point and fraction):
        return
    text = f"{sign}{whole or ''}{point}{fraction if point else ''}{exponent}"
    assert tiyn_from_text(text) == tiyn_from_text(f" {text}\n") == exact(text)


@given(st.text(max_size=12) | st.from_regex(r"[-+.0-9eE_, ]{0,12}", fullmatch=True))
def test_any_text_is_exact_or_nothing(text: str) -> None:
    tiyn = tiyn_from_text(text)
    if tiyn is not None:
        assert tiyn == exact(text.strip())
        assert text.isascii() or not text.strip().isspace()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "NA",
        "nan",
        "sNaN",
        "inf",
        "-Infinity",
        "1_000",
        "1 000",
        "1,5",
        "0x10",
        "٣",
        "１２",
        "--1",
        ".",
        "e5",
        "1e",
        "1.2.3",
    ],
)
def test_what_is_no_number_in_plain_digits_is_none(text: str) -> None:
    assert tiyn_from_text(text) is None


@pytest.mark.parametrize("text", ["1e999999", "1e-999999", "1e100", "9" * 31, "9" * 100_000, "0." + "0" * 100_000])
def test_number_beyond_any_amount_is_none_at_once(text: str) -> None:
    assert tiyn_from_text(text) is None


@pytest.mark.parametrize("text", ["0.001", "0.005", "-1.999", "1e-3", "100.0000000000000000000000000001"])
def test_fraction_of_a_tiyn_is_none(text: str) -> None:
    assert tiyn_from_text(text) is None


@given(st.integers(-(2**70), 2**70))
def test_tenge_for_a_person_names_the_same_amount(tiyn: int) -> None:
    text = tenge_text(tiyn)
    assert re.fullmatch(r"-?[0-9]{1,3}(,[0-9]{3})*\.[0-9]{2}", text)
    assert tiyn_from_text(text.replace(",", "")) == tiyn


def test_no_poll_takes_a_total_from_its_limit_past_64_bits() -> None:
    poll = Settings.model_fields["poll_records_max"].default * AMOUNT_TIYN_MAX
    assert SUM_TIYN_MAX + poll < 2**63
