"""`esep simulate`: made-up events of made-up bettors onto a line's topics, good ones and chosen bad ones.

Reads     the register of the line, or one that it made
Writes    organizer.<BIN>.events; if asked to, a register, or the intended verdicts (Parquet)
Promises  exit code 0: all is on the topics, and with --check everything came out as intended; 1: with --check,
          something did not
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from esep.cli.context import DATA_DIR, AsJson, DataDir, Servers, settings_of
from esep.cli.output import out, print_json, print_table
from esep.errors import FileUnusable, UsageError
from esep.producers.progress import SendProgress
from esep.producers.receipt_reader import ReceiptReader
from esep.producers.simulate.comparison import Comparison, compare, found_in_receipts, receipts_for
from esep.producers.simulate.generator import messages
from esep.producers.simulate.kinds import KINDS
from esep.producers.simulate.plan import Plan, last_midnight, refuse_until
from esep.producers.simulate.register import made_up_register, write_register
from esep.producers.simulate.sender import MessageSender, Pace
from esep.register import Register, load_register
from esep.security import client_security
from esep.settings import load_settings
from esep.topics import ADMIN

_WRONG_SHOWN_MAX = 10
_BAD_BY_DEFAULT, _REPEATED_BY_DEFAULT = 0.03, 0.01


def simulate(
    organizers: Annotated[
        int | None, typer.Option(min=1, help="How many organizers; by default all of the register, or 4 for a new one.")
    ] = None,
    events: Annotated[int, typer.Option(min=1, help="How many messages, good and bad.")] = 10_000,
    rate: Annotated[float | None, typer.Option(help="Messages per second; else as fast as it goes.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same messages; take another for another run.")] = 1,
    bad: Annotated[float, typer.Option(help="Share of bad messages.")] = _BAD_BY_DEFAULT,
    duplicates: Annotated[float, typer.Option(help="Share of repeated messages.")] = _REPEATED_BY_DEFAULT,
    corrections: Annotated[float, typer.Option(help="Share of corrections.")] = 0.0,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=WEIGHT]",
            help=f"Only these kinds of bad data, so often beside each other: {', '.join(KINDS)}.",
        ),
    ] = None,
    days: Annotated[int, typer.Option(help="Days before --until in which all occurs.")] = 14,
    until: Annotated[
        datetime | None, typer.Option(help="When it ends, UTC; by default last midnight in Almaty.")
    ] = None,
    persons: Annotated[int, typer.Option(min=1, help="How many persons bet.")] = 20_000,
    register: Annotated[Path | None, typer.Option(help="Register (YAML); by default the one of the line.")] = None,
    write_register_to: Annotated[
        Path | None,
        typer.Option(
            "--write-register", help="Write a register of made-up organizers for `esep up --register`, and end."
        ),
    ] = None,
    verdicts: Annotated[
        Path | None,
        typer.Option("--out", help="New Parquet file: per message where it lies, and what intake must say."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Wait for the receipts and compare.")] = False,
    bootstrap_servers: Servers = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Put made-up events on a line's topics: bets and payouts of made-up persons, and chosen shares of bad messages.

    Only for a line of your own: a real organizer's topic must hold what happened, and nothing else.
    A second run needs another --seed, else it repeats the first one's events.

    Example: [bold]esep simulate --write-register made-up.yaml --organizers 20[/]

    Example: [bold]esep simulate --events 100000 --seed 2 --bad 0.03 --rate 5000 --check[/]

    Exit code 0: sent, and as intended where --check is given. 1: something came out otherwise.
    """
    now = datetime.now(UTC)
    end = until.replace(tzinfo=UTC) if until else last_midnight(now)
    refuse_until(end, now)
    if write_register_to is not None:
        write_register(made_up_register(organizers or 4, seed, end), write_register_to)
        out.print(f"the register is in {write_register_to}: start a line with it", highlight=False)
        return
    if verdicts is not None and verdicts.exists():
        raise FileUnusable(f"{verdicts} exists already", hint="name a new file")
    settings, pace = load_settings() if bootstrap_servers else settings_of(data_dir, ADMIN), Pace(rate)
    servers, security = bootstrap_servers or settings.bootstrap_servers, client_security(settings)
    chosen = _first(load_register(register or settings.register_file), organizers)
    plan = Plan(chosen, events, seed, end, days, bad, duplicates, corrections, persons=persons, weights=_weights(kind))
    sender = MessageSender(servers, security=security)
    plan = replace(plan, partitions=sender.partitions(chosen))
    with ExitStack() as open_until_done:
        readers = (
            [open_until_done.enter_context(reader) for reader in _readers(chosen, servers, security)] if check else []
        )
        sent = _send(plan, sender, pace, shown=not as_json)
        if verdicts is not None:
            sent.write_parquet(verdicts)
        comparison = compare(sent, found_in_receipts(receipts_for(sent, readers))) if check else None
    (print_json if as_json else _print)(_document(sent, comparison))
    raise typer.Exit(0 if comparison is None or comparison.exact else 1)


def _first(register: Register, organizers: int | None) -> Register:
    """Return the register with the first organizers only."""
    known = register.organizers
    if organizers is not None and organizers > len(known):
        raise UsageError(
            f"the register has {len(known)} organizers, fewer than {organizers}",
            hint="make one with --write-register, and start a line with it: esep up --register FILE",
        )
    return Register(version=register.version, organizers=known[:organizers])


def _weights(kinds: list[str] | None) -> dict[str, float]:
    if not kinds:
        return dict.fromkeys(KINDS, 1.0)
    parts = [text.partition("=") for text in kinds]
    try:
        return {name: float(weight or 1) for name, _, weight in parts}
    except ValueError as error:
        raise UsageError(
            "the weight of a kind is a number", hint="for example --kind CUT=3 --kind IIN_SHORT=1"
        ) from error


def _readers(register: Register, servers: str, security: Mapping[str, str]) -> Iterator[ReceiptReader]:
    for bin_ in register.bins:
        reader = ReceiptReader(bin_, servers, security=security)
        reader.start()
        yield reader


def _send(plan: Plan, sender: MessageSender, pace: Pace, *, shown: bool) -> pl.DataFrame:
    with SendProgress("simulated", shown=shown) as progress:
        progress.total(plan.events)
        frames: Iterable[pl.DataFrame] = messages(plan)
        return sender.send(frames, pace, progress.sent)


def _document(sent: pl.DataFrame, comparison: Comparison | None) -> dict[str, Any]:
    if comparison is None:
        meant = sent.group_by("organizer_bin", code=pl.coalesce("code", "verdict")).agg(intended=pl.len())
        return {"sent": sent.height, "verdicts": meant.sort("organizer_bin", "code").to_dicts()}
    wrong = comparison.wrong.head(_WRONG_SHOWN_MAX).to_dicts()
    counts = {"sent": sent.height, "exact": comparison.exact, "wrong": comparison.wrong.height}
    return {**counts, "verdicts": comparison.table.to_dicts(), "wrong_first": wrong}


def _print(document: dict[str, Any]) -> None:
    rows = document["verdicts"]
    print_table(f"{document['sent']:,} messages", list(rows[0]), [list(row.values()) for row in rows])
    if "exact" in document:
        verdict = "everything came out as intended" if document["exact"] else "not everything came out as intended"
        out.print(f"{verdict}; {document['wrong']:,} messages otherwise", highlight=False)
        for wrong in document["wrong_first"]:
            out.print_json(data=wrong, default=str)
