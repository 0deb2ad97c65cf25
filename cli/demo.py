"""`esep demo`: the whole line on real bets, start to end, and the proof that the books balance.

Reads     a file of real bets, a register of organizers
Writes    a line below a directory of its own, gone at the end; what it found, on stdout
Promises  exit code 0 only if every count and every sum agrees on both sides of every hop; the services are stopped at
          the end, whatever happens
"""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from esep.cli.alerts import alert_line, read_alerts
from esep.cli.observer import Observer
from esep.cli.operate import bring_up
from esep.cli.output import out, print_table
from esep.embedded.stack import Stack
from esep.errors import FileUnusable, PartUnready
from esep.money import tenge_text
from esep.producers.mapping import load_mapping
from esep.producers.receipt_reader import ReceiptReader
from esep.producers.send import send_file
from esep.producers.sender import EventSender
from esep.producers.summary import Summary
from esep.register import load_register
from esep.settings import Settings, load_settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.reconcile import Report, reconcile
from esep.sinks.clickhouse.tables import topics_to_load
from esep.status import is_through
from esep.topics import ALERTS_STAGE, LEDGER, LOADER

_QUERYABLE_S_MAX = 120.0
_LOOK_EVERY_S = 0.1
_ALERTS_SHOWN = 10
_TOP_PERSONS = """
SELECT iin AS person, sum(amount_tiyn) AS paid_out_tiyn, count() AS payouts, uniqExact(organizer_bin) AS organizers
FROM ledger WHERE event_type = 'PAYOUT' GROUP BY iin ORDER BY paid_out_tiyn DESC, person LIMIT 10
"""
_SUMS = """
SELECT sumIf(amount_tiyn, event_type = 'WAGER') AS stakes, sumIf(amount_tiyn, event_type = 'PAYOUT') AS payouts,
       count() AS rows FROM ledger
"""


@dataclass(frozen=True)
class Check:
    """One thing that must agree, as seen on both sides."""

    what: str
    one: object
    other: object

    @property
    def agrees(self) -> bool:
        """Whether both sides are equal."""
        return self.one == self.other


def demo(
    file: Annotated[Path, typer.Option(help="CSV of real bets.")] = Path("examples/bustabit-a.csv"),
    register: Annotated[Path, typer.Option(help="Register of organizers (YAML).")] = Path("examples/register.yaml"),
) -> None:
    """Run the whole line on real bets: send, receive, total, alert, load, ask, and check the books.

    Example: [bold]esep demo[/]
    """
    for path in (file, register):
        if not path.exists():
            raise FileUnusable(f"{path} is not there", hint="call `esep demo` in the checkout, or name another file")
    with tempfile.TemporaryDirectory(prefix="esep-demo-") as folder:
        balanced = _run(file, register, Path(folder))
    raise typer.Exit(0 if balanced else 1)


def _run(file: Path, register: Path, folder: Path) -> bool:
    with Stack(folder, register) as stack:
        _say("1. Starting a Kafka broker, ClickHouse, intake, totals, alerts and the loader")
        bring_up(stack, {})
        settings = load_settings(stack.settings)
        bins = load_register(register).bins
        _say(f"2. Sending {file} as {len(bins)} organizers")
        with Observer(settings) as observer:
            summaries, handed_over = _send_all(file, bins, settings)
            _wait_queryable(settings, sum(summary.events_accepted for summary in summaries), stack)
            _wait_settled(settings, bins, stack)
        _say("3. What became of it")
        _print_summaries(summaries)
        _print_persons(settings)
        _print_alerts(settings)
        _print_speed(observer.delays(handed_over)["delay_ms"], handed_over)
        _say("4. Do the books balance?")
        report = reconcile(settings, bins)
        return _print_checks(file, summaries, settings, report)


def _say(what: str) -> None:
    out.print(f"\n[bold]{what}[/]", highlight=False)


def _send_all(file: Path, bins: tuple[str, ...], settings: Settings) -> tuple[list[Summary], pl.DataFrame]:
    """Send the file as each organizer in turn; return the summaries, and when each event was handed over."""
    summaries, journals = [], []
    mapping = load_mapping("bustabit")
    for organizer_bin in bins:
        with (
            EventSender(organizer_bin, settings.bootstrap_servers, journal=True) as client,
            ReceiptReader(organizer_bin, settings.bootstrap_servers) as receipts,
        ):
            summaries.append(send_file(file, mapping, client, receipts=receipts))
            journals.append(client.handed_over().with_columns(organizer_bin=pl.lit(organizer_bin)))
    return summaries, pl.concat(journals)


def _wait_queryable(settings: Settings, accepted: int, stack: Stack) -> None:
    """Return once ClickHouse holds every accepted event."""
    client = connect(settings)
    rows = 0

    def are_all_there() -> bool:
        nonlocal rows
        rows = client.query("SELECT count() FROM ledger").result_rows[0][0]
        return bool(rows >= accepted)

    _wait(are_all_there, stack, lambda: f"{rows:,} of {accepted:,} accepted events can be asked for")
    client.close()


def _wait_settled(settings: Settings, bins: tuple[str, ...], stack: Stack) -> None:
    """Return once the alerts for all of them are raised, and all that was written is in ClickHouse."""
    servers = settings.bootstrap_servers
    _wait(lambda: is_through(servers, ALERTS_STAGE, [LEDGER]), stack, lambda: "not all alerts are raised")
    to_load = topics_to_load(settings, bins)
    _wait(lambda: is_through(servers, LOADER, to_load), stack, lambda: "not all is loaded")


def _wait(holds: Callable[[], bool], stack: Stack, state: Callable[[], str]) -> None:
    """Return once something holds; PartUnready says the state in which it stayed."""
    deadline = time.monotonic() + _QUERYABLE_S_MAX
    while not holds():
        if time.monotonic() > deadline:
            raise PartUnready(
                f"after {_QUERYABLE_S_MAX:.0f} s {state()}",
                detail="; ".join(f"{name}: {app.process.log_tail(3)}" for name, app in stack.apps.items()),
            )
        stack.tend()
        time.sleep(_LOOK_EVERY_S)


def _print_summaries(summaries: list[Summary]) -> None:
    rows = [
        (s.organizer_bin, s.events_sent, s.events_accepted, s.events_rejected, s.events_duplicate) for s in summaries
    ]
    print_table("Events by organizer", ("organizer", "sent", "accepted", "rejected", "duplicate"), rows)


def _print_persons(settings: Settings) -> None:
    client = connect(settings)
    rows = [
        (iin, tenge_text(paid), payouts, organizers)
        for iin, paid, payouts, organizers in client.query(_TOP_PERSONS).result_rows
    ]
    client.close()
    columns = ("person (synthetic IIN)", "paid out, tenge", "payouts", "organizers")
    print_table("The ten persons who were paid most", columns, rows)


def _print_alerts(settings: Settings) -> None:
    alerts = list(read_alerts(settings.bootstrap_servers, follow=False))
    counts: dict[str, set[str]] = {}
    for alert in alerts:
        counts.setdefault(alert["rule_id"], set()).add(alert["alert_id"])
    print_table("Alerts raised", ("rule", "alerts"), [(rule, len(ids)) for rule, ids in sorted(counts.items())])
    for alert in sorted(alerts, key=lambda each: each["occurred_at"])[-_ALERTS_SHOWN:]:
        out.print(f"  {alert_line(alert)}", highlight=False, markup=False, soft_wrap=True)


def _print_speed(delays_ms: pl.Series, handed_over: pl.DataFrame) -> None:
    first, last = handed_over["handed_at"].cast(pl.Int64).min(), handed_over["handed_at"].cast(pl.Int64).max()
    span_s = (int(last) - int(first)) / 1e9  # type: ignore[arg-type]
    rows = [
        ("events per second, first sent to last sent, four files in turn", f"{delays_ms.len() / span_s:,.0f}"),
        ("sent → queryable, p50", f"{delays_ms.quantile(0.5):,.0f} ms"),
        ("sent → queryable, p99", f"{delays_ms.quantile(0.99):,.0f} ms"),
    ]
    print_table("Speed", ("what", "measured"), rows)


def _print_checks(file: Path, summaries: list[Summary], settings: Settings, report: Report) -> bool:
    stakes, payouts = _file_sums(file)
    client = connect(settings)
    in_ledger = client.query(_SUMS).result_rows[0]
    client.close()
    checks = [
        Check(
            "events sent = accepted", sum(s.events_sent for s in summaries), sum(s.events_accepted for s in summaries)
        ),
        Check("accepted = rows in ClickHouse", sum(s.events_accepted for s in summaries), int(in_ledger[2])),
        Check("Σ stakes, tiyn: file = ClickHouse", stakes, int(in_ledger[0])),
        Check("Σ payouts, tiyn: file = ClickHouse", payouts, int(in_ledger[1])),
        Check("reconcile: Kafka = ClickHouse, by row numbers", report.balanced, True),
    ]
    rows = [(check.what, check.one, check.other, "yes" if check.agrees else "NO") for check in checks]
    print_table("Checks", ("what", "one side", "other side", "agree"), rows)
    out.print(report, highlight=False, soft_wrap=True)
    balanced = all(check.agrees for check in checks)
    out.print("[bold green]The books balance.[/]" if balanced else "[bold red]The books do not balance.[/]")
    return balanced


def _file_sums(file: Path) -> tuple[int, int]:
    """Return Σ stakes and Σ payouts of the file in tiyn, by the csv module and Decimal alone."""
    stakes = payouts = Decimal(0)
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            stakes += Decimal(row["Bet"])
            if row["CashedOut"] != "NA":
                payouts += Decimal(row["Bet"]) + Decimal(row["Profit"])
    return int(stakes * 100), int(payouts * 100)
