"""`esep receipts`: keep the signed receipts, verify them, and prove with them that an event was taken in.

Reads     the organizer's receipts: its topic, a file of them, or the authority's store; its own copy, its statements
Writes    files of receipts and of proofs; what was found, on stdout
Promises  a file is verified without any network; exit code 0: nothing speaks against it; 1: something does; 2: the call
          or a file is wrong (DESIGN §4 "Receipts"; clauses O9-4.5, O9-5.3)
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from esep.cli.context import DATA_DIR, Access, AsJson, DataDir, Servers, settings_of
from esep.cli.output import command_group, err, out, print_json, print_table, print_told
from esep.cli.send import address_of, key_content
from esep.cli.stored import stored
from esep.errors import FileUnusable, InvariantBroken, UsageError
from esep.identifiers import is_bin
from esep.kafka_wire import connect_any
from esep.keys import load_public_key
from esep.producers.day_statement import STATEMENT_BYTES_MAX, read_day
from esep.producers.own_copy import OwnCopy
from esep.producers.receipt_audit import Audit
from esep.producers.receipt_file import read_receipts, write_receipts
from esep.producers.receipt_history import receipts_there
from esep.producers.receipt_proof import PROOF_BYTES_MAX, check_proof, prove_growth, prove_inclusion
from esep.producers.to_medium import write_new
from esep.receipt_keys import load_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esep.producers.day_statement import DayStatement

_LOGIN_S_MAX = 10.0
_DOUBTS_SHOWN_MAX = 20  # A screenful; --json shows a thousand.

Store = Annotated[bool, typer.Option("--store", help="Take them from the authority's ClickHouse, not from the topic.")]
Copies = Annotated[
    list[Path] | None,
    typer.Option("--copy", help="Your own copy: a spool, or an export of one; may be given more than once."),
]
Root = Annotated[Path, typer.Option(help="The authority's root certificate (PEM).")]

receipts = command_group(
    name="receipts",
    help="""Keep, verify and prove with the authority's signed receipts.

    Example: [bold]esep receipts verify receipts.jsonl --organizer 940140000385 --receipt-root receipt-root.crt[/]""",
    no_args_is_help=True,
)


@receipts.command()
def export(
    file: Annotated[Path, typer.Argument(help="New file (JSON Lines).")],
    organizer: Annotated[str, typer.Option(metavar="BIN", help="Whose receipts: its 12-digit BIN.")],
    store: Store = False,
    bootstrap_servers: Servers = None,
    access: Access = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write all receipts that are there now into a file: the topic keeps them for 30 days, the law wants five years.

    Example: [bold]esep receipts export receipts-2026-11.jsonl --organizer 940140000385[/]
    """
    with _values(organizer, None, bootstrap_servers, access, data_dir, store=store) as values:
        count = write_receipts(file, values)
    out.print(f"{count:,} receipts are in {file}", highlight=False, markup=False)


@receipts.command()
def verify(
    receipt_root: Root,
    file: Annotated[Path | None, typer.Argument(help="File of receipts; without it the organizer's topic.")] = None,
    organizer: Annotated[str, typer.Option(metavar="BIN", help="Whose receipts: its 12-digit BIN.")] = "",
    copy: Copies = None,
    daily: Annotated[
        list[Path] | None, typer.Option(help="Statement of a day (`esep spool sign-day`); may be given more than once.")
    ] = None,
    organizer_key: Annotated[
        Path | None, typer.Option(help="The organizer's public key (PEM), by which --daily is judged.")
    ] = None,
    proof: Annotated[Path | None, typer.Option(help="Instead of receipts: a proof (`esep receipts prove`).")] = None,
    store: Store = False,
    bootstrap_servers: Servers = None,
    access: Access = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Verify receipts, or a proof made with one: signatures, that none takes back what another said, own copy, days.

    Example: [bold]esep receipts verify receipts.jsonl --organizer 940140000385 --receipt-root receipt-root.crt \\
    --copy esep.spool --daily 2026-11-20.esep-day --organizer-key medium.pub[/]

    Example: [bold]esep receipts verify --proof bet.json --receipt-root receipt-root.crt[/]

    Exit code 0: nothing speaks against it. 1: something does.
    2: the call or a file is wrong.
    """
    root = load_root(key_content(receipt_root))
    if proof is not None:
        if file or copy or daily or store:
            raise UsageError("--proof is verified by itself", hint="leave out all but --receipt-root")
        _print_proof(_content(proof, PROOF_BYTES_MAX), receipt_root, as_json=as_json)
        return
    days = [_day(path, organizer, organizer_key) for path in daily or []]
    with (
        _values(organizer, file, bootstrap_servers, access, data_dir, store=store) as values,
        OwnCopy(organizer, copy or []) as own,
    ):
        audit = Audit(organizer, root, own if copy else None, days).run(values)
    if as_json:
        print_json(audit.document())
    else:
        _print_audit(audit)
    raise typer.Exit(audit.exit_code)


@receipts.command()
def prove(
    entry: Annotated[str, typer.Argument(metavar="BIN/STREAM[/SEQUENCE]", help="An event's entry id, or a stream.")],
    to: Annotated[Path, typer.Option(help="New file for the proof (JSON).")],
    copy: Annotated[list[Path], typer.Option("--copy", help="Your own copy: a spool, or an export; also several.")],
    file: Annotated[Path | None, typer.Option("--receipts", help="File of receipts; without it your topic.")] = None,
    receipt_root: Annotated[Path | None, typer.Option(help="The authority's root certificate: verify first.")] = None,
    store: Store = False,
    bootstrap_servers: Servers = None,
    access: Access = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Prove to whoever has the authority's root that an event was taken in; or that a stream's roots only grew.

    Example: [bold]esep receipts prove 940140000385/cash-desk-1/17 --copy esep.spool --to bet.json[/]
    """
    organizer, _, rest = entry.partition("/")
    root = load_root(key_content(receipt_root)) if receipt_root else None
    with (
        _values(organizer, file, bootstrap_servers, access, data_dir, store=store) as values,
        OwnCopy(organizer, copy) as own,
    ):
        is_event = "/" in rest
        made = (
            prove_inclusion(entry, values, own, root) if is_event else prove_growth(organizer, rest, values, own, root)
        )
    write_new(to, made)
    out.print(f"the proof is in {to}", highlight=False, markup=False)


@contextmanager
def _values(
    organizer: str, file: Path | None, servers: str | None, access: Path | None, data_dir: Path, *, store: bool
) -> Iterator[Iterator[bytes]]:
    """Give the receipts' message values from where they are asked for."""
    if not is_bin(organizer):
        raise UsageError("whose receipts? a BIN with a right control digit is needed", hint="give --organizer")
    if file is not None:
        yield read_receipts(file)
    elif store:
        with stored(settings_of(data_dir)) as client:
            from esep.sinks.clickhouse.receipts import stored_receipts  # noqa: PLC0415 - the sink is an extra

            yield stored_receipts(client, organizer)
    else:
        yield topic_values(organizer, servers, access, data_dir)


def topic_values(organizer: str, named_servers: str | None, access: Path | None, data_dir: Path) -> Iterator[bytes]:
    """Return the receipts on an organizer's topic, read as that organizer; see `address_of`."""
    servers, security = address_of(organizer, access, data_dir, named_servers)
    if security:  # librdkafka would try on for a minute, and then say that no broker answers.
        connect_any(servers, security, _LOGIN_S_MAX).close()
    return receipts_there(organizer, servers, security)


def _day(path: Path, organizer: str, key: Path | None) -> DayStatement:
    if key is None:
        raise UsageError("--daily needs --organizer-key", detail="the statement is signed")
    return read_day(_content(path, STATEMENT_BYTES_MAX), organizer, load_public_key(key_content(key), str(key)))


def _content(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read", detail=error.strerror or "", hint="name another file") from error
    if len(content) > bytes_max:
        raise FileUnusable(f"{path} is too large", detail=f"more than {bytes_max:,} bytes")
    return content


def _print_proof(content: bytes, root: Path, *, as_json: bool) -> None:
    """Print what a proof shows; end with exit code 1 if it does not hold."""
    document: dict[str, Any]
    try:
        proven = check_proof(content, load_root(key_content(root)))
        holds, text, document = True, proven.text, proven.document
    except InvariantBroken as error:
        holds, text, document = False, f"{error.what}: {error.detail}", {"why": error.detail}
    print_told({"holds": holds, **document}, text, as_json=as_json)
    if not holds:
        raise typer.Exit(1)


def _print_audit(audit: Audit) -> None:
    document = audit.document()
    counts = {
        "receipts": "receipts",
        "repeated": "repeated",
        "certificates": "keys",
        "streams": "streams",
        "accepted_count": "accepted",
        "rejected_count": "rejected",
        "duplicate_count": "duplicate",
        "held_count": "held",
        "missing_count": "missing",
    }
    print_table(f"Receipts of {audit.organizer_bin}", list(counts.values()), [[document[name] for name in counts]])
    spans = [[one["partition"], one["from_offset"], one["through_offset"]] for one in document["partitions"]]
    print_table("What they account for", ["partition", "from offset", "through offset"], spans)
    if audit.copy is not None:
        compared = f"{audit.roots_compared:,} roots are those of the copy; it knows nothing of {audit.roots_unknown:,}"
        out.print(compared, highlight=False)
    if audit.days:
        met = f"{audit.days_met:,} roots of days were compared; {audit.days_unmet:,} meet no receipt (give --copy)"
        out.print(met, highlight=False)
    if audit.doubts:
        shown = [list(doubt) for doubt in audit.doubts[:_DOUBTS_SHOWN_MAX]]
        print_table("What speaks against them", ["kind", "partition", "through offset", "stream", "what"], shown)
    if audit.doubt_count > _DOUBTS_SHOWN_MAX:
        err.print(f"… and {audit.doubt_count - _DOUBTS_SHOWN_MAX:,} more; --json shows the first thousand.")
