"""Pseudonyms hang on person and key alone, and say nothing of either (clause O9-5.1)."""

from __future__ import annotations

import doctest
import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep import pseudonyms as module
from esep.errors import FileUnusable
from esep.pseudonyms import INSTRUMENT, PERSON, Key, add_key, birth_years, read_keys, version_of
from tests.support.records import iins

SECRETS = st.binary(min_size=32, max_size=32)


@given(iins(), SECRETS, st.integers(1, 999_999))
def test_pseudonym_is_the_hmac_as_it_is_documented(iin: str, secret: bytes, version: int) -> None:
    digest = hmac.new(secret, f"person:{iin}".encode(), hashlib.sha256).hexdigest()
    made = Key(version, secret).pseudonym(PERSON, iin)
    assert made.text == f"p{version}-{digest[:32]}"
    assert version_of(made.text) == (PERSON, version)
    assert iin not in made.text
    assert repr(secret)[2:-1] not in repr(Key(version, secret))


@given(st.lists(iins(), min_size=2, max_size=2, unique=True), SECRETS, SECRETS)
def test_persons_keys_and_kinds_are_told_apart(pair: list[str], secret: bytes, other: bytes) -> None:
    first, second = (Key(1, secret).pseudonym(PERSON, iin) for iin in pair)
    assert first.text != second.text
    assert first.token_key != second.token_key
    assert first.text[2:] != Key(1, secret).pseudonym(INSTRUMENT, pair[0]).text[2:]
    if secret != other:
        assert first.text != Key(1, other).pseudonym(PERSON, pair[0]).text
        assert Key(1, secret).check != Key(1, other).check


@given(iins())
def test_band_holds_the_year_of_birth_and_four_others(iin: str) -> None:
    band = birth_years(iin)
    if iin[6] in "123456":
        first, last = map(int, band.split("-"))
        assert first % 5 == 0
        assert last == first + 4
        assert int(iin[:2]) in {year % 100 for year in range(first, last + 1)}
    else:
        assert band == ""


def test_keys_are_added_and_never_lost(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "pseudonym.key"
    assert [add_key(path), add_key(path), add_key(path)] == [1, 2, 3]
    keys = read_keys(path)
    assert [key.version for key in keys] == [1, 2, 3]
    assert len({key.secret for key in keys}) == 3
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "content", ["", "1 abc\n", f"2 {'0' * 64}\n1 {'0' * 64}\n", f"1 {'0' * 64}\n1 {'1' * 64}\n", "ключ"]
)
def test_file_that_holds_no_keys_is_refused_without_quoting_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys").write_text(content)
    with pytest.raises(FileUnusable) as refused:
        read_keys(tmp_path / "keys")
    assert not content or content.rsplit(maxsplit=1)[-1] not in str(refused.value)


def test_examples_run() -> None:
    assert doctest.testmod(module).failed == 0
