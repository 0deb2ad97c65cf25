"""`esep check`: say offline what intake would say of a file, before anything is sent.

Reads     a file of rows and a mapping, or a file of raw messages; the register, if it is named
Writes    a report on stdout
Promises  nothing is sent, no broker is asked; exit code 0: all would be taken; 1: something would not; 2: asked
          wrongly, or the file cannot be used
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from esep.cli.context import AsJson
from esep.cli.output import out, print_json, print_table
from esep.errors import UsageError
from esep.producers.check import CheckReport, check_file, check_messages
from esep.producers.mapping import LAST_BET_YESTERDAY, included_mappings, load_mapping
from esep.producers.row_codes import Language, text_of
from esep.register import load_register
from esep.settings import Settings

_FINDINGS_SHOWN_MAX = 20  # A screenful; --json shows all.
_PARTITIONS: int = Settings.model_fields["events_partitions"].default


def check(
    organizer: Annotated[str, typer.Option(metavar="BIN", help="Organizer that would report: its 12-digit BIN.")],
    file: Annotated[Path | None, typer.Argument(help="File of rows, as for `esep send`.")] = None,
    mapping: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help=f"How columns become events: an included mapping ({', '.join(included_mappings())}) or a YAML file.",
        ),
    ] = None,
    messages: Annotated[
        Path | None,
        typer.Option(help="Instead of FILE: raw messages, a line each: key and value in Base64, or as JSON."),
    ] = None,
    register: Annotated[
        Path | None, typer.Option(help="Register of organizers (YAML): licence and site are checked too.")
    ] = None,
    received_at: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="When all of it would arrive; by default now.")
    ] = None,
    stream: Annotated[str | None, typer.Option(help="Stream id of a file of rows, as for `esep send`.")] = None,
    shift_days: Annotated[
        str | None, typer.Option(metavar=f"N|{LAST_BET_YESTERDAY}", help="Move all dates of a file of rows.")
    ] = None,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of the organizer's topic.")] = _PARTITIONS,
    lang: Annotated[Language, typer.Option(help="Language of the reasons.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Say offline what intake would say of a file: nothing is sent.

    It runs intake's own checks on the very bytes that would go out: form, BIN, key, partition, sequences within the
    file, instants; with --register licence and site too.

    Example: [bold]esep check examples/bustabit-a.csv --organizer 940140000385 --mapping bustabit[/]

    Example: [bold]esep check --messages conformance/records.jsonl --organizer 940140000385 --lang ru[/]

    Exit code 0: all would be taken.
    1: something would not.
    2: the call or the file is wrong.
    """
    at = _instant(received_at)
    known = load_register(register) if register else None
    if messages is not None and file is None and mapping is None:
        report = check_messages(messages, organizer, received_at=at, partitions=partitions, register=known)
    elif file is not None and mapping is not None and messages is None:
        report = check_file(
            file,
            load_mapping(mapping),
            organizer,
            received_at=at,
            partitions=partitions,
            register=known,
            stream_id=stream,
            shift_days=shift_days,
        )
    else:
        raise UsageError("what is to be checked?", hint="give FILE with --mapping, or --messages with a file")
    if as_json:
        print_json(report.document(lang))
    else:
        print_report(report, lang)
    raise typer.Exit(report.exit_code)


def print_report(report: CheckReport, lang: Language) -> None:
    """Print a report for a person: counts, streams, then codes, then the first findings."""
    print_table(
        f"{report.file} as {report.organizer_bin} would send it",
        ["lines", "messages", "would pass", "repeated", "findings"],
        [[report.lines, report.messages, report.passed, report.duplicates, len(report.findings)]],
    )
    streams = [[one.stream_id, one.partition, one.last, one.missing] for one in report.streams[:_FINDINGS_SHOWN_MAX]]
    if streams:
        print_table("Streams", ["stream", "partition", "last sequence", "missing below"], streams)
    if report.findings:
        codes = [[code, count, text_of(code, lang)] for code, count in report.count_by_code.items()]
        print_table("By code", ["code", "findings", "reason"], codes)
        shown = report.findings[:_FINDINGS_SHOWN_MAX]
        rows = [[one.line, one.event_type or "", one.sequence, one.code, one.field] for one in shown]
        print_table("Would not be taken", ["line", "event", "sequence", "code", "field"], rows)
        if len(report.findings) > len(shown):
            out.print(f"… and {len(report.findings) - len(shown):,} more; --json shows all.")


def _instant(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise UsageError(f"{text!r} is no instant", hint="write it with its zone: 2026-03-01T12:00:00+05:00")
    return instant.astimezone(UTC)
