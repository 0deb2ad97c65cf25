"""A stage as small as a stage can be, and the process that runs it: counts records per key.

Reads     any topic
Writes    per record one output: its row, its cause's offset, the count of its key so far; the counts to a changelog
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from esep.lineage import TopicPartition
from esep.stream_apps.batches import Limits
from esep.stream_apps.stage import Batch, PartitionState, Result, Write
from esep.stream_apps.worker import run_worker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Counts = dict[bytes, int]


class CountStage:
    """Counts per key; an output is `row offset count`, written to the partition of the same number.

    work_s: how long a poll takes, so that a test can stop the process in the middle of one. shares_changelogs: all
    input partitions have one changelog partition.
    """

    def __init__(self, name: str, work_s: float = 0.0, *, shares_changelogs: bool = False) -> None:
        self.name = name
        self.shares_changelogs = shares_changelogs
        self.work_s = work_s
        self.inputs: list[str] = [f"{name}.in"]

    def changelog_of(self, source: TopicPartition) -> TopicPartition:
        number = 0 if self.shares_changelogs else source.partition
        return TopicPartition(source.topic.removesuffix(".in") + ".changelog", number)

    def empty(self, source: TopicPartition) -> Counts:
        return {}

    def restore(self, data: Counts, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        data.update((key, int(value)) for key, value in zip(keys, values, strict=True) if value is not None)

    def process(self, batches: Sequence[Batch], states: Mapping[TopicPartition, PartitionState[Counts]]) -> Result:
        time.sleep(self.work_s)
        outputs, changelog, positions, changes = [], {}, {}, {}
        for batch in batches:
            state = states[batch.source]
            output = TopicPartition(batch.source.topic.removesuffix(".in") + ".out", batch.source.partition)
            row = state.position.rows.get(output, 0)
            changed: Counts = {}
            values: list[bytes | None] = []
            for number, (offset, key) in enumerate(zip(batch.offsets, batch.keys, strict=True), row + 1):
                assert key is not None
                count = changed.get(key, state.data.get(key, 0)) + 1
                changed[key] = count
                values.append(b"%d %d %d" % (number, offset, count))
            outputs.append(Write(output, batch.keys, values))
            changelog[batch.source] = (list(changed), [b"%d" % count for count in changed.values()])
            positions[batch.source] = state.position.advanced(batch.next_offset, {output: len(batch)})
            changes[batch.source] = changed
        return Result(outputs, changelog, positions, changes)

    def settle(self, states: Mapping[TopicPartition, PartitionState[Counts]], changes: object) -> None:
        assert isinstance(changes, dict)
        for source, changed in changes.items():
            states[source].data.update(changed)


class MoreInputs:
    """A side input: once a file is there, its lines are further topics to read; `caught_up` is noted beside it."""

    def __init__(self, stage: CountStage, path: Path) -> None:
        self.stage = stage
        self.path = path

    def catch_up(self, received_ms: int) -> None:
        self.path.with_suffix(".caught_up").write_text(str(received_ms))
        self.look()

    def look(self) -> None:
        more = self.path.read_text().split() if self.path.exists() else []
        self.stage.inputs += [topic for topic in more if topic not in self.stage.inputs]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--group")
    parser.add_argument("--work-s", type=float, default=0.0)
    parser.add_argument("--shares-changelogs", action="store_true")
    parser.add_argument("--ordinal", type=int, required=True)
    parser.add_argument("--status", type=Path, required=True)
    parser.add_argument("--session-timeout-ms", type=int, default=6_000)
    parser.add_argument("--more", type=Path)
    parser.add_argument("--inputs", choices=["one", "none"], default="one")
    parser.add_argument("--records-max", type=int, default=Limits().records_max)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    stage = CountStage(options.stage, options.work_s, shares_changelogs=options.shares_changelogs)
    if options.inputs == "none":
        stage.inputs.clear()
    return run_worker(
        stage,
        bootstrap_servers=options.bootstrap_servers,
        group=options.group or options.stage,
        ordinal=options.ordinal,
        limits=Limits(records_max=options.records_max, session_timeout_ms=options.session_timeout_ms),
        status_path=options.status,
        side_input=MoreInputs(stage, options.more) if options.more else None,
    )


if __name__ == "__main__":
    sys.exit(main())
