"""Means of payment: one normal form however a number is written, and one hash of it per key (D934-1..3)."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.codes import INSTRUMENT_KINDS
from esep.instruments import InstrumentKey, normalised

KEY = InstrumentKey(3, bytes(range(32)))
GOOD = {
    "CARD": ["4111111111111111", "5555555555554444", "378282246310005", "6759649826438453"],
    "BANK_ACCOUNT": ["KZ86125KZT5004100100", "DE89370400440532013000", "GB29NWBK60161331926819"],
    "WALLET": ["kaspi:a.b@mail.kz", "qiwi:77011234567"],
    "PHONE": ["+77011234567", "+442079460958"],
}
KINDS_AND_FORMS = [(kind, form) for kind, forms in GOOD.items() for form in forms]


def control_of(payload: str) -> str:
    """Luhn's digit by the letter of ISO/IEC 7812-1, plain Python."""
    total = 0
    for place, digit in enumerate(reversed(payload)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled if doubled < 10 else doubled - 9
    return str(-total % 10)


CARDS = st.text("0123456789", min_size=11, max_size=18).map(lambda payload: payload + control_of(payload))


@pytest.mark.parametrize(("kind", "form"), KINDS_AND_FORMS)
def test_normal_form_of_a_normal_form_is_itself(kind: str, form: str) -> None:
    assert normalised(kind, form) == form


@given(st.sampled_from(KINDS_AND_FORMS), st.data())
def test_blanks_hyphens_and_case_change_nothing(known: tuple[str, str], data: st.DataObject) -> None:
    """Clause D934-1..3: one instrument reported by two organizers is found to be one."""
    kind, form = known
    between = [" ", "\u00a0", ""] if kind == "WALLET" else [" ", "\u00a0", "-", "\u2013", ""]
    written = "".join(data.draw(st.sampled_from(between)) + character for character in form)
    if kind in {"BANK_ACCOUNT", "WALLET"}:
        written = data.draw(st.sampled_from([written.lower(), written.upper()]))
    assert normalised(kind, written) == form
    assert KEY.digest(kind, written) == KEY.digest(kind, form)


@given(st.sampled_from(INSTRUMENT_KINDS), st.text(max_size=30) | st.from_regex(r"\+?[-0-9 ().]{5,25}", fullmatch=True))
def test_whatever_has_a_normal_form_has_a_stable_one_of_the_declared_shape(kind: str, written: str) -> None:
    form = normalised(kind, written)
    if form is not None:
        assert normalised(kind, form) == form
        assert re.fullmatch(r"[!-~]{5,121}", form)


@given(CARDS, st.data())
def test_every_wrong_digit_of_a_card_is_noticed(card: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(card) - 1))
    other = data.draw(st.sampled_from(sorted(set("0123456789") - {card[at]})))
    assert normalised("CARD", card) == card
    assert normalised("CARD", card[:at] + other + card[at + 1 :]) is None


@given(st.data())
def test_every_wrong_digit_of_an_iban_is_noticed(data: st.DataObject) -> None:
    iban = data.draw(st.sampled_from(GOOD["BANK_ACCOUNT"]))
    at = data.draw(st.sampled_from([place for place, character in enumerate(iban) if character.isdigit()]))
    other = data.draw(st.sampled_from(sorted(set("0123456789") - {iban[at]})))
    assert normalised("BANK_ACCOUNT", iban[:at] + other + iban[at + 1 :]) is None


@pytest.mark.parametrize(
    "written", ["8 (701) 123-45-67", "77011234567", "7011234567", "+7 701.123.45.67", "007701 1234567"]
)
def test_phone_of_kazakhstan_has_one_form_however_it_is_dialled(written: str) -> None:
    assert normalised("PHONE", written) == "+77011234567"


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("CARD", ""),
        ("CARD", "4111 1111 1111 1112"),
        ("CARD", "٤١١١١١١١١١١١١١١١"),
        ("CARD", "0" * 20),
        ("BANK_ACCOUNT", "KZ86125KZT500410010"),
        ("BANK_ACCOUNT", "4111111111111111"),
        ("WALLET", "77011234567"),
        ("WALLET", "qiwi:"),
        ("PHONE", "2079460958"),
        ("PHONE", "+7701123456"),
        ("PHONE", "+0123456789"),
    ],
)
def test_number_that_is_none_of_its_kind_has_no_form_and_no_hash(kind: str, written: str) -> None:
    assert normalised(kind, written) is None
    assert KEY.digest(kind, written) is None


def test_hash_is_hmac_over_kind_and_normal_form() -> None:
    expected = hmac.new(bytes(range(32)), b"CARD:4111111111111111", sha256).hexdigest()
    assert KEY.digest("CARD", "4111 1111 1111 1111") == expected


def test_kind_and_key_make_other_hashes() -> None:
    same = "4111111111111111"
    digests = {
        KEY.digest("CARD", same),
        KEY.digest("WALLET", f"card:{same}"),
        InstrumentKey(4, b"another key of the authority").digest("CARD", same),
    }
    assert len(digests) == 3


def test_key_is_not_shown_and_an_unknown_kind_is_an_error() -> None:
    assert str(bytes(range(32))) not in repr(KEY)
    with pytest.raises(KeyError):
        normalised("SHELL", "1")


def test_every_kind_has_a_rule() -> None:
    assert set(GOOD) == set(INSTRUMENT_KINDS)
