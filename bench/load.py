"""`python -m bench.load`: simulated load on the whole line, every verdict compared with the one that was intended.

Reads     ESEP_LOAD_EVENTS (if not set 1,000,000), ESEP_LOAD_FUZZ (200,000), ESEP_LOAD_ORGANIZERS (20),
          ESEP_LOAD_BAD (0.03)
Writes    a line below a directory of its own, gone at the end; what came out, on stdout
Promises  exit code 0 only if, per organizer and code, what was received is what was intended, by the receipts and by
          ClickHouse alike; if every damaged message is accounted for and no good one beside it was changed; if no
          process had to be started again; and if the books balance
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from esep.cli.operate import bring_up
from esep.cli.output import out, print_table
from esep.codec import decode
from esep.embedded.stack import Stack
from esep.errors import PartUnready
from esep.events import EVENT_RECORDS, unified
from esep.producers.receipt_reader import ReceiptReader
from esep.producers.simulate.comparison import REJECTS, Comparison, Found, compare, found_in_receipts, receipts_for
from esep.producers.simulate.fuzz import UNKNOWN, fuzzed
from esep.producers.simulate.generator import ACCEPTED, messages
from esep.producers.simulate.kinds import KINDS
from esep.producers.simulate.plan import Plan, last_midnight
from esep.producers.simulate.register import made_up_register, write_register
from esep.producers.simulate.sender import MessageSender, Pace
from esep.register import Register, load_register
from esep.settings import Settings, load_settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.reconcile import Report, reconcile

_SEED = 2026
_DUPLICATES = 0.01
_CORRECTIONS = 0.01
_WEIGHTS = dict.fromkeys(KINDS, 1.0) | {"PAYMENT_ID_EMPTY": 50.0}  # Deposits are few.
_FUZZ_SHARE = 0.5  # One damaged message behind every other good one.
_LOADED_S_MAX = 600.0
_LOOK_S = 0.5
_AT = ["topic", "partition", "offset"]
_REJECTED = """
SELECT cause_topic AS topic, cause_partition AS partition, cause_offset AS offset, reject_code AS code FROM rejected
"""
_VALUES = ["event_type", "site_id", "iin", "wager_id", "occurred_ms", "amount_tiyn", "payment_method", "won_tiyn"]
_LEDGER = f"""
SELECT origin_topic AS topic, origin_partition AS partition, origin_offset AS offset,
       toUnixTimestamp64Milli(occurred_at) AS occurred_ms, {", ".join(set(_VALUES) - {"occurred_ms"})} FROM ledger
"""
_MESSAGES_IN = {"rejected": "count()", "ledger": "uniqExact(origin_topic, origin_partition, origin_offset)"}


@dataclass
class Loaded:
    """A line that is up with made-up organizers."""

    stack: Stack
    settings: Settings
    register: Register

    expected: dict[str, int] = field(default_factory=lambda: {"rejected": 0, "ledger": 0})

    def rows(self, sql: str) -> pl.DataFrame:
        """Return the answer of ClickHouse."""
        client = connect(self.settings)
        try:
            answer = client.query(sql)
            return pl.DataFrame(dict(zip(answer.column_names, answer.result_columns, strict=True)), strict=False)
        finally:
            client.close()

    def wait_loaded(self, found: Found) -> None:
        """Return once ClickHouse holds what was found, beside what it held before; PartUnready after _LOADED_S_MAX."""
        self.expected["rejected"] += found.rejects.height
        self.expected["ledger"] += sum(found.accepted.values())
        deadline = time.monotonic() + _LOADED_S_MAX
        for table, messages_ in self.expected.items():
            while (held := self.rows(f"SELECT {_MESSAGES_IN[table]} AS messages FROM {table}").item()) < messages_:
                if time.monotonic() > deadline:
                    raise PartUnready(f"{table} holds {held:,} messages of {messages_:,}")
                self.stack.tend()
                time.sleep(_LOOK_S)

    def ended(self) -> list[str]:
        """Return the apps that ended, if only for a moment."""
        return [name for name, app in self.stack.apps.items() if app.ended_at or not app.process.is_running()]

    def books(self) -> Report:
        """Return whether Kafka and ClickHouse hold the same records."""
        return reconcile(self.settings, self.register.bins)


@contextmanager
def loaded(data_dir: Path, organizers: int) -> Iterator[Loaded]:
    """Bring a line up with made-up organizers; end it with the context."""
    register = data_dir / "made-up.yaml"
    write_register(made_up_register(organizers, _SEED, last_midnight(datetime.now(UTC))), register)
    with Stack(data_dir, register) as stack:
        bring_up(stack, {})
        yield Loaded(stack, load_settings(stack.settings), load_register(register))


def plan_for(
    up: Loaded,
    events: int,
    bad: float,
    *,
    seed: int = _SEED,
    duplicates: float = _DUPLICATES,
    corrections: float = _CORRECTIONS,
) -> Plan:
    """Return a plan for the organizers of a line."""
    until = last_midnight(datetime.now(UTC))
    partitions = up.settings.events_partitions
    return Plan(
        up.register,
        events,
        seed,
        until,
        bad=bad,
        duplicates=duplicates,
        corrections=corrections,
        weights=_WEIGHTS,
        partitions=partitions,
    )


def simulate_and_compare(up: Loaded, plan: Plan) -> tuple[Comparison, Comparison]:
    """Send what a plan holds; return the comparison by receipts and the one by ClickHouse.

    Repetitions leave no row: their number is that of the receipts in both.
    """
    sent, found = _send(up, messages(plan), plan.register)
    up.wait_loaded(found)
    ledger = up.rows(_LEDGER).select(_AT).unique().cast({"partition": pl.Int32})  # A correction posts up to two rows.
    accepted = ledger.join(sent.select("organizer_bin", *_AT), on=_AT).group_by("organizer_bin").len()
    rejects = up.rows(_REJECTED).cast(dict(REJECTS)).join(sent, on=_AT, how="semi")
    in_tables = Found(dict(accepted.iter_rows()), found.duplicate, rejects)
    return compare(sent, found), compare(sent, in_tables)


def fuzz_and_account(up: Loaded, plan: Plan, share: float = _FUZZ_SHARE) -> dict[str, int]:
    """Send good messages and damaged ones; return how many were damaged, and counts that must be zero.

    unaccounted: messages of which no receipt says anything. good_refused, good_changed: good ones that were refused, or
    that the ledger does not hold once, as they were sent. ended: apps that ended. unbalanced: 1 where Kafka and
    ClickHouse differ.
    """
    made = pl.concat(fuzzed(plan, share))
    sent, found = _send(up, iter([made]), plan.register)
    told = sum(found.accepted.values()) + sum(found.duplicate.values()) + found.rejects.height
    up.wait_loaded(found)
    good = sent.with_columns(made["value"]).filter(pl.col("verdict") == ACCEPTED)
    return {
        "damaged": sent.filter(pl.col("verdict") == UNKNOWN).height,
        "unaccounted": abs(sent.height - told),
        "good_refused": good.join(found.rejects, on=_AT, how="semi").height,
        "good_changed": _changed(good, up.rows(_LEDGER)),
        "ended": len(up.ended()),
        "unbalanced": int(not up.books().balanced),
    }


def _send(up: Loaded, frames: Iterator[pl.DataFrame], register: Register) -> tuple[pl.DataFrame, Found]:
    """Send messages as fast as it goes; return what was sent, and what the receipts say of it."""
    servers = up.settings.bootstrap_servers
    with ExitStack() as open_until_done:
        readers = [open_until_done.enter_context(ReceiptReader(bin_, servers)) for bin_ in register.bins]
        for reader in readers:
            reader.start()
        sent = MessageSender(servers).send(frames, Pace(None), lambda _: up.stack.tend())
        return sent, found_in_receipts(receipts_for(sent, readers))


def _changed(good: pl.DataFrame, ledger: pl.DataFrame) -> int:
    """Return how many good messages the ledger does not hold exactly once with the values that were sent."""
    events = unified(decode(good["value"].to_list(), EVENT_RECORDS).frames)
    at_ms = pl.col("occurred_at").dt.epoch("ms").alias("occurred_ms")
    said = events.select("index", at_ms, *(name for name in _VALUES if name != "occurred_ms"))
    sent = good.select(_AT).with_row_index("index").join(said, on="index").select(*_AT, *_VALUES)
    held = (
        ledger.cast({"partition": pl.Int32, "won_tiyn": pl.Int64}).join(good, on=_AT, how="semi").select(*_AT, *_VALUES)
    )
    same = sent.join(held, on=[*_AT, *_VALUES], how="inner", nulls_equal=True)
    return (good.height - same.height) + (held.height - same.height)


def main() -> int:
    """Run the load and the fuzz; return the exit code."""
    events, fuzz, organizers = (
        int(os.environ.get(f"ESEP_LOAD_{name}", default))
        for name, default in (("EVENTS", 1_000_000), ("FUZZ", 200_000), ("ORGANIZERS", 20))
    )
    bad = float(os.environ.get("ESEP_LOAD_BAD", "0.03"))
    with tempfile.TemporaryDirectory(prefix="esep-load-") as folder, loaded(Path(folder), organizers) as up:
        started_s = time.monotonic()
        by_receipts, by_tables = simulate_and_compare(up, plan_for(up, events, bad))
        took_s = time.monotonic() - started_s
        _report(by_receipts, events, organizers, took_s)
        plan = plan_for(up, round(fuzz / _FUZZ_SHARE), 0.0, seed=_SEED + 1, duplicates=0.0, corrections=0.0)
        counts = fuzz_and_account(up, plan)
        print_table("damaged messages among good ones", list(counts), [list(counts.values())])
    right = by_receipts.exact and by_tables.exact and not any(n for name, n in counts.items() if name != "damaged")
    out.print("everything as intended" if right else "NOT everything as intended", highlight=False)
    return 0 if right else 1


def _report(comparison: Comparison, events: int, organizers: int, took_s: float) -> None:
    by_code = comparison.table.group_by("code").agg(pl.col("intended", "found").sum()).sort("code")
    title = f"{events:,} messages of {organizers} organizers, sent, received and in ClickHouse after {took_s:.0f} s"
    print_table(title, by_code.columns, by_code.iter_rows())
    per_organizer = comparison.table.group_by("organizer_bin").agg(pl.col("intended", "found").sum())
    print_table("per organizer", per_organizer.columns, per_organizer.sort("organizer_bin").iter_rows())
    out.print(f"messages that came out otherwise: {comparison.wrong.height}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
