"""Which statements are looked at and refused before the engine sees them (clauses O9-5.1, J127-7)."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.embedded.clickhouse import guard as module
from esep.embedded.clickhouse.answers import QueryError
from esep.embedded.clickhouse.guard import check_request, check_statement
from esep.store_roles import ROLES

FUNCTIONS = frozenset(("file", "url", "remote", "numbers", "merge", "values", "executable"))
BASIS = "7-114/26: AML law"


def passes(role: str, statement: str, basis: str = "") -> bool:
    try:
        check_statement(ROLES[role], statement.encode(), FUNCTIONS, basis)
    except QueryError:
        return False
    return True


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "/* a */ WITH 1 AS a SELECT a",
        "(SELECT person FROM person_daily)",
        "FROM person_daily SELECT count()",
        "SELECT 'file(x) INTO OUTFILE', 'system.errors', 'SETTINGS'",
        "SELECT name FROM system.settings",
        "SELECT number FROM numbers(10) FORMAT CSV",
        "SELECT «a» FROM person_daily".replace("«a»", "'«Тотал»'"),
        "SELECT sum(value) AS merge FROM person_daily",
    ],
)
def test_question_of_an_analyst_passes(statement: str) -> None:
    assert passes("analyst", statement)


@given(
    st.sampled_from(["file", "url", "remote", "merge", "executable"]),
    st.sampled_from(["", " ", "\n", "/**/", "--x\n"]),
    st.sampled_from(["{}", "`{}`", '"{}"']),
    st.sampled_from([str, str.upper, str.title]),
    st.sampled_from(
        ["SELECT {}('a')", "SELECT * FROM {}('a')", "WITH {}('a') AS b SELECT b", "SELECT (SELECT {}('a'))"]
    ),
)
def test_function_that_reaches_out_is_refused_however_it_is_written(
    name: str, gap: str, quotes: str, case: object, frame: str
) -> None:
    written = quotes.format(case(name)) + gap  # type: ignore[operator]
    assert not passes("analyst", frame.format(written))


@given(
    st.text("a'\"`‘“(\\$#;{é\n", min_size=1, max_size=3),
    st.sampled_from(["SELECT {}", "{} SELECT 1", "SELECT a{}b FROM c"]),
)
def test_any_text_is_refused_or_let_through_and_nothing_else(text: str, frame: str) -> None:
    passes("analyst", frame.format(text))


def test_quotes_that_only_the_engine_knows_are_refused() -> None:
    assert not passes("analyst", "SELECT ‘'’, file(‘/etc/hostname’), ‘'’")
    assert not passes("analyst", "SELECT “a” FROM b")


@pytest.mark.parametrize("name", ["ledger", "`ledger`", "esep.ledger", '"person_history"', "`esep.alerts`"])
def test_basis_is_asked_for_wherever_data_are_named(name: str) -> None:
    """Clause J127-7."""
    assert not passes("compliance", f"SELECT 1 FROM {name}")
    assert not passes("compliance", f"SELECT 1 FROM system.settings, {name}")
    assert passes("compliance", f"SELECT 1 FROM {name}", BASIS)
    assert passes("compliance", "SELECT version() FROM system.settings")


def test_who_puts_rows_in_may_insert_and_who_reads_may_not() -> None:
    assert passes("loader", "INSERT INTO ledger FORMAT CSV")
    assert not passes("analyst", "INSERT INTO ledger FORMAT CSV")
    assert not passes("loader", "ALTER TABLE ledger DROP PARTITION 202611")


@pytest.mark.parametrize(
    "name", ["readonly", "max_rows_to_read", "log_comment", "output_format_json_quote_64bit_integers"]
)
def test_setting_of_form_passes(name: str) -> None:
    check_request(ROLES["analyst"], {name: "1"}, {}, "esep_analysts")


@pytest.mark.parametrize(
    "name",
    [
        *("allow_introspection_functions", "join_algorithm", "additional_result_filter", "limit", "max_threads"),
        *("format_template_resultset", "format_schema", "output_format_schema", "max_untracked_memory"),
        *("input_format_record_errors_file_path", "query_plan_remove_redundant_sorting"),
    ],
)
def test_setting_that_changes_what_is_read_is_refused(name: str) -> None:
    with pytest.raises(QueryError, match="READONLY"):
        check_request(ROLES["analyst"], {name: "1"}, {}, "esep_analysts")


def test_examples_run() -> None:
    assert doctest.testmod(module).failed == 0
