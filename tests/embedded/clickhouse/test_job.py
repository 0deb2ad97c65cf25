"""A request is one statement; what follows an INSERT is data and nothing else."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

pytestmark = pytest.mark.clickhouse


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; DROP TABLE {table}",
        "SELECT 1; SELECT 2",
        "DROP TABLE {table}; SELEC 1",  # The first of them parses, the second does not.
        "INSERT INTO {table} VALUES (1, 'a'); DROP TABLE {table}",
        "INSERT INTO {table} SELECT 1, 'a'; DROP TABLE {table}",
        "SET max_threads = 1; DROP TABLE {table}",
    ],
)
def test_several_statements_are_refused_and_none_is_run(ask: Callable[..., Any], table: str, text: str) -> None:
    answer = ask(body=text.format(table=table).encode())
    assert (answer.status, answer.code) == (400, "62")
    assert ask(f"SELECT count() FROM {table}").body == b"0\n"


def test_one_statement_may_end_with_semicolon_and_comment(ask: Callable[..., Any]) -> None:
    assert ask("SELECT 1; -- the only one").body == b"1\n"
    assert ask("/* one */ SELECT 1 FORMAT CSV ;;").body == b"1\n"


@pytest.mark.parametrize("in_url", [True, False])
def test_data_with_blank_lines_and_sql_in_them_are_stored_as_they_are(
    ask: Callable[..., Any], client: Client, table: str, in_url: bool
) -> None:
    """The trap of the engine's own `query`: it ends the data at a blank line and runs the rest as SQL."""
    rows = [(1, "first\n\nDROP TABLE " + table), (2, "; SELECT 1"), (3, "\n\n")]
    head = f"INSERT INTO {table} FORMAT CSV"
    data = "".join(f'{sequence},"{wager_id}"\n' for sequence, wager_id in rows).encode()
    answer = ask(head, data) if in_url else ask(body=head.encode() + b"\n" + data)
    assert answer.status == 200, answer.text
    assert client.query(f"SELECT * FROM {table} ORDER BY 1").result_rows == rows


def test_blank_line_between_rows_does_not_end_the_data(ask: Callable[..., Any], table: str) -> None:
    data = b'{"sequence":1}\n\n{"sequence":2}\n\n\nSELECT 1\n'
    answer = ask(f"INSERT INTO {table} FORMAT JSONEachRow", data)
    assert answer.code != "", "a line that is no row was passed over"
    assert ask(f"SELECT count() FROM {table}").body == b"0\n"
    assert ask(f"INSERT INTO {table} FORMAT JSONEachRow", data[:-9]).status == 200
    assert ask(f"SELECT count() FROM {table}").body == b"2\n"


def test_values_may_be_expressions_and_span_url_and_body(ask: Callable[..., Any], table: str) -> None:
    answer = ask(f"INSERT INTO {table} (sequence, wager_id) VALUES (1, upper('a')),", b"(1 + 1, 'b\n\nc')", param_x="1")
    assert answer.status == 200, answer.text
    assert ask(f"SELECT * FROM {table} ORDER BY 1").body == b"1\tA\n2\tb\\n\\nc\n"


@pytest.mark.parametrize(
    "data", ["(1, 'a'), (2, 'b'),", "(1, 'a') (2, 'b')", "(1, 'a'), (2, 'b');", "\n(1,'a'),\n\n(2,'b')\n"]
)
def test_values_may_be_written_as_the_engine_takes_them(ask: Callable[..., Any], table: str, data: str) -> None:
    answer = ask(body=f"INSERT INTO {table} VALUES {data}".encode())
    assert (answer.text, ask(f"SELECT count() FROM {table}").body) == ("", b"2\n")


def test_data_may_be_part_of_the_query_in_the_url_and_go_on_in_the_body(ask: Callable[..., Any], table: str) -> None:
    assert ask(f"INSERT INTO {table} FORMAT CSV 1,a", b"2,b\n").status == 200
    assert ask(f"SELECT sum(sequence) FROM {table}").body == b"3\n"


def test_insert_that_selects_is_run_whole(ask: Callable[..., Any], table: str) -> None:
    answer = ask(body=f"INSERT INTO {table} SELECT number, 'w' FROM numbers(1000)".encode())
    assert '"written_rows":"1000"' in answer.headers["X-ClickHouse-Summary"]


def test_large_statement_passes_if_the_request_allows_it(ask: Callable[..., Any]) -> None:
    statement = b"SELECT count() FROM numbers(9) WHERE number IN (" + b",".join(b"%d" % n for n in range(47_000)) + b")"
    assert len(statement) > 262_144
    assert ask(body=statement).code == "62"
    assert ask(body=statement, max_query_size="1000000").body == b"9\n"
    packed = ask(body=gzip.compress(statement), headers={"Content-Encoding": "gzip"}, max_query_size="1000000")
    assert packed.body == b"9\n"


def test_head_of_an_insert_that_is_too_long_is_refused_before_its_data_are_taken_for_sql(
    ask: Callable[..., Any], table: str
) -> None:
    for blanks in 300_000, 5_000_000:  # In one piece with the data's begin, or in many: the answer is the same.
        text = f"INSERT INTO {table} ({' ' * blanks}sequence) FORMAT CSV\n1\n\nDROP TABLE {table}"
        assert ask(body=text.encode()).status == 413
        assert ask(f"SELECT count() FROM {table}").body == b"0\n"


@pytest.mark.parametrize("statement", ["", " ", "-- nothing", ";"])
def test_request_without_a_statement_is_a_syntax_error(ask: Callable[..., Any], statement: str) -> None:
    assert ask(body=statement.encode()).code == "62"


def test_bare_expression_is_no_statement(ask: Callable[..., Any]) -> None:
    assert ask(body=b"1 + 1").code == "62"


@pytest.mark.parametrize(
    "statement",
    [
        "SHOW TABLES FROM system",
        "EXPLAIN SELECT 1",
        "EXPLAIN AST SELECT 1",
        "DESCRIBE TABLE system.one",
        "EXISTS system.one",
    ],
)
def test_other_statements_that_answer_do_so_in_the_format_asked_for(ask: Callable[..., Any], statement: str) -> None:
    assert ask(statement).body
    assert ask(statement + " FORMAT JSON").body.startswith(b'{\n\t"meta"')
