"""IIN and BIN are told by the letter of LEGAL, whichever way and script they are asked in."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep import identifiers
from esep.identifiers import PersonKeys, control_digit, is_bin, is_iin, masked
from tests.support.notices import STREAM_IDS, persons_in
from tests.support.numbers import ASCII, OTHER_DIGITS, almost_numbers, is_one
from tests.support.records import BINS, bins, control_digit_of, iins

VALID_IINS = ("900101300007", "900101300811", "061211600012", "830717350867")
INVALID_IINS = ("000813159890", "821214240092")


@given(almost_numbers())
def test_number_is_told_as_the_law_tells_it(number: str | None) -> None:
    text = number or ""
    assert is_iin(text) == is_one(text, of_person=True)
    assert is_bin(text) == is_one(text, of_person=False)


@given(iins(), bins())
def test_number_of_a_person_is_none_of_an_organizer_and_the_reverse(iin: str, organizer_bin: str) -> None:
    assert (is_iin(iin), is_bin(iin)) == (True, False)
    assert (is_iin(organizer_bin), is_bin(organizer_bin)) == (False, True)


@pytest.mark.parametrize("iin", VALID_IINS)
def test_iin_of_the_legal_page_is_valid(iin: str) -> None:
    assert is_iin(iin)


@pytest.mark.parametrize("iin", INVALID_IINS)
def test_iin_of_the_legal_page_that_is_wrong_is_invalid(iin: str) -> None:
    assert not is_iin(iin)


@pytest.mark.parametrize("organizer_bin", BINS)
def test_bin_of_the_legal_page_is_valid(organizer_bin: str) -> None:
    assert is_bin(organizer_bin)


@pytest.mark.parametrize("digits", OTHER_DIGITS.values(), ids=OTHER_DIGITS)
def test_digits_of_another_script_are_no_digits(digits: str) -> None:
    for iin in VALID_IINS:
        assert not is_iin(iin.translate(str.maketrans(ASCII, digits)))
        assert not is_iin(iin[:-1] + digits[int(iin[-1])])
    four = digits[:4]  # Twelve bytes in UTF-8 for some of them.
    assert not is_iin(four)


@pytest.mark.parametrize("around", ["{}\n", "\n{}", "{}\r", " {}", "{} ", "{}\x00", "\ufeff{}", "{}\u200b", "-{}"])
def test_anything_around_a_number_spoils_it(around: str) -> None:
    assert not is_iin(around.format("900101300007"))
    assert not is_bin(around.format("940140000385"))


@pytest.mark.parametrize("fifth", range(10))
@pytest.mark.parametrize("seventh", range(10))
def test_fifth_and_seventh_digit_tell_what_a_number_is(fifth: int, seventh: int) -> None:
    """Control digits are right: only the form decides."""
    for serial in range(20):
        eleven = f"9001{fifth}1{seventh}{serial:04}"
        control = control_digit_of(eleven)
        if control is not None:
            number = f"{eleven}{control}"
            assert is_iin(number) == (fifth <= 3 and seventh <= 6)
            assert is_bin(number) == (fifth in {4, 5, 6})


@given(st.text(ASCII, min_size=11, max_size=11))
def test_control_digit_is_the_oracles(eleven: str) -> None:
    assert control_digit(eleven) == control_digit_of(eleven)


def test_number_whose_second_pass_gives_ten_is_not_in_use() -> None:
    unused = [f"900101300{serial:02}" for serial in range(100) if control_digit_of(f"900101300{serial:02}") is None]
    assert unused
    for eleven in unused:
        assert control_digit(eleven) is None
        assert not any(is_iin(f"{eleven}{last}") for last in ASCII)


ROUTING_KEY = bytes(range(32))


@given(st.lists(st.lists(iins(), max_size=5), max_size=5))
def test_person_key_is_the_head_of_the_hmac_whatever_was_asked_before(calls: list[list[str]]) -> None:
    keys = PersonKeys(ROUTING_KEY)
    for asked in calls:
        assert keys(asked) == [hmac.new(ROUTING_KEY, iin.encode(), sha256).digest()[:16] for iin in asked]


def test_person_keys_of_another_routing_key_are_others() -> None:
    assert PersonKeys(ROUTING_KEY)(["900101300007"]) != PersonKeys(bytes(32))(["900101300007"])


@given(st.lists(st.lists(iins(), max_size=8), max_size=8))
def test_person_keys_remember_no_more_than_their_bound(calls: list[list[str]]) -> None:
    bound = 10
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identifiers, "_PERSON_KEYS_MAX", bound)
        keys = PersonKeys(ROUTING_KEY)
        for asked in calls:
            assert keys(asked) == PersonKeys(ROUTING_KEY)(asked)
            assert len(keys._known) <= bound


@given(STREAM_IDS)
def test_masked_stream_id_has_its_length_and_no_person(stream_id: str) -> None:
    told = masked(stream_id)
    assert len(told) == len(stream_id)
    assert persons_in(told, "") == []
    assert all(shown in (letter, "*") for shown, letter in zip(told, stream_id, strict=True))
    assert masked(told) == told
    assert told == stream_id or persons_in(stream_id, "")
