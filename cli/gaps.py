"""`esep gaps`: which sequences are missing, in which stream of which organizer, how many, and since when.

Reads     ClickHouse; or an organizer's own receipts: a file of them, or its topic
Writes    a table, or JSON, on stdout
Promises  reads only; exit code 0: nothing is missing; 1: something is (DESIGN §4 "Sequence"; clauses O9-4.5, O9-5.3)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from esep.cli.context import DATA_DIR, AsJson, DataDir, Servers, settings_of
from esep.cli.output import err, print_json, print_table
from esep.cli.receipts import topic_values
from esep.cli.send import key_content
from esep.cli.stored import stored
from esep.errors import UsageError
from esep.gaps import Gap, Gaps
from esep.identifiers import is_bin, masked
from esep.producers.receipt_file import read_receipts
from esep.producers.receipts import unseal
from esep.receipt_keys import load_root

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.x509 import Certificate

_SHOWN_MAX = 50  # --json shows all.


def gaps(
    organizer: Annotated[str, typer.Option(metavar="BIN", help="One organizer; without it all, from ClickHouse.")] = "",
    receipts: Annotated[
        Path | None, typer.Option(help="An organizer's file of receipts (`esep receipts export`), not ClickHouse.")
    ] = None,
    topic: Annotated[bool, typer.Option("--topic", help="An organizer's topic of receipts, not ClickHouse.")] = False,
    days: Annotated[int, typer.Option(min=0, help="By the receipts of so many days in ClickHouse; 0: all.")] = 30,
    receipt_root: Annotated[
        Path | None, typer.Option(help="The authority's root certificate (PEM): an organizer's receipts are verified.")
    ] = None,
    bootstrap_servers: Servers = None,
    access: Annotated[Path | None, typer.Option(help="Folder that the authority gave this organizer.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Show what is missing: gaps in the sequences of streams, by the last receipt that names each.

    A stream that no receipt of --days names is not looked at. "Since" is the first of these receipts that misses them.

    Example: [bold]esep gaps --organizer 940140000385 --json[/]

    Example: [bold]esep gaps --organizer 940140000385 --topic[/]

    Exit code 0: nothing is missing. 1: something is.
    """
    if organizer and not is_bin(organizer):
        raise UsageError("--organizer is no BIN with a right control digit")
    if receipts is None and not topic:
        found = _stored(organizer, days, data_dir)
    elif not organizer:
        raise UsageError("whose receipts?", hint="give --organizer")
    else:
        root = load_root(key_content(receipt_root)) if receipt_root else None
        in_file = read_receipts(receipts) if receipts else None
        values = in_file or topic_values(organizer, bootstrap_servers, access, data_dir)
        found = _told(values, organizer, root)
    _print(found.all(), as_json=as_json)
    raise typer.Exit(1 if found.all() else 0)


def _stored(organizer: str, days: int, data_dir: Path) -> Gaps:
    with stored(settings_of(data_dir)) as client:
        from esep.sinks.clickhouse.receipts import stored_gaps  # noqa: PLC0415 - the sink is an extra

        return stored_gaps(client, organizer, days)


def _told(values: Iterable[bytes], organizer: str, root: Certificate | None) -> Gaps:
    """Return what is missing by an organizer's receipts, in the order of its topic."""
    found = Gaps()
    for value in values:
        receipt, received_at = unseal(value)
        content = receipt.verified(root)
        if content.organizer_bin != organizer:
            raise UsageError(f"these are receipts of {content.organizer_bin}", hint="check --organizer")
        for account in content.streams:
            missing = [(one.first, one.last) for one in account.missing]
            found.take(organizer, content.partition, account.stream_id, missing, received_at)
    return found


def _print(found: list[Gap], *, as_json: bool) -> None:
    missing = sum(gap.missing_count for gap in found)
    if as_json:
        print_json({"gaps": len(found), "missing_count": missing, "ranges": [_document(gap) for gap in found]})
        return
    rows = [list(_document(gap).values()) for gap in found[:_SHOWN_MAX]]
    columns = ["organizer", "partition", "stream", "first", "last", "missing", "since"]
    print_table(f"{missing:,} events are missing, in {len(found):,} gaps", columns, rows)
    if len(found) > _SHOWN_MAX:
        err.print(f"… and {len(found) - _SHOWN_MAX:,} more; --json shows all.")


def _document(gap: Gap) -> dict[str, Any]:
    return {
        "organizer_bin": gap.organizer_bin,
        "partition": gap.partition,
        "stream_id": masked(gap.stream_id),
        "first": gap.first,
        "last": gap.last,
        "missing_count": gap.missing_count,
        "since": gap.since.isoformat().replace("+00:00", "Z"),
    }
