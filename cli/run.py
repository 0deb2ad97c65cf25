"""Commands that a container runs: one part of the line, and what has to be there before it.

Reads     `Settings` from the environment
Writes    topics, tables, key files; or whatever the part writes
Promises  `setup`, `migrate` and `keys` are safe to repeat
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from esep.admin import create_topics
from esep.cli.output import err
from esep.errors import SettingInvalid
from esep.keys import make_receipt_key, make_routing_key
from esep.register import load_register
from esep.security import client_security
from esep.settings import Settings, load_settings
from esep.topics import all_topics


class Part(StrEnum):
    """The parts of the line that run as processes of their own."""

    INTAKE = "intake"
    TOTALS = "totals"
    ALERTS = "alerts"
    LOADER = "loader"
    GATEWAY = "gateway"


_APPS = {  # Imported when asked for: an environment may hold the libraries of one part only.
    Part.INTAKE: "esep.stream_apps.intake.app",
    Part.TOTALS: "esep.stream_apps.totals.app",
    Part.ALERTS: "esep.stream_apps.alerts.app",
    Part.LOADER: "esep.sinks.clickhouse.app",
    Part.GATEWAY: "esep.gateway.app",
}


def run(part: Annotated[Part, typer.Argument(help="Which part.")]) -> None:
    """Run one part of the line against the servers that the settings name, until SIGTERM.

    Example: [bold]ESEP_BOOTSTRAP_SERVERS=kafka:9092 esep run totals[/]
    """
    try:
        module = import_module(_APPS[part])
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("esep"):
            raise
        extra = {Part.LOADER: "sink", Part.GATEWAY: "gateway"}.get(part, "apps")
        raise SettingInvalid(
            f"{part.value} needs the library {error.name}, which is not installed",
            hint=f"install it with: pip install 'esep[{extra}]'",
        ) from error
    main: Callable[[], int] = module.main
    raise typer.Exit(main())


def setup() -> None:
    """Make all topics and tables that are missing; safe to repeat.

    Example: [bold]ESEP_BOOTSTRAP_SERVERS=kafka:9092 ESEP_CLICKHOUSE_URL=http://clickhouse:8123 esep setup[/]
    """
    settings = load_settings()
    prepare(settings)


def migrate() -> None:
    """Bring ClickHouse's tables and views up to date; safe to repeat.

    Example: [bold]esep migrate[/]
    """
    apply_migrations(load_settings())


def keys(
    directory: Annotated[Path, typer.Option(help="Where the key files go.")] = Path("secrets"),
) -> None:
    """Make the authority's secrets that are not there yet; never writes over one.

    Example: [bold]esep keys --directory secrets[/]
    """
    make_routing_key(directory / "routing.key")
    make_receipt_key(directory / "receipt.key")
    password = directory / "clickhouse.password"
    if not password.exists():
        password.write_text(secrets.token_urlsafe(24))
        password.chmod(0o600)
    err.print(f"the secrets are in {directory}", highlight=False)


def prepare(settings: Settings) -> None:
    """Make the topics and tables that the settings and the register call for."""
    bins = load_register(settings.register_file).bins
    topics = all_topics(
        bins, events_partitions=settings.events_partitions, ledger_partitions=settings.ledger_partitions
    )
    made = create_topics(settings.bootstrap_servers, topics, settings.replication_factor, client_security(settings))
    err.print(f"topics: {len(topics)}, of which new: {len(made)}", highlight=False)
    apply_migrations(settings)


def apply_migrations(settings: Settings) -> None:
    """Apply the migrations that ClickHouse has not had yet."""
    migrations = import_module("esep.sinks.clickhouse.migrate")
    applied: list[str] = migrations.migrate(settings)
    err.print(f"migrations applied: {', '.join(applied) or 'none, all were there'}", highlight=False)
