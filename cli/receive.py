"""`esep receive`: take in a signed file of messages that was carried here, and write the receipts to be carried back.

Reads     a signed file, the organizer's public key, the environment, the organizer's receipts
Writes    organizer.<BIN>.events; a file of receipts; a summary on stdout
Promises  nothing is sent unless the whole file is as the organizer signed it; taken in again it adds duplicates only.
          Exit code 0: all taken, or known already; 1: something was rejected; 2: the call or the file is wrong, and
          nothing was sent; 75: no answer yet, take it in again later (clause O114-3)
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from esep.cli.context import DATA_DIR, AsJson, DataDir, Servers
from esep.cli.output import err, print_json, print_table
from esep.cli.send import address_of, key_content
from esep.delivery import Delivery
from esep.errors import FileUnusable
from esep.kafka_wire import connect_any
from esep.keys import load_public_key
from esep.producers.files import refuse_existing
from esep.producers.from_medium import Received, receive_medium
from esep.producers.medium import MEDIUM_BYTES_MAX, read_medium
from esep.producers.receipt_file import write_receipts
from esep.producers.receipt_reader import ReceiptReader
from esep.producers.row_codes import Language, text_of
from esep.receipt_keys import load_root

_LOGIN_S_MAX = 10.0
_REJECTS_SHOWN_MAX = 20


def receive(
    file: Annotated[Path, typer.Argument(help="Signed file, as `esep send --to-file` writes it.")],
    organizer: Annotated[str, typer.Option(metavar="BIN", help="Organizer that handed the file over: its BIN.")],
    organizer_key: Annotated[
        Path, typer.Option(help="That organizer's public key (PEM), got by a way that you trust.")
    ],
    receipts_to: Annotated[
        Path | None, typer.Option(help="New file for the signed receipts, to be carried back (JSON Lines).")
    ] = None,
    receipt_root: Annotated[
        Path | None,
        typer.Option(help="The authority's root certificate (PEM): receipts that it has not signed are refused."),
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for receipts.")] = False,
    lang: Annotated[Language, typer.Option(help="Language of the reasons.")] = "en",
    bootstrap_servers: Servers = None,
    access: Annotated[
        Path | None, typer.Option(help="Folder of the organizer, whose principal alone may write its topic.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Take in a signed file of messages, and say what came of them.

    The messages go onto the organizer's own topic, where the same checks and numbers apply as to any other.
    Taking a file in again is safe: nothing is counted twice.

    Example: [bold]esep receive desk-7.esep --organizer 940140000385 --organizer-key 940140000385.pub \\
    --receipts-to desk-7.receipts.jsonl[/]

    Exit code 0: all taken, or known already. 1: something was rejected.
    2: the call or the file is wrong, and nothing was sent.
    75: no answer yet, take it in again later.
    """
    if receipts_to is not None:
        refuse_existing(receipts_to)
    root = load_root(key_content(receipt_root)) if receipt_root else None
    medium = read_medium(_content(file), organizer, load_public_key(key_content(organizer_key), str(organizer_key)))
    servers, security = address_of(organizer, access, data_dir, bootstrap_servers)
    if security:  # librdkafka would try on for a minute, and then say that no broker answers.
        connect_any(servers, security, _LOGIN_S_MAX).close()
    with ExitStack() as open_until_done:
        reader = None if no_wait else ReceiptReader(organizer, servers, root=root, security=security)
        receipts = open_until_done.enter_context(reader) if reader else None
        told = receive_medium(medium, Delivery(organizer, servers, security=security), receipts, servers)
    if receipts_to is not None and told.receipts:
        write_receipts(receipts_to, told.receipts)
    if as_json:
        print_json({"file": str(file), **told.document(lang)})
    else:
        _print(file, told, lang)
    raise typer.Exit(told.exit_code)


def _print(file: Path, told: Received, lang: Language) -> None:
    columns = ["messages", "accepted", "duplicate", "held", "rejected", "receipts"]
    receipts = None if told.receipts is None else len(told.receipts)
    counts = [told.messages, told.accepted, told.duplicate, told.held, len(told.rejects), receipts]
    print_table(f"{file} → {told.organizer_bin}", columns, [counts])
    shown = told.rejects[:_REJECTS_SHOWN_MAX]
    if shown:
        rows = [[r.stream_id, r.sequence, r.reject_code, r.field, text_of(r.reject_code, lang)] for r in shown]
        print_table("Not accepted", ["stream", "sequence", "code", "field", "reason"], rows)
    if len(told.rejects) > len(shown):
        err.print(f"… and {len(told.rejects) - len(shown):,} more; --json shows all.")
    if told.receipts is not None and not told.has_all_receipts:
        err.print("Receipts stayed away: is intake running? Take the file in again later, nothing is counted twice.")


def _content(path: Path) -> bytes:
    try:
        size_bytes = path.stat().st_size
        if size_bytes <= MEDIUM_BYTES_MAX:
            return path.read_bytes()
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read", detail=error.strerror or "", hint="name another file") from error
    raise FileUnusable(f"{path} is too large", detail=f"{size_bytes:,} bytes, more than {MEDIUM_BYTES_MAX:,}")
