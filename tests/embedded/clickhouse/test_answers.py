"""Errors keep ClickHouse's form, and their status is the one that its server gives."""

from __future__ import annotations

import json

import pytest
from clickhouse_connect.driver.transform import extract_exception_with_tag
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.embedded.clickhouse.answers import QueryError, Summary, content_type, late_error, refusal


@pytest.mark.parametrize(
    ("text", "code", "status"),
    [
        ("Code: 60. DB::Exception: Table default.bets does not exist. (UNKNOWN_TABLE)", 60, 404),
        ("Streaming query failed: Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR)", 62, 400),
        ("Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)", 516, 403),
        ("Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)", 241, 500),
        ("Cannot run a query while a streaming insert is active", 1001, 500),
    ],
)
def test_code_and_status_follow_from_the_engine_s_text(text: str, code: int, status: int) -> None:
    error = QueryError(text)
    assert (error.code, error.status) == (code, status)
    assert not str(error).startswith("Streaming")


@settings(deadline=None)
@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(
        lambda text: text == text.strip()
    )
)
def test_client_finds_the_error_at_the_end_of_a_body(text: str) -> None:
    error = refusal(395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", text)
    body = b"\x01\x02rows" + late_error(error, "abcdefghijklmnop")
    assert extract_exception_with_tag(body, "abcdefghijklmnop") == str(error)


def test_numbers_of_a_summary_are_texts() -> None:
    assert json.loads(Summary(written_rows=23_690).header())["written_rows"] == "23690"


def test_more_special_format_goes_before_the_general_one() -> None:
    assert content_type("JSONEachRow") == "application/x-ndjson; charset=UTF-8"
    assert content_type("json") == "application/json; charset=UTF-8"
    assert content_type("ArrowStream") == "application/octet-stream"
