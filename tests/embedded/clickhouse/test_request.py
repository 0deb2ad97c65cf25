"""What a request may say in URL, headers and form, and what is refused."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = pytest.mark.clickhouse
PERSON = 'O\'Коnnоr \\ "Ғ"\n\t`x`'


def test_query_may_stand_in_the_url_in_the_body_or_in_both(ask: Callable[..., Any]) -> None:
    assert ask("SELECT 1", method="GET").body == b"1\n"
    assert ask(body=b"SELECT 1").body == b"1\n"
    assert ask("SELECT 1", b"+ 1").body == b"2\n"
    assert ask("SELECT", b"1", query_id="wagers").headers["X-ClickHouse-Query-Id"] == "wagers"


@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_passes_as_a_parameter_and_comes_back(client: Client, text: str) -> None:
    assert client.query("SELECT {text:String}", parameters={"text": text}).result_rows == [(text,)]


def test_parameters_have_the_types_that_the_query_says(client: Client) -> None:
    at = dt.datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - as the client gives back a DateTime in UTC
    values = {"names": [PERSON, "b"], "at": at, "table": "one", "db": "system", "stake": 10**13, "odds": None}
    query = "SELECT {names:Array(String)}, {at:DateTime}, {stake:Int64}, {odds:Nullable(Int32)}, dummy"
    row = client.query(f"{query} FROM {{db:Identifier}}.{{table:Identifier}}", parameters=values).result_rows[0]
    assert row == ([PERSON, "b"], at, 10**13, None, 0)


def test_parameter_is_a_value_and_never_sql(client: Client) -> None:
    text = "'; DROP TABLE system.one; --"
    assert client.query("SELECT {text:String}", parameters={"text": text}).result_rows == [(text,)]
    assert client.command("EXISTS TABLE system.one") == 1


def test_parameters_serve_inserts_too(client: Client, table: str) -> None:
    parameters = {"name": table, "id": PERSON}
    client.command("INSERT INTO {name:Identifier} VALUES (1, {id:String})", parameters=parameters)
    assert client.query(f"SELECT wager_id FROM {table}").result_rows == [(PERSON,)]


def test_long_parameters_pass_in_the_url_and_in_a_form(clickhouse: ClickHouseServer) -> None:
    for in_form in (False, True):
        client = clickhouse_connect.get_client(dsn=clickhouse.url, form_encode_query_params=in_form)
        text = PERSON * 5_000
        assert client.query("SELECT length({text:String})", parameters={"text": text}).result_rows == [
            (len(text.encode()),)
        ]
        client.close()


def test_format_of_the_statement_goes_before_header_and_url(ask: Callable[..., Any]) -> None:
    assert ask("SELECT 1 AS x FORMAT CSV", default_format="JSONEachRow").body == b"1\n"
    assert ask("SELECT 1 AS x", default_format="JSONEachRow").body == b'{"x":1}\n'
    by_header = ask("SELECT 1 AS x", headers={"X-ClickHouse-Format": "JSONEachRow"}, default_format="CSV")
    assert by_header.body == b'{"x":1}\n'
    assert by_header.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert by_header.headers["Content-Type"] == "application/x-ndjson; charset=UTF-8"


def test_database_may_stand_in_url_and_header(ask: Callable[..., Any]) -> None:
    assert ask("SELECT count() FROM one", database="system").body == b"1\n"
    assert ask("SELECT count() FROM one", headers={"X-ClickHouse-Database": "system"}).body == b"1\n"
    missing = ask("SELECT 1", database="ledger_of_nobody")
    assert (missing.status, missing.code) == (404, "81")


def test_query_may_hold_bytes_that_are_no_text(ask: Callable[..., Any]) -> None:
    assert ask(b"SELECT hex('\xff\xfe')").body == b"FFFE\n"
    assert ask(body=b"SELECT hex('\xff\xfe')").body == b"FFFE\n"


@pytest.mark.parametrize(
    ("headers", "fields", "status", "code"),
    [
        ({"Authorization": "Basic " + base64.b64encode(b"default:").decode()}, {}, 200, ""),
        ({"X-ClickHouse-User": "default", "X-ClickHouse-Key": ""}, {}, 200, ""),
        ({}, {"user": "default", "password": ""}, 200, ""),
        ({"Authorization": "Basic " + base64.b64encode(b"default:guess").decode()}, {}, 403, "516"),
        ({"Authorization": "never"}, {"user": "default"}, 200, ""),
        ({"Authorization": "Basic !"}, {}, 403, "516"),
        ({"Authorization": "Bearer abc"}, {}, 403, "516"),
        ({"X-ClickHouse-User": "nobody"}, {}, 403, "516"),
        ({"X-ClickHouse-User": "default"}, {"user": "default"}, 403, "516"),
    ],
)
def test_user_is_let_in_or_not(
    ask: Callable[..., Any], headers: dict[str, str], fields: dict[str, str], status: int, code: str
) -> None:
    answer = ask("SELECT 1", headers=headers, **fields)
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"compress": "1"}, 501, "48"),
        ({"decompress": "1"}, 501, "48"),
        ({"role": "auditor"}, 403, "512"),
        ({"session_timeout": "9999", "session_id": "a"}, 500, "374"),
        ({"no_such_setting": "1"}, 404, "115"),
        ({"max_threads = 1, x": "1"}, 404, "115"),
        ({"max_threads": "many"}, 400, "27"),
    ],
)
def test_what_cannot_be_done_is_refused_and_not_passed_over(
    ask: Callable[..., Any], fields: dict[str, str], status: int, code: str
) -> None:
    answer = ask("SELECT 1", **fields)
    assert (answer.status, answer.code) == (status, code)
    assert answer.text.startswith("Code: ")


def test_get_only_reads(ask: Callable[..., Any], table: str) -> None:
    refused = ask(f"INSERT INTO {table} VALUES (1, 'a')", method="GET")
    assert (refused.status, refused.code) == (500, "164")
    assert ask(f"TRUNCATE TABLE {table}", method="GET").code == "164"
    assert ask(f"SELECT count() FROM {table}", method="GET").body == b"0\n"
