"""`esep sql`: one statement to ClickHouse, its answer as a table, TSV, CSV or JSON.

Reads     ClickHouse
Writes    the answer on stdout
Promises  what a format prints is ClickHouse's own, but for `table`
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from clickhouse_connect.driver.exceptions import DatabaseError

from esep.cli.context import DATA_DIR, DataDir, settings_of
from esep.cli.output import print_table
from esep.errors import UsageError
from esep.sinks.clickhouse.client import connect

_FORMATS = {"tsv": "TSVWithNames", "csv": "CSVWithNames", "json": "JSON"}


class Format(StrEnum):
    """How the answer is written."""

    TABLE = "table"
    TSV = "tsv"
    CSV = "csv"
    JSON = "json"


def sql(
    statement: Annotated[str, typer.Argument(help="One SQL statement.")],
    output: Annotated[Format, typer.Option("--format", help="How the answer is written.")] = Format.TABLE,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Ask ClickHouse, in the database of the line.

    Example: [bold]esep sql "SELECT organizer_bin, count() FROM ledger GROUP BY 1 ORDER BY 1"[/]
    """
    client = connect(settings_of(data_dir))
    try:
        if output is Format.TABLE:
            answer = client.query(statement)
            print_table("", answer.column_names, answer.result_rows)
        else:
            typer.echo(client.raw_query(statement, fmt=_FORMATS[output]), nl=False)
    except DatabaseError as error:
        raise UsageError("ClickHouse does not take the statement", detail=str(error).splitlines()[0]) from error
    finally:
        client.close()
