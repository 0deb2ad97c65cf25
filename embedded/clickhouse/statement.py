"""Read as much of a statement as HTTP needs: where the data of an INSERT begin, which format a SELECT asks for.

Reads     the bytes of a request, statement first; they may end anywhere in an INSERT's data
Returns   `InsertHead`, `Output`, words
Promises  text in strings, quoted names, comments and brackets is never taken for a keyword; no byte that belongs to an
          INSERT's data is ever part of a statement (box: embedded)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from esep.embedded.clickhouse.answers import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    rb"""
      (?P<blank> \s+ | --[^\n]* | \#[ !][^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<text> '(?:[^'\\]|\\.)*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<name> `(?:[^`\\]|\\.)*` | "(?:[^"\\]|\\.)*" )
    | (?P<word> [A-Za-z_]\w* )
    | (?P<mark> [\d,=+*<>:%|&?!@^~]+ (?: \s+ [\d,=+*<>:%|&?!@^~]+ )* | \w+ | . )  # Many at once: lists are long.
    """,
    re.VERBOSE | re.DOTALL,
)
_AFTER_FORMAT = re.compile(
    rb"[ \t\f]*\r?\n?"
)  # ClickHouse, ParserInsertQuery: data begin after the line's end, if any.


class InsertHead(NamedTuple):
    """An INSERT without its data. data_at: index of their first byte in the text."""

    head: bytes
    input_format: str
    data_at: int


class Output(NamedTuple):
    """A statement taken apart at its FORMAT clause, without comments and `;` at its end. tail: SETTINGS … after it."""

    body: bytes
    output_format: str | None
    tail: bytes


class _Token(NamedTuple):
    kind: str
    start: int
    end: int
    text: bytes  # Words in capitals.


def first_words(statement: bytes, count: int) -> list[bytes]:
    """Return the first words or marks in capitals, without comments.

    >>> first_words(b"/* all */ create temporary table t (x Int8)", 2)
    [b'CREATE', b'TEMPORARY']
    """
    return [token.text for token, _ in zip(tokens(statement), range(count), strict=False)]


def insert_head(text: bytes) -> InsertHead | None:
    r"""Return the statement, format and begin of the data if text is an INSERT that data may follow, else None.

    Raises QueryError for forms that a server takes and this one does not: FROM INFILE, input().

    >>> insert_head(b"INSERT INTO ledger (iin, `a FORMAT b`) FORMAT CSV\r\n1,2")
    InsertHead(head=b'INSERT INTO ledger (iin, `a FORMAT b`) ', input_format='CSV', data_at=51)
    >>> insert_head(b"INSERT INTO ledger SELECT * FROM accepted") is None
    True
    """
    outer = _outer(text)
    token = next(outer, None)
    if token is None or token.text != b"INSERT":
        return None
    token = _skip_target(outer)
    while token is not None:
        following = next(outer, None)
        if token.text == b"VALUES":
            return InsertHead(text[: token.start], "Values", token.end)
        if token.text == b"FORMAT" and following is not None and following.kind in {"word", "name"}:
            return _head(text, token, following)
        if token.text == b"FROM" and following is not None and following.text == b"INFILE":
            raise refusal(48, "NOT_IMPLEMENTED", "FROM INFILE is for clickhouse-client: send the data with the request")
        if token.text in {b"SELECT", b"WITH", b"WATCH"}:
            _refuse_input(text[token.start :])
            return None
        token = following
    return None


def output_of(statement: bytes) -> Output:
    """Return a statement's parts around its FORMAT clause; output_format is None where it has none.

    Raises QueryError for INTO OUTFILE, which would write a file of the server's.

    >>> output_of(b"SELECT format FROM (SELECT 1 AS format FORMAT CSV) FORMAT JSON SETTINGS final = 1; -- all")[1:]
    ('JSON', b'SETTINGS final = 1')
    """
    tokens = list(_outer(statement))
    while tokens and tokens[-1].text == b";":
        tokens.pop()
    end = tokens[-1].end if tokens else 0
    for index in range(len(tokens) - 2, 0, -1):
        token, following = tokens[index], tokens[index + 1]
        if token.text == b"INTO" and following.text == b"OUTFILE":
            raise refusal(358, "INTO_OUTFILE_NOT_ALLOWED", "INTO OUTFILE is not allowed")
        closes = index + 2 == len(tokens) or tokens[index + 2].text in {b"SETTINGS", b"INTO"}
        if token.text == b"FORMAT" and following.kind in {"word", "name"} and closes:
            name = statement[following.start : following.end].strip(b'`"').decode(errors="replace")
            before = output_of(statement[: token.start])  # Looks for INTO OUTFILE in what is left.
            return Output(before.body, name, statement[following.end : end].strip())
    return Output(statement[:end], None, b"")


def tokens(text: bytes) -> Iterator[_Token]:
    """Yield what a text is made of, without blanks and comments; words are in capitals, all else is as it stands."""
    for found in _TOKEN.finditer(text):
        kind = str(found.lastgroup if found.lastgroup != "tag" else "text")
        if kind != "blank":
            word = found[0].upper() if kind == "word" else found[0]
            yield _Token(kind, found.start(), found.end(), word)


def _outer(text: bytes) -> Iterator[_Token]:
    """Yield the tokens outside of all brackets, the outermost brackets themselves included."""
    depth = 0
    for token in tokens(text):
        if token.text in {b")", b"]", b"}"} and token.kind == "mark":
            depth = max(0, depth - 1)
        if depth == 0:
            yield token
        if token.text in {b"(", b"[", b"{"} and token.kind == "mark":
            depth += 1


def _skip_target(outer: Iterator[_Token]) -> _Token | None:
    """Pass by INTO, TABLE, FUNCTION and the table's name, which may be any word; return the first token after it."""
    token = next(outer, None)
    while token is not None and token.text in {b"INTO", b"TABLE", b"FUNCTION"}:
        token = next(outer, None)
    while token is not None:
        if token.text == b"{":  # A parameter: {name:Identifier}.
            next(outer, None)
        token = next(outer, None)
        if token is None or token.text != b".":
            return token
        token = next(outer, None)
    return None


def _head(text: bytes, keyword: _Token, name: _Token) -> InsertHead:
    gap = _AFTER_FORMAT.match(text, name.end)
    data_at = gap.end() if gap else name.end
    if text[name.end : name.end + 1] == b";":
        raise refusal(62, "SYNTAX_ERROR", "You have excessive ';' symbol before data for INSERT")
    if b"\n" not in text[name.end : data_at] and first_words(text[data_at : data_at + 16], 1) == [b"SETTINGS"]:
        raise refusal(48, "NOT_IMPLEMENTED", "SETTINGS after FORMAT: put them before it, or into the URL")
    input_format = text[name.start : name.end].strip(b'`"').decode(errors="replace")
    return InsertHead(text[: keyword.start], input_format, data_at)


def _refuse_input(select: bytes) -> None:
    """Raise QueryError if a SELECT reads the request's data: the engine does not offer it and would run them."""
    previous = b""
    for token in tokens(select):
        if token.text == b"(" and previous == b"INPUT":
            raise refusal(
                48, "NOT_IMPLEMENTED", "INSERT … SELECT … FROM input(): insert into a table, then select from it"
            )
        previous = token.text
