"""Where statements end, in whatever is typed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from esep.cli.shell.text import first_word, in_quotes, is_whole, statements

# Pieces of a statement in which a `;` may stand and ends nothing.
PIECES = (
    "SELECT 1",
    "'a;b'",
    "'it\\'s;'",
    "`n;`",
    '"w;"',
    "-- c;\n",
    "/* ; */",
    "x - 1",
    "a / b",
    "'--'",
    "'/*'",
    "\n",
)
statement = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map(" ".join)


@given(st.lists(statement, max_size=4))
def test_statements_are_taken_apart_as_they_were_put_together(parts: list[str]) -> None:
    code = [one.strip() for one in parts if first_word(one)]
    assert statements(";\n".join(parts)) == code
    assert statements("".join(f"{one};" for one in parts)) == code


@given(statement)
def test_statement_is_whole_with_its_end_and_not_before(one: str) -> None:
    if first_word(one):
        assert is_whole(f"{one};")
        assert is_whole(f"{one}; -- that is all")
        assert not is_whole(one)
        assert not is_whole(f"{one} 'open;")
        assert not is_whole(f"{one} /* open;")


def test_cursor_in_a_string_or_comment_is_noticed() -> None:
    for text in ("SELECT 'a", "SELECT `n", 'SELECT "n', "-- a", "/* a"):
        assert in_quotes(text), text
    for text in ("", "SELECT 'a' ", "SELECT `n`.", "/* a */", "-- a\n"):
        assert not in_quotes(text), text


def test_first_word_is_that_of_the_code() -> None:
    assert first_word("-- all\n(select 1)") == "("
    assert first_word("insert into x") == "INSERT"
    assert first_word("/* nothing */") == ""
