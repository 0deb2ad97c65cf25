"""`esep rules settle`: the nightly run that settles in SQL what the stream cannot.

Reads     ClickHouse; how far the stage alerts and the loader are; `compliance.settlements`; the file of rules in force
          for what is settled; where a rule about organizers is LIVE, the topic `reference`
Writes    `compliance.alerts` and `compliance.settlements`, in one transaction; what it wrote, on stdout
Promises  may be killed at any time and done again: nothing is said twice; a second run right after the first says
          nothing; touches no bucket that the stage may still decide on; names no person (DESIGN §7; decision 0035)
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from esep.cli.activate import known_files
from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.history import history_of
from esep.cli.output import out, print_json, print_table
from esep.committed import committed
from esep.errors import PartUnready
from esep.identifiers import PersonKeys
from esep.lineage import TopicPartition
from esep.reference import ORGANIZER, organizer_in
from esep.reference_topic import ReferenceReader
from esep.security import client_security
from esep.settlement_topic import SettlementWriter
from esep.settlements import Settlement
from esep.sinks.clickhouse.alerts.settling import clock_of, settled_news
from esep.sinks.clickhouse.alerts.silences import Register, silence_news
from esep.status import lags_of
from esep.stream_apps.alerts.nightly import Nightly
from esep.topics import ALERTS, ALERTS_STAGE, LEDGER, LOADER, SETTLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from esep.rules import SilenceRule
    from esep.settings import Settings
    from esep.settlements import Written
    from esep.settling import News
    from esep.sinks.clickhouse.alerts.settling import Clock

_LOOK_EVERY_S = 0.5


def settle(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Look at the whole ledger, as the first run does: after a change of rules.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the loader to be as far as the stage.")] = 120,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Settle what the stream cannot: corrections after 45 days, windows of more than 90, what never came. Once a night.

    Exit code 0: all is settled. 75: a part did not answer, or is behind; do it again. 76: another run began meanwhile.

    Example: [bold]esep rules settle --json[/]
    """
    settings = settings_of(data_dir, SETTLE)
    files = known_files(settings, SETTLE).files
    writer = SettlementWriter(settings.bootstrap_servers, client_security(settings))
    if not dry_run:
        writer.open()
    last = writer.last() or Settlement()
    read_to = _read_to(settings)
    _wait_for_the_loader(settings, read_to, wait)

    with history_of(settings) as history:
        clock = clock_of(history.run, read_to)
    if clock is None or clock.first_ms < last.until_ms:
        _print(last, {}, as_json=as_json, dry_run=dry_run)
        return
    rules = files.at(clock.first_ms).rules
    news = settled_news(partial(history_of, settings), rules, clock, None if everything else last.until_ms or None)
    news += _news_of_organizers(settings, [rule for rule in rules.silences if rule.raised], clock)
    keys = PersonKeys(settings.secret("routing_key_file"))
    nightly = Nightly(news, keys, settings.ledger_partitions, last.rows)
    settlement = last.followed(clock.first_ms, nightly.rows, nightly.written)
    if not dry_run and (news or clock.first_ms > last.until_ms):
        writer.write(settlement, lambda offset: nightly.messages(offset, settlement, rules.withdrawn))
    _print(settlement, nightly.written, as_json=as_json, dry_run=dry_run)


def _news_of_organizers(settings: Settings, rules: Sequence[SilenceRule], clock: Clock) -> list[News]:
    """Return what is to be said of organizers, by the register as it was published last."""
    if not rules:
        return []
    reader = ReferenceReader(settings.bootstrap_servers, client_security(settings), SETTLE)
    try:
        reader.catch_up()
    finally:
        reader.close()
    organizers = [organizer_in(one.fact) for one in reader.reference.latest(ORGANIZER)]
    with history_of(settings) as history:
        return silence_news(history.run, rules, clock, Register(organizers, reader.reference.version))


def _read_to(settings: Settings) -> dict[int, int]:
    """Return up to which offset the stage has read each partition of the ledger that holds anything."""
    lags = lags_of(settings.bootstrap_servers, ALERTS_STAGE, [LEDGER], client_security(settings))
    for lag in lags:
        if lag.end and not lag.committed:
            raise PartUnready(f"the stage {ALERTS_STAGE} has read nothing of {LEDGER}/{lag.partition} yet")
    return {lag.partition: lag.committed for lag in lags if lag.committed}


def _wait_for_the_loader(settings: Settings, read_to: Mapping[int, int], wait_s: float) -> None:
    """Return once ClickHouse holds what the stage has read and said; PartUnready if that takes too long."""
    security, give_up_at = client_security(settings), time.monotonic() + wait_s
    ends = lags_of(settings.bootstrap_servers, LOADER, [ALERTS], security)
    goals = {TopicPartition(ALERTS, one.partition): one.end for one in ends}
    goals |= {TopicPartition(LEDGER, partition): end for partition, end in read_to.items()}
    while True:
        lags = lags_of(settings.bootstrap_servers, LOADER, [ALERTS, LEDGER], security)
        places = [(TopicPartition(lag.topic, lag.partition), lag.committed) for lag in lags]
        behind = [place for place, done in places if _is_more(settings, place, done, goals.get(place, 0))]
        if not behind:
            return
        if time.monotonic() > give_up_at:
            raise PartUnready(
                f"the loader is behind on {behind[0]}", detail=f"{wait_s:.0f} s were waited", hint="see `esep status`"
            )
        time.sleep(_LOOK_EVERY_S)


def _is_more(settings: Settings, place: TopicPartition, first: int, end: int) -> bool:
    """Return whether there is any committed record between two offsets: a marker of a transaction is none."""
    if first >= end:
        return False
    found = committed(
        settings.bootstrap_servers, place, first, end, name=SETTLE, security=client_security(settings), chunk=1
    )
    return next(found, None) is not None


def _print(settlement: Settlement, written: Written, *, as_json: bool, dry_run: bool) -> None:
    until = datetime.fromtimestamp(settlement.until_ms / 1000, UTC).isoformat(timespec="milliseconds")
    rows = [(rule_id, version, status, count) for (rule_id, version, status), count in sorted(written.items())]
    columns = ("rule", "version", "status", "alerts")
    if as_json:
        told = [dict(zip(columns, row, strict=True)) for row in rows]
        print_json({"number": settlement.number, "settled_until": until, "dry_run": dry_run, "alerts": told})
        return
    print_table("would be written" if dry_run else "written", columns, rows)
    out.print(f"settled up to {until}", highlight=False)
