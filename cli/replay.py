"""`esep replay`: is what the line has written what follows from what it has read?

Reads     the topics of the line, committed records only, the published reference data and all files of rules that were
          ever in force; the routing key; the ledger in ClickHouse, where Kafka has deleted the beginning of `accepted`
Writes    the comparison, per input partition, and the first records that differ; progress on stderr; nothing else
Promises  exit code 0 only if all that was asked for was worked out anew and is the same, byte for byte; needs the
          rights of the operator, who writes nothing, and may run beside a line at work (clauses O9-4.5, O9-4.6; DESIGN
          §5; decision 0024)
"""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from esep.cli.activate import known_files
from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.output import err, out, print_json, print_table
from esep.cli.reference import published
from esep.cli.totals import cells_of_sums, told_cell
from esep.errors import SettingInvalid
from esep.identifiers import PersonKeys
from esep.lineage import Position, TopicPartition
from esep.security import client_security
from esep.settings import Settings
from esep.sinks.clickhouse.booked import booked, row_before
from esep.sinks.clickhouse.client import connect
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.intake.receipts import Unsigned
from esep.stream_apps.intake.stage import IntakeStage
from esep.stream_apps.replay.hops import ALERTS_HOP, INSTRUMENTS_HOP, TOTALS_HOP, hops_of, replay_hop
from esep.stream_apps.replay.intake import Sizes, replay_intake
from esep.stream_apps.replay.log import KafkaLog
from esep.stream_apps.replay.report import Replayed
from esep.stream_apps.stage import PartitionState
from esep.stream_apps.totals.remembered import cells_in
from esep.topics import ALERTS_STAGE, INTAKE, LEDGER, LOADER, TOTALS

if TYPE_CHECKING:
    from esep.stream_apps.replay.log import Log

PROGRESS_S = 5.0
_CELLS_SHOWN = 20


class Which(StrEnum):
    """What is replayed: a stage of the line."""

    INTAKE = INTAKE
    TOTALS = TOTALS
    ALERTS = ALERTS_STAGE


def replay(
    stages: Annotated[
        list[Which] | None, typer.Option("--stage", help="Replay this stage; may be repeated. By default all three.")
    ] = None,
    organizers: Annotated[
        list[str] | None,
        typer.Option(
            "--organizer", metavar="BIN", help="Take in the messages of this organizer; may be repeated. Intake only."
        ),
    ] = None,
    until: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOPIC/PARTITION=OFFSET",
            help="End before this offset of an input, e.g. accepted/0=5000; may be repeated. By default at what the "
            "stage has processed when the replay begins.",
        ),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Work out anew what the line has written, from what it has read, and compare, byte for byte.

    Nothing is written, and the line may work on. From each organizer's messages: verdicts, postings, receipts and each
    person's final totals; from [bold]accepted[/]: the ledger; from the ledger: the alerts.

    Example: [bold]esep replay[/]
    Example: [bold]esep replay --stage totals --until accepted/0=5000 --json[/]
    Example: [bold]esep replay --organizer 940140000385[/]
    """
    chosen = list(dict.fromkeys(stages or ([Which.INTAKE] if organizers else list(Which))))
    if organizers and Which.INTAKE not in chosen:
        raise SettingInvalid("--organizer is of no use here", hint="only the stage intake is replayed by organizer")
    ends = dict(map(_end_of, until or ()))
    settings = settings_of(data_dir)
    log = KafkaLog(settings.bootstrap_servers, LOADER, client_security(settings))
    replayed = [_REPLAYS[which](settings, log, ends, organizers or []) for which in Which if which in chosen]
    inputs = {one.source for stage in replayed for one in stage.inputs}
    if unused := sorted(map(str, ends.keys() - inputs)):
        raise SettingInvalid(f"--until {unused[0]} names no input that was replayed", hint="see docs/topics.md")
    is_equal = all(one.equal for one in replayed)
    if as_json:
        print_json({"equal": is_equal, "stages": [_document(one) for one in replayed]})
    else:
        for one in replayed:
            _print(one)
        verdict = "All is the same, byte for byte." if is_equal else "Not all is the same."
        out.print(verdict, highlight=False)
    raise typer.Exit(0 if is_equal else 1)


def _intake(settings: Settings, log: Log, ends: dict[TopicPartition, int], organizers: list[str]) -> Replayed:
    reference = published(settings)
    bins = list(dict.fromkeys(organizers)) or list(reference.bins)
    if unknown := [bin_ for bin_ in bins if bin_ not in reference.bins]:
        raise SettingInvalid(f"no organizer {unknown[0]} was published", hint="`esep reference show` names them")
    stage = IntakeStage(
        reference,
        PersonKeys(settings.secret("routing_key_file")),
        Unsigned(),
        events_partitions=settings.events_partitions,
        ledger_partitions=settings.ledger_partitions,
    )
    sizes = Sizes(settings.events_partitions, settings.ledger_partitions)
    return replay_intake(log, stage, bins, sizes, until=ends, tell=_Progress(INTAKE))


def _totals(settings: Settings, log: Log, ends: dict[TopicPartition, int], _: list[str]) -> Replayed:
    def start(source: TopicPartition, offset: int) -> PartitionState[Any] | None:
        return state_from_store(settings, source.partition, offset)

    partitions = range(settings.ledger_partitions)
    return replay_hop(log, TOTALS_HOP, partitions, until=ends, tell=_Progress(TOTALS), start=start)


def _alerts(settings: Settings, log: Log, ends: dict[TopicPartition, int], _: list[str]) -> Replayed:
    partitions = range(settings.ledger_partitions)
    stage = AlertsStage(known_files(settings, ALERTS_STAGE).files, partitions=settings.ledger_partitions)
    replayed = Replayed(ALERTS_STAGE)
    for hop in hops_of((ALERTS_HOP, INSTRUMENTS_HOP), stage):
        own = hop._replace(stage=lambda: stage)
        replay_hop(log, own, partitions, until=ends, tell=_Progress(ALERTS_STAGE), replayed=replayed)
    return replayed


_REPLAYS = {Which.INTAKE: _intake, Which.TOTALS: _totals, Which.ALERTS: _alerts}


def state_from_store(settings: Settings, partition: int, offset: int) -> PartitionState[Any] | None:
    """Return the state of totals before an offset of `accepted`, by the ledger in ClickHouse.

    None unless ClickHouse has each posting of before, once.
    """
    keys = PersonKeys(settings.secret("routing_key_file"))
    with connect(settings) as client:
        row = row_before(client, partition, offset)
        if row is None:
            return None
        cells = cells_in(cells_of_sums(booked(client, partition, row), keys))
    return PartitionState(Position(offset, {TopicPartition(LEDGER, partition): row}), cells)


def _end_of(text: str) -> tuple[TopicPartition, int]:
    """Return what an option --until says.

    >>> _end_of("accepted/3=17")
    (TopicPartition(topic='accepted', partition=3), 17)
    """
    place, _, offset = text.partition("=")
    topic, _, partition = place.rpartition("/")
    if not (topic and partition.isdecimal() and offset.isdecimal()):
        raise SettingInvalid("--until is to say TOPIC/PARTITION=OFFSET", hint="such as accepted/0=5000")
    return TopicPartition(topic, int(partition)), int(offset)


class _Progress:
    """Says on stderr, every few seconds, how far a replay is."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._said_s = time.monotonic()

    def __call__(self, what: str, place: TopicPartition, offset: int, end: int) -> None:
        if time.monotonic() - self._said_s >= PROGRESS_S:
            self._said_s = time.monotonic()
            err.print(f"{self._stage}: {what} {place} to offset {offset:,} of {end:,}", highlight=False)


def _document(replayed: Replayed) -> dict[str, Any]:
    return replayed.to_json() | {"sums": _sums(replayed)}


def _sums(replayed: Replayed) -> list[dict[str, Any]]:
    """Return the first sums of persons that differ; a person by key."""
    if replayed.differing_cells is None:
        return []
    rows = replayed.differing_cells.head(_CELLS_SHOWN).rows(named=True)
    return [one for row in rows for one in told_cell(row, ("replayed", "ledger"))]


def _print(replayed: Replayed) -> None:
    columns = ("input", "from offset", "to offset", "state at the start", "read", "compared", "not kept any more")
    rows = [
        (str(one.source), one.cut.first, one.cut.through, one.begun, one.read, one.compared, one.not_kept)
        for one in replayed.inputs
        if one.read or one.refused or one.cut.through
    ]
    print_table(f"{replayed.stage}, replayed", columns, rows)
    lines = [f"not replayed: {one.source}: {one.refused}" for one in replayed.inputs if one.refused]
    lines += [f"differs: {one}" for one in replayed.findings.differences]
    if replayed.findings.more:
        lines.append(f"differs: {replayed.findings.more:,} further records, or stretches of up to 2,048 of them")
    if replayed.cells is not None and replayed.differing_cells is not None:
        lines.append(f"final totals: {replayed.cells:,} on the ledger, {replayed.differing_cells.height:,} differ")
    for line in lines:
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    if sums := _sums(replayed):
        print_table("the first sums that differ", list(sums[0]), [list(one.values()) for one in sums])
