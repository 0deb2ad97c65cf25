"""`esep totals verify|rebuild`: is what totals remember of each person what the ledger comes to?

Reads     the state of totals as its changelog has it, the ledger in ClickHouse, the routing key
Writes    the comparison, per partition, and the first cells that differ; a person by key, never by IIN
Promises  exit code 0 only if every sum of every person, organizer and year is the same on both sides, to the tiyn and
          for the same postings, while the line works on (O9-4.6; DESIGN §5)
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
import typer

from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.output import command_group, out, print_json, print_table
from esep.cli.rebuild import put_back, rebuilt
from esep.errors import SinkUnavailable
from esep.identifiers import PersonKeys
from esep.security import client_security
from esep.sinks.clickhouse.booked import booked, rows_there
from esep.sinks.clickhouse.client import LONG_S_MAX, connect
from esep.stream_apps.poll import person_words
from esep.stream_apps.totals.remembered import (
    PERSON_COLUMNS,
    VALUE_COLUMNS,
    Remembered,
    cells_frame,
    differing,
    frame_of,
    remembered,
)
from esep.topics import TOTALS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


totals = command_group(
    name="totals",
    help="""What totals remember of each person.

Example: [bold]esep totals verify --json[/]""",
    no_args_is_help=True,
)
_SHOWN_MAX = 20
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Verdict:
    """One partition. differing: cells that are not the same on both sides: the key, and both values of each sum."""

    partition: int
    through_offset: int
    postings: int
    persons: int
    cells: int
    differing: pl.DataFrame


@totals.command()
def verify(
    wait_s: Annotated[float, typer.Option(min=0, help="How long to wait for what the loader has yet to load.")] = 60.0,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Add up the ledger anew, and compare every person's sums with what totals remember.

    The line may work on: each partition is compared as its last committed transaction left it.

    Example: [bold]esep totals verify --json[/]
    """
    settings = settings_of(data_dir)
    keys = PersonKeys(settings.secret("routing_key_file"))
    states = remembered(settings.bootstrap_servers, settings.ledger_partitions, client_security(settings))
    with connect(settings) as client:
        _await_loaded(client, states, time.monotonic() + wait_s)
        verdicts = [compare(one, cells_of_sums(booked(client, one.partition, one.row), keys)) for one in states]
    _end(verdicts, as_json=as_json)


@totals.command()
def rebuild(
    write: Annotated[
        bool,
        typer.Option("--write", help="Put back the changelog of each partition that has lost it. Stop totals first."),
    ] = False,
    wait_s: Annotated[float, typer.Option(min=0, help="How long to wait for what the loader has yet to load.")] = 60.0,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make the state of totals anew from closing balances and ledger, and compare it with the changelog, cell by cell.

    The line may work on, unless a changelog is to be put back.

    Example: [bold]esep totals rebuild --json[/]
    """
    settings = settings_of(data_dir)
    keys = PersonKeys(settings.secret("routing_key_file"))
    security = client_security(settings)
    with connect(settings, answer_s_max=LONG_S_MAX) as client:
        written: dict[int, int] = {}
        if write:
            written = put_back(
                settings, settings_of(data_dir, f"{TOTALS}-0"), client, lambda sums: cells_of_sums(sums, keys)
            )
        states = remembered(settings.bootstrap_servers, settings.ledger_partitions, security)
        _await_loaded(client, states, time.monotonic() + wait_s)
        verdicts = [
            compare(one, frame_of(rebuilt(client, one.partition, one.row, lambda sums: cells_of_sums(sums, keys))))
            for one in states
        ]
    _end(verdicts, as_json=as_json, **({"written": written} if write else {}))


def _end(verdicts: list[Verdict], *, as_json: bool, **told: Any) -> None:
    equal = all(verdict.differing.is_empty() for verdict in verdicts)
    if as_json:
        print_json({"equal": equal, **told, "partitions": [_document(verdict) for verdict in verdicts]})
    else:
        for partition, records in told.get("written", {}).items():
            out.print(f"partition {partition}: changelog put back, {records:,} records", highlight=False)
        _print(verdicts)
    raise typer.Exit(0 if equal else 1)


def compare(state: Remembered, ledger: pl.DataFrame) -> Verdict:
    """Return where the state and the sums of the ledger (both as `cells_frame`) differ; what one lacks is zero."""
    persons = state.cells.select(PERSON_COLUMNS).n_unique() if state.cells.height else 0
    differ = differing(state.cells, ledger)
    return Verdict(state.partition, state.next_offset, state.row, persons, state.cells.height, differ)


def _await_loaded(client: Client, states: list[Remembered], deadline: float) -> None:
    """Return once ClickHouse has every posting that the states count; SinkUnavailable at the deadline."""
    for state in states:
        while (there := rows_there(client, state.partition, state.row)) < state.row:
            if time.monotonic() > deadline:
                raise SinkUnavailable(
                    f"partition {state.partition} of the ledger has {there:,} of {state.row:,} postings",
                    hint="is the loader up? `esep reconcile` tells what is missing",
                )
            time.sleep(_LOOK_S)


def cells_of_sums(sums: pl.DataFrame, keys: PersonKeys) -> pl.DataFrame:
    """Return what `booked` returned as cells."""
    words = person_words(keys(sums["iin"].to_list()))
    values = sums.select(VALUE_COLUMNS).to_numpy()
    return cells_frame(words, sums["bin"].to_numpy(), sums["year"].to_numpy(), values)


def _document(verdict: Verdict) -> dict[str, Any]:
    return {
        "partition": verdict.partition,
        "through_offset": verdict.through_offset,
        "postings": verdict.postings,
        "persons": verdict.persons,
        "cells": verdict.cells,
        "differing": verdict.differing.height,
        "differences": [difference for row in _shown(verdict) for difference in told_cell(row)],
    }


def _shown(verdict: Verdict) -> list[dict[str, Any]]:
    return verdict.differing.head(_SHOWN_MAX).rows(named=True)


def told_cell(row: dict[str, Any], sides: tuple[str, str] = ("remembered", "ledger")) -> list[dict[str, Any]]:
    """Return what differs in a cell; person_key as hexadecimal. sides: names of the one and the other."""
    key = "".join(row[name].to_bytes(8, "little").hex() for name in PERSON_COLUMNS)
    cell = {"person_key": key, "organizer_bin": f"{row['bin']:012d}", "year": row["year"]}
    return [
        {**cell, "sum": name, sides[0]: row[name], sides[1]: row[f"{name}_other"]}
        for name in VALUE_COLUMNS
        if row[name] != row[f"{name}_other"]
    ]


def _print(verdicts: list[Verdict]) -> None:
    columns = ("partition", "through offset", "postings", "persons", "cells", "differing")
    rows = [
        (one.partition, one.through_offset, one.postings, one.persons, one.cells, one.differing.height)
        for one in verdicts
    ]
    print_table("totals beside the ledger", columns, rows)
    told = [difference for verdict in verdicts for row in _shown(verdict) for difference in told_cell(row)]
    if told:
        print_table("the first that differ", list(told[0]), [list(one.values()) for one in told])
    out.print(
        "What totals remember is not what the ledger comes to." if told else "Both are the same.", highlight=False
    )
