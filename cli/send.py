"""`esep send`: report the rows of a file (CSV, JSON Lines, Parquet) as one organizer, and say what came of them.

Reads     a file, a mapping, the environment, the organizer's receipts
Writes    organizer.<BIN>.events, or a signed file; a summary on stdout, a progress bar on stderr
Promises  exit code 0: all accepted, or known already; 1: something was rejected; 2: asked wrongly, or the file cannot
          be used, and nothing was sent; 75: no answer yet, send again later (nothing is counted twice)
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from esep.access_files import AccessFiles, read_bundle
from esep.cli.context import ACCESS_DIR, DATA_DIR, Access, AsJson, DataDir, Servers, names_brokers, settings_of
from esep.cli.output import err, out, print_json, print_table
from esep.errors import FileUnusable, SettingInvalid, UsageError
from esep.kafka_wire import connect_any
from esep.keys import load_private_key
from esep.producers.mapping import LAST_BET_YESTERDAY, included_mappings, load_mapping
from esep.producers.receipt_reader import ReceiptReader
from esep.producers.row_codes import Language, text_of
from esep.producers.send import send_file
from esep.producers.sender import EventSender
from esep.producers.summary import WHAT_TO_DO, Summary
from esep.producers.to_medium import file_to_medium
from esep.receipt_keys import load_root
from esep.security import client_security
from esep.settings import load_settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_LOGIN_S_MAX = 10.0
_REJECTS_SHOWN_MAX = 20  # A screenful; --json shows all.


def send(
    file: Annotated[
        Path, typer.Argument(help="CSV (UTF-8, commas, a header), JSON Lines (.jsonl, .ndjson) or Parquet (.parquet).")
    ],
    organizer: Annotated[str, typer.Option(metavar="BIN", help="Organizer that reports: its 12-digit BIN.")],
    mapping: Annotated[
        str,
        typer.Option(
            metavar="NAME|PATH",
            help=f"How columns become events: an included mapping ({', '.join(included_mappings())}) or a YAML file.",
        ),
    ],
    stream: Annotated[
        str | None, typer.Option(help="Stream id. By default the file's name, and +<n>d where dates are shifted.")
    ] = None,
    shift_days: Annotated[
        str | None,
        typer.Option(metavar=f"N|{LAST_BET_YESTERDAY}", help="Move all dates by whole days; else as the mapping says."),
    ] = None,
    rejected: Annotated[
        Path | None, typer.Option(help="New file for the rejected rows: mend them there, and send that file by itself.")
    ] = None,
    receipt_root: Annotated[
        Path | None,
        typer.Option(help="The authority's root certificate (PEM): receipts that it has not signed are refused."),
    ] = None,
    no_wait: Annotated[
        bool,
        typer.Option("--no-wait", help="Do not wait for receipts. Only for a file that was not changed since sent."),
    ] = False,
    to_file: Annotated[
        Path | None,
        typer.Option(help="Send nothing: write a new signed file, to be carried to the authority (`esep receive`)."),
    ] = None,
    signing_key: Annotated[
        Path | None, typer.Option(help="Your private key (PEM) for --to-file; `esep medium key` makes one.")
    ] = None,
    lang: Annotated[Language, typer.Option(help="Language of the reasons.")] = "en",
    bootstrap_servers: Servers = None,
    access: Access = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Report the rows of a file as one organizer, and say what came of them.

    Sending a file again is safe, and goes on where it was cut off: nothing is counted twice.
    Never change a file after it was sent: mend rejected rows in a file of their own (--rejected).

    Example: [bold]esep send examples/bustabit-a.csv --organizer 940140000385 --mapping bustabit[/]

    Example: [bold]esep send desk-7.csv --organizer 940140000385 --mapping desks.yaml --rejected desk-7.mend.csv[/]

    Where no line goes, --to-file writes what would be sent into a signed file.

    Exit code 0: all accepted, or known already.
    1: something was rejected.
    2: the call or the file is wrong, and nothing was sent.
    75: no answer yet, send again later.
    """
    loaded = load_mapping(mapping)
    if to_file is not None:
        summary = file_to_medium(
            file,
            loaded,
            organizer,
            _signing_key(signing_key),
            to_file,
            stream_id=stream,
            shift_days=shift_days,
            rejected_path=rejected,
        )
        _end(summary, lang, as_json=as_json)
    servers, security = address_of(organizer, access, data_dir, bootstrap_servers)
    if security:  # librdkafka would try on for a minute, and then say that no broker answers.
        connect_any(servers, security, _LOGIN_S_MAX).close()
    root = load_root(key_content(receipt_root)) if receipt_root else None
    with ExitStack() as open_until_done:
        client = open_until_done.enter_context(EventSender(organizer, servers, security=security))
        reader = None if no_wait else ReceiptReader(organizer, servers, root=root, security=security)
        summary = send_file(
            file,
            loaded,
            client,
            receipts=open_until_done.enter_context(reader) if reader else None,
            stream_id=stream,
            shift_days=shift_days,
            rejected_path=rejected,
            show_progress=not as_json,
        )
    _end(summary, lang, as_json=as_json)


def _end(summary: Summary, lang: Language, *, as_json: bool) -> NoReturn:
    """Print a summary and end with its exit code."""
    if as_json:
        print_json(summary.document(lang))
    else:
        print_summary(summary, lang)
    raise typer.Exit(summary.exit_code)


def address_of(
    organizer_bin: str, bundle: Path | None, data_dir: Path, named_servers: str | None
) -> tuple[str, dict[str, str]]:
    """Return the brokers, and the security properties with which to act as an organizer there.

    From its bundle if one is named, else from the environment, else from the line that `esep up` runs here.
    named_servers: brokers other than those.
    """
    here = AccessFiles(data_dir / ACCESS_DIR).bundle_dir(organizer_bin)
    elsewhere = named_servers is not None or names_brokers(load_settings())
    if bundle is None and here.exists() and not elsewhere:
        bundle = here
    if bundle is not None:
        servers, security = read_bundle(bundle)
    else:
        settings = load_settings() if elsewhere else settings_of(data_dir)
        servers, security = settings.bootstrap_servers, client_security(settings)
    return named_servers or servers, security


def print_summary(summary: Summary, lang: Language) -> None:
    """Print a summary for a person: counts, then the first rejects, then what to do."""
    print_table(
        f"{summary.file} → {summary.organizer_bin}, stream {summary.stream_id}",
        [
            "rows",
            "rejected rows",
            "waiting rows",
            "events",
            "skipped",
            "sent",
            "accepted",
            "duplicate",
            "rejected",
            "events/s",
        ],
        [
            [
                summary.rows,
                summary.rows_rejected,
                summary.rows_waiting,
                summary.events_numbered,
                summary.events_skipped,
                summary.events_sent,
                summary.events_accepted,
                summary.events_duplicate,
                summary.events_rejected,
                round(summary.events_per_s),
            ]
        ],
    )
    shown = summary.rejects[:_REJECTS_SHOWN_MAX]
    if shown:
        rows = [[r.line, r.event_type or "row", r.code, r.field, text_of(r.code, lang)] for r in shown]
        print_table("Not accepted", ["line", "event", "code", "field", "reason"], rows)
    if len(summary.rejects) > len(shown):
        out.print(f"… and {len(summary.rejects) - len(shown):,} more; --json shows all.")
    if summary.rejected_file:
        out.print(
            f"The rows to mend are in {summary.rejected_file}: mend them there, then send that file.", markup=False
        )
    if WHAT_TO_DO[summary.outcome]:
        err.print(f"{summary.outcome.value}: {WHAT_TO_DO[summary.outcome]}", highlight=False)


def _signing_key(path: Path | None) -> Ed25519PrivateKey:
    if path is None:
        raise UsageError(
            "--to-file needs --signing-key", detail="the file is signed", hint="`esep medium key` makes a key, once"
        )
    try:
        return load_private_key(key_content(path), str(path))
    except SettingInvalid as error:
        raise FileUnusable(
            f"{path} holds no private key of Ed25519 (PEM)", hint="make one: `esep medium key`"
        ) from error


def key_content(path: Path) -> bytes:
    """Return the bytes of a file with a key; FileUnusable if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileUnusable(
            f"the key {path} cannot be read", detail=error.strerror or "", hint="name another"
        ) from error
