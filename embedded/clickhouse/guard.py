"""Whether somebody who has a role may have a statement run, beyond what the engine's own grants refuse.

Reads     a role of the declaration; a statement, a request's settings and parameters; the engine's table functions
Returns   nothing, or raises QueryError; an error without the values that the engine puts into its text
Promises  what is not known to be harmless is refused: statements but SELECT, table functions but those that make
          numbers, tables of `system` but those granted, settings but those of form; nothing is taken for a text here
          that the engine takes for something else (clauses O9-5.1, J127-7; box: embedded)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from esep.embedded.clickhouse.answers import QueryError, refusal
from esep.embedded.clickhouse.statement import tokens
from esep.store_roles import BASIS_HINT, BASIS_SETTING, Role, case_and_basis

if TYPE_CHECKING:
    from collections.abc import Mapping

_ASKS = frozenset((b"SELECT", b"WITH", b"FROM", b"("))
_PUTS_IN = frozenset((b"INSERT", b"DESCRIBE"))
_META = ("system", "information_schema")
_MAKES_NUMBERS = frozenset(
    (
        *("numbers", "numbers_mt", "zeros", "zeros_mt", "values", "primes", "null", "format"),
        *("generateseries", "generate_series"),
    )
)
# Scalar functions that read files, call out or write to logs, under whatever name they are passed on.
_REACH_OUT = frozenset(
    (
        *("file", "catboostevaluate", "filesystemavailable", "filesystemcapacity", "filesystemunreserved", "logtrace"),
        *("aigenerate", "aiembed", "aiextract", "aiclassify", "aitranslate", "airedact", "aifilter", "aisimilarity"),
    )
)
_WORDS = frozenset(("outfile", "infile", "explain", "identifier", "information_schema", "executable"))
# Not all of form: format_template_… and format_schema read files of this machine, output_format_schema writes one; and
# max_untracked_memory hides memory from the limit.
_OF_FORM = ("output_format_", "http_", "date_time_", "cancel_http_")
_HARMLESS = frozenset(
    (
        *(
            BASIS_SETTING,
            "enable_http_compression",
            "send_progress_in_http_headers",
            "wait_end_of_query",
            "buffer_size",
        ),
        *("result_overflow_mode", "readonly", "extremes", "session_timezone", "max_rows_to_read", "max_bytes_to_read"),
        *("max_result_rows", "max_result_bytes", "max_execution_time", "max_memory_usage", "max_block_size"),
        *("format_csv_delimiter", "format_csv_null_representation", "format_tsv_null_representation"),
        *("cast_string_to_dynamic_use_inference", "async_insert"),  # As clickhouse-connect sends them.
    )
)
_HARMFUL = frozenset(("output_format_schema",))
_OF_INSERTS = frozenset(  # As `sinks/clickhouse/store.py` sends them.
    (
        *("async_insert", "wait_for_async_insert", "insert_deduplicate", "insert_deduplication_token"),
        *("deduplicate_blocks_in_dependent_materialized_views", "input_format_parallel_parsing", "optimize_on_insert"),
        *("min_insert_block_size_rows", "min_insert_block_size_bytes", "max_insert_block_size"),
        *("max_partitions_per_insert_block", "throw_on_max_partitions_per_insert_block"),
    )
)
# What the engine says of these quotes the statement or a limit, and no row.
_TELLS_NO_VALUE = frozenset(
    (
        *(36, 42, 43, 46, 47, 48, 60, 62, 63, 73, 81, 115, 158, 159, 160, 164, 179, 184, 190, 192, 193, 194, 207, 215),
        *(229, 241, 307, 371, 372, 373, 374, 386, 394, 396, 452, 456, 457, 497, 511, 512, 516),
    )
)
_NAME = re.compile(r"\(([A-Z_0-9]+)\)\s*\Z")


def check_request(role: Role, settings: Mapping[str, str], parameters: Mapping[str, str], database: str) -> None:
    """Raise QueryError for a request whose settings or database the role does not allow."""
    if database.lower() in _META:
        raise _denied(role, "this database")
    if any(not name.isidentifier() for name in parameters):
        raise _denied(role, "a parameter of this name")
    allowed = _HARMLESS | _OF_INSERTS if role.use == "tables" else _HARMLESS
    for name in settings:
        if name in _HARMFUL or (name not in allowed and not name.startswith(_OF_FORM)):
            raise refusal(164, "READONLY", f"Cannot modify '{name}' setting in readonly mode")


def check_statement(role: Role, statement: bytes, table_functions: frozenset[str], basis: str) -> None:
    """Raise QueryError for a statement that is none of the role's, or looks up persons without a legal basis.

    table_functions: the engine's, in small letters. basis: as the request states it.

    >>> from esep.store_roles import ROLES
    >>> check_statement(ROLES["analyst"], b"SELECT 'file(' FROM person_daily", frozenset(), "")
    >>> check_statement(ROLES["analyst"], b"DROP VIEW person_daily", frozenset(), "")
    Traceback (most recent call last):
    ...
    esep.embedded.clickhouse.answers.QueryError: Code: 497. DB::Exception: analyst: DROP is not allowed. (ACCESS_DENIED)
    """
    found = list(tokens(statement))
    first = found[0].text if found else b""
    if first not in (_ASKS | _PUTS_IN if role.use == "tables" else _ASKS):
        raise _denied(role, first.decode(errors="replace"))
    for token in found:
        if token.kind == "mark" and not token.text.isascii():  # Quotes to the engine, and none here.
            raise _denied(role, "a character beyond ASCII outside of quotes")
        if token.kind == "name" and b"\\" in token.text:
            raise _denied(role, "an escaped character in a name")
    names = [_plain(token.text) if token.kind in {"word", "name"} else "" for token in found]
    marks = [token.text if token.kind == "mark" else b"" for token in found]
    granted = {name for _, name in role.granted("")}
    _check_names(role, names, marks, table_functions, granted)
    tables = {name.rpartition(".")[2] for name in granted if not name.startswith("system.")}
    asks_for_data = any(name.rpartition(".")[2] in tables for name in names)
    if role.basis and asks_for_data and case_and_basis(basis) is None:
        raise refusal(497, "ACCESS_DENIED", f"The role {role.role} looks up persons: {BASIS_HINT}")


def _check_names(
    role: Role, names: list[str], marks: list[bytes], table_functions: frozenset[str], granted: set[str]
) -> None:
    for index, name in enumerate(names):
        following = marks[index + 1] if index + 1 < len(marks) else b""
        if name in _WORDS | _REACH_OUT or name.startswith(tuple(f"{meta}." for meta in _META)):
            raise _denied(role, name)
        if following == b"(" and name in table_functions - _MAKES_NUMBERS:
            raise _denied(role, f"the table function {name}")
        if name == "settings" and names[max(0, index - 2) : index] != ["system", ""]:
            raise _denied(role, "SETTINGS")
        if name == "system" and following == b".":
            table = names[index + 2] if index + 2 < len(names) else ""
            if f"system.{table}" not in granted:
                raise _denied(role, f"system.{table}")


def without_values(error: QueryError) -> QueryError:
    """Return an error without what the engine quotes of rows: its number and name stay.

    >>> str(without_values(QueryError("Code: 6. DB::Exception: Cannot parse string '9001': x. (CANNOT_PARSE_TEXT)")))
    'Code: 6. DB::Exception: The statement fails on a value of its rows. (CANNOT_PARSE_TEXT)'
    """
    if error.code in _TELLS_NO_VALUE:
        return error
    named = _NAME.search(str(error))
    return refusal(error.code, named[1] if named else "ERROR", "The statement fails on a value of its rows")


def _plain(text: bytes) -> str:
    """Return a word or quoted name in small letters, without its quotes."""
    inner = text[1:-1] if text[:1] in {b"`", b'"'} else text
    return inner.decode(errors="replace").lower()


def _denied(role: Role, what: str) -> QueryError:
    return refusal(497, "ACCESS_DENIED", f"{role.role}: {what} is not allowed")
