"""Where the data of an INSERT begin, and which format a SELECT asks for."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.embedded.clickhouse.answers import QueryError
from esep.embedded.clickhouse.statement import first_words, insert_head, output_of

WORDS = ["FORMAT CSV", "VALUES", "SELECT 1", ";", "INTO OUTFILE 'x'", "--", "/*", "it''s", "\\"]
QUOTED = [
    lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
    lambda text: "`" + text.replace("\\", "\\\\").replace("`", "\\`") + "`",
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"',
    lambda text: "/* " + text.replace("*/", "") + " */",
    lambda text: "-- " + text.replace("\n", " ") + "\n",
    lambda text: "$q$" + text + "$q$",
]
hidden = st.builds(
    lambda quote, words: quote(" ".join(words)), st.sampled_from(QUOTED), st.lists(st.sampled_from(WORDS))
)
heads = st.sampled_from(
    [
        "INSERT INTO t",
        "insert into table db.`t` (a, b)",
        "INSERT INTO FUNCTION file('x', CSV)",
        "INSERT INTO format (a)",
        "INSERT INTO {t:Identifier} (* EXCEPT(a))",
        "INSERT INTO values",
    ]
)


@settings(deadline=None)
@given(heads, hidden, st.sampled_from(["CSV", "ArrowStream", "Values"]), st.binary(max_size=40))
def test_data_begin_after_the_line_of_format_whatever_hides_before_and_whatever_they_are(
    head: str, comment: str, name: str, data: bytes
) -> None:
    """No word in a comment, a string or a quoted name counts, and no byte of the data is looked at."""
    place = {"'": "SETTINGS log_comment = {}", "$": "SETTINGS log_comment = {}", "/": "{}", "-": "{}"}
    before = f"/**/ {head} {place.get(comment[0], '(a, {})').replace('{}', comment)} "
    text = f"{before}FORMAT {name}\r\n".encode() + data
    found = insert_head(text)
    assert found is not None
    assert (found.head, found.input_format) == (before.encode(), name)
    assert text[found.data_at :] == data


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_data_of_values_begin_right_after_the_word(data: bytes) -> None:
    found = insert_head(b"INSERT INTO t (a) VALUES " + data)
    assert found is not None
    assert (b"INSERT INTO t (a) VALUES " + data)[found.data_at :] == b" " + data


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 FORMAT CSV",
        "INSERT INTO t SELECT 1",
        "INSERT INTO t (a) WITH 1 AS x SELECT x",
        "INSERT INTO t (SELECT 1)",
        "INSERT INTO t FROM accepted SELECT *",
        "WITH 1 AS x INSERT INTO t SELECT x",
        "INSERT",
        "",
    ],
)
def test_statement_without_data_has_none(text: str) -> None:
    assert insert_head(text.encode()) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("INSERT INTO t FROM INFILE 'x' FORMAT CSV", 48),
        ("INSERT INTO t SELECT * FROM input('a Int8') FORMAT CSV\n1\n\nDROP TABLE t", 48),
        ("INSERT INTO t FORMAT CSV SETTINGS max_threads = 1\n1", 48),
        ("INSERT INTO t FORMAT CSV;\n1", 62),
    ],
)
def test_form_that_this_server_does_not_take_is_refused(text: str, code: int) -> None:
    with pytest.raises(QueryError) as refused:
        insert_head(text.encode())
    assert refused.value.code == code


@settings(deadline=None)
@given(hidden, st.sampled_from(["JSON", "`Native`", "csv"]), st.sampled_from(["", " SETTINGS max_threads = 1"]))
def test_format_clause_is_the_last_one_outside_of_everything(quoted: str, name: str, tail: str) -> None:
    body = f"SELECT {quoted} 1 AS format, (SELECT 2 FORMAT CSV)"
    found = output_of(f"{body} FORMAT {name}{tail} ; {quoted if quoted[0] in '-/' else ''}".encode())
    assert found == (body.encode(), name.strip("`"), tail.strip().encode())


@pytest.mark.parametrize("text", ["SELECT 1 AS format", "SELECT format('{}', 1)", "SELECT format FROM t", "SELECT 1;"])
def test_statement_without_format_clause_has_none(text: str) -> None:
    assert output_of(text.encode()) == (text.rstrip(";").encode(), None, b"")


@pytest.mark.parametrize("text", ["SELECT 1 INTO OUTFILE 'x'", "SELECT 1 INTO OUTFILE 'x' APPEND FORMAT CSV"])
def test_file_of_the_server_is_not_written(text: str) -> None:
    with pytest.raises(QueryError, match="INTO OUTFILE is not allowed"):
        output_of(text.encode())


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error_of_ours(text: bytes) -> None:
    first_words(text, 3)
    for read in (insert_head, output_of):
        with contextlib.suppress(QueryError):
            read(b"INSERT INTO t " + text)
