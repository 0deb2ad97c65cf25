"""What receipts cost intake: with few streams, with many, with each event on a stream of its own.

Reads     made-up wagers, as they would lie on one partition
Returns   `Measured` per number of streams; a table on stdout (`make bench-receipts`)
Promises  the stage that runs, without a broker, beside itself without receipts and without the mountains that only they
          need; a process of its own for each; all streams are known before the first event that counts
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil  # type: ignore[import-untyped]  # it ships no types
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.codec import Measured
from bench.events import made_up_iins, wagers
from esep.cli.output import print_table
from esep.clock import to_ms
from esep.codec import encode
from esep.identifiers import PersonKeys
from esep.lineage import Position, TopicPartition
from esep.mountains import Mountains
from esep.receipt_keys import certified, self_signed
from esep.reference import Load, Reference, load_reference
from esep.schemas import schema
from esep.stream_apps.intake import stage as intake
from esep.stream_apps.intake.receipts import ReceiptSigner
from esep.stream_apps.stage import Batch, PartitionState
from esep.topics import events_topic

STREAMS = (10, 1_000, 100_000)
_ORGANIZER, _SITE = "940140000385", "ALA-1"
_POLL = 20_000  # Events of one poll, as ESEP_POLL_RECORDS_MAX.
_POLLS = 3  # That count: 60,000 events.
_REGISTER = Path(__file__).resolve().parent.parent / "examples" / "register.yaml"


def main() -> None:
    """Print events per second of CPU time with receipts, beside the same without; takes some minutes."""
    rows = [
        (part, round(rate), round(without), f"{rate / without:.2f} x", note)
        for part, rate, _, without, note in measure_receipts(STREAMS)
    ]
    columns = ("part", "events/s", "without receipts", "ratio", "note")
    print_table("intake's own work on one core, without a broker", columns, rows)


def measure_receipts(numbers: Sequence[int]) -> list[Measured]:
    """Return events per second of CPU time with receipts, against the same without, for these numbers of streams."""
    found = []
    for streams in numbers:
        told, plain = (_in_process(streams, has_receipts=has_receipts) for has_receipts in (True, False))
        rate, without = (_POLL * _POLLS / one["cpu_s"] for one in (told, plain))
        note = (
            f"{1e6 / rate - 1e6 / without:.1f} µs of {1e6 / rate:.1f} per event; "
            f"{told['receipt_bytes'] / (_POLL * _POLLS):.0f} bytes of receipts per event, "
            f"{told['receipt_bytes'] / told['cpu_s'] / 1e6:.1f} MB/s; largest {told['largest_bytes'] / 1e6:.2f} MB; "
            f"{told['changelog_records'] / (_POLL * _POLLS):.2f} changelog records per event; {told['rss_mb']:.0f} MB"
        )
        found.append(Measured(f"intake with receipts, {streams:,} streams", rate, "without receipts", without, note))
    return found


def _in_process(streams: int, *, has_receipts: bool) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.receipts", str(streams), str(int(has_receipts))]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def _measure(streams: int) -> dict[str, Any]:
    """Return CPU seconds of the polls that count, and what was written in them."""
    now = wagers(1, _ORGANIZER, "desk-0", made_up_iins(1), _SITE)["occurred_at"][0]
    stage, source = intake_stage(_REGISTER, now), TopicPartition(events_topic(_ORGANIZER), 0)
    states = {source: PartitionState(Position(0), stage.empty(source))}
    warm = -(-streams // _POLL)
    batches = _batches(source, streams, warm + _POLLS)
    cpu_s, sizes, records = 0.0, list[int](), 0
    for number, batch in enumerate(batches):
        started = time.process_time()
        result = stage.process([batch], states)
        stage.settle(states, result.changes)
        states[source] = PartitionState(result.positions[source], states[source].data)
        if number >= warm:
            cpu_s += time.process_time() - started
            written = [write for write in result.outputs if write.target.topic.endswith(".receipts")]
            sizes += [len(value or b"") for write in written for value in write.values]
            records += sum(len(keys) for keys, _ in result.changelog.values())
    return {
        "cpu_s": cpu_s,
        "receipt_bytes": sum(sizes),
        "largest_bytes": max(sizes, default=0),
        "changelog_records": records,
        "rss_mb": psutil.Process().memory_info().rss / 1e6,
    }


def intake_stage(register_file: Path, now: datetime, events_partitions: int = 1) -> intake.IntakeStage:
    """Return the stage as it runs, with the organizers of a register and a key that is valid now."""
    reference = Reference()
    reference.publish(Load(1, 0), list(enumerate(load_reference(register_file).facts())))
    root_key = Ed25519PrivateKey.generate()
    key = certified(Ed25519PrivateKey.generate(), root_key, self_signed(root_key, now), now)
    signer = ReceiptSigner(key, lambda: to_ms(now))
    return intake.IntakeStage(
        reference, PersonKeys(b"bench"), signer, events_partitions=events_partitions, ledger_partitions=4
    )


def _batches(source: TopicPartition, streams: int, polls: int) -> list[Batch]:
    """Return polls whose events go around the streams."""
    events = wagers(_POLL * polls, _ORGANIZER, "desk-0", made_up_iins(5_000), _SITE)
    names = [f"desk-{number:06d}" for number in range(streams)]
    number = events["sequence"] - 1
    keyed = events.with_columns(
        stream_id=(number % streams).replace_strict(range(streams), names),
        sequence=number // streams + 1,
    )
    values, keys = encode(keyed, schema("wager")), [name.encode() for name in keyed["stream_id"]]
    received_ms = int(keyed["occurred_at"].dt.epoch("ms").max()) + 1_000  # type: ignore[arg-type]  # never empty
    return [
        Batch(
            source,
            list(range(start, start + _POLL)),
            [received_ms] * _POLL,
            list(keys[start : start + _POLL]),
            list(values[start : start + _POLL]),
        )
        for start in range(0, _POLL * polls, _POLL)
    ]


def _main(streams: int, *, has_receipts: bool) -> None:
    if has_receipts:
        found = _measure(streams)
    else:
        with patch.object(intake, "receipt_writes", lambda *_: []), patch.object(Mountains, "add", lambda *_: None):
            found = _measure(streams)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _main(int(sys.argv[1]), has_receipts=sys.argv[2] == "1")
    else:
        main()
