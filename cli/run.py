"""Commands that a container runs: one part of the line, and what has to be there before it.

Reads     `Settings` from the environment
Writes    topics, the first reference data, tables, key files; or whatever the part writes
Promises  `setup`, `migrate` and `keys` are safe to repeat
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from esep.cli.output import err, library_missing
from esep.cli.reference import load_first, make_topics
from esep.keys import make_routing_key
from esep.pseudonyms import make_first_key
from esep.receipt_keys import SIGNING_DAYS, make_receipt_keys, renew_signing_key
from esep.register import load_register
from esep.registry import adopt
from esep.settings import Settings, load_settings


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
        raise library_missing(part.value, error.name, extra) from error
    adopt(load_settings())
    main: Callable[[], int] = module.main
    raise typer.Exit(main())


def setup() -> None:
    """Make all topics and tables that are missing, publish the register the first time; safe to repeat.

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
    renew_receipt_key: Annotated[
        bool,
        typer.Option("--renew-receipt-key", help="Replace the key that signs receipts; intake takes it at a start."),
    ] = False,
    days: Annotated[int, typer.Option(min=1, help="For how many days a new receipt key is certified.")] = SIGNING_DAYS,
) -> None:
    """Make the authority's secrets that are not there yet; never writes over one that is not to be renewed.

    Give receipt-root.crt to the organizers: by it they verify receipts. Keep receipt-root.key in a safe: only
    --renew-receipt-key needs it.

    Example: [bold]esep keys --directory secrets[/]

    Example: [bold]esep keys --directory secrets --renew-receipt-key --days 90[/]
    """
    now = datetime.now(UTC)
    make_routing_key(directory / "routing.key")
    make_receipt_keys(directory, now)
    make_first_key(directory / "pseudonym.key")
    if renew_receipt_key:
        renew_signing_key(directory, now, days)
    password = directory / "clickhouse.password"
    if not password.exists():
        password.write_text(secrets.token_urlsafe(24))
        password.chmod(0o600)
    err.print(f"the secrets are in {directory}", highlight=False)


def prepare(settings: Settings) -> None:
    """Make the topics and tables that the settings and the register call for, and publish the register at the first.

    What older versions have left is brought up to date.
    """
    adopt(settings)
    make_topics(settings, load_register(settings.register_file).bins)
    take_over_changelogs(settings)
    load_first(settings)
    apply_migrations(settings)


def take_over_changelogs(settings: Settings) -> None:
    """Take over what intake remembers in changelogs of each organizer's own; intake must not be at work then."""
    taken_over = import_module("esep.stream_apps.intake.taken_over").take_over(settings)
    if taken_over:
        err.print(f"taken over into the changelog that all share: {len(taken_over)} states of intake", highlight=False)


def apply_migrations(settings: Settings) -> None:
    """Apply the migrations that ClickHouse has not had yet."""
    migrations = import_module("esep.sinks.clickhouse.migrate")
    applied: list[str] = migrations.migrate(settings)
    err.print(f"migrations applied: {', '.join(applied) or 'none, all were there'}", highlight=False)
