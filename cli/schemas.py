"""`esep schemas`: publish our schemas in a registry, and say how they stand there.

Reads     the manifest; the registry that --registry or the settings name
Writes    the registry's subjects
Promises  publishing again changes nothing; what a registry holds is never overwritten or removed; exit code 1 where a
          schema is missing there, would be refused, or is not held to FULL_TRANSITIVE (DESIGN §3; clause D934-42)
"""

from __future__ import annotations

from typing import Annotated

import typer

from esep.cli.context import AsJson
from esep.cli.output import command_group, print_json, print_table
from esep.errors import SettingInvalid
from esep.registry import LEVEL, Registry, subject_of
from esep.schemas import all_schemas
from esep.settings import load_settings

Url = Annotated[str, typer.Option("--registry", help="Its address; none: ESEP_SCHEMA_REGISTRY_URL.")]

schemas = command_group(
    name="schemas",
    no_args_is_help=True,
    help="""The schemas in a registry with Confluent's interface.

    Example: [bold]esep schemas check --registry http://schemas:8081[/]
    """,
)


@schemas.command()
def publish(registry: Url = "", as_json: AsJson = False) -> None:
    """Publish every schema that the registry has not, the oldest version of each first, held to FULL_TRANSITIVE.

    Example: [bold]esep schemas publish --registry http://schemas:8081[/]
    """
    there = _registry(registry)
    known = sorted(all_schemas(), key=lambda one: (one.version, one.id))
    _show([(one.record, one.version, subject_of(one), there.publish(one), LEVEL, "") for one in known], as_json)


@schemas.command()
def check(registry: Url = "", as_json: AsJson = False) -> None:
    """Say of every schema whether the registry has it, would take it, and holds it to FULL_TRANSITIVE.

    Example: [bold]esep schemas check --registry http://schemas:8081[/]
    """
    there = _registry(registry)
    found = [there.standing(one) for one in all_schemas()]
    _show(
        [
            (one.schema.record, one.schema.version, one.subject, one.id, one.level, "; ".join(one.faults))
            for one in found
        ],
        as_json,
    )
    if not all(one.is_fine for one in found):
        raise typer.Exit(1)


def _registry(url: str) -> Registry:
    chosen = url or load_settings().schema_registry_url
    if not chosen:
        raise SettingInvalid("no registry is named", hint="give --registry, or set ESEP_SCHEMA_REGISTRY_URL")
    return Registry(chosen)


def _show(rows: list[tuple[str, int, str, int | None, str, str]], as_json: bool) -> None:
    columns = ("record", "version", "subject", "id", "level", "faults")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table("schemas in the registry", columns, rows)
