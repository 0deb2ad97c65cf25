"""States in changelogs that each organizer had for itself, taken over into the one that all share (decision 0047).

Reads     `intake.<BIN>.changelog` of each organizer that still has one, and the offsets that intake has committed
Writes    `intake.changelog`, as the place intake-0; takes the former topics away
Promises  nothing is done while a worker of intake is there; a state goes over whole, in one transaction, and only as
          the one that its last committed transaction left; a former topic goes only once all states were read back
          from where they are now. Safe to repeat, wherever it broke off (DESIGN §5 "Hand-over"; box: intake)
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, OffsetSpec

from esep.admin import no_broker
from esep.committed import committed
from esep.errors import BrokerUnavailable, InvariantBroken, UsageError
from esep.group_members import members_of
from esep.lineage import POSITION_KEY, Position, TopicPartition, shared_key, source_and_key
from esep.outsider import outsider
from esep.security import client_security
from esep.stream_apps.handover import committed_offsets, offsets_at, restore
from esep.stream_apps.transaction import RECORD_BYTES_MAX
from esep.topics import (
    FORMER_INTAKE_CHANGELOGS,
    INTAKE,
    INTAKE_CHANGELOG,
    events_topic,
    former_intake_changelog,
    intake_changelog,
    organizer_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from esep.settings import Settings
    from esep.stream_apps.stage import PartitionState

LEFT_S_MAX = 30.0  # A worker that was stopped is a member until its session is over.
TRANSACTION_MS_MAX = 600_000  # For one state; intake itself is not there and waits for nothing.
CALL_S_MAX = 60.0
_LOOK_S = 0.5
_PLACE = f"{INTAKE}-0"

Records = dict[bytes, bytes]
States = dict[TopicPartition, "PartitionState[Records]"]


class AsRecords:
    """Implements `esep.stream_apps.stage.Memory`: a state is the records that say it, by their keys."""

    name = INTAKE

    def __init__(self, *, shares_changelogs: bool) -> None:
        self.shares_changelogs = shares_changelogs

    def changelog_of(self, source: TopicPartition) -> TopicPartition:
        """Return where the state is, or was before changelogs were shared."""
        organizer_bin = organizer_of(source.topic)
        if self.shares_changelogs:
            return TopicPartition(INTAKE_CHANGELOG, intake_changelog(organizer_bin, source.partition))
        return TopicPartition(former_intake_changelog(organizer_bin), source.partition)

    def empty(self, source: TopicPartition) -> Records:  # noqa: ARG002 - every partition begins alike
        """Return no records."""
        return {}

    def restore(self, data: Records, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Put the next records, and take out what they take out."""
        for key, value in zip(keys, values, strict=True):
            if value is None:
                data.pop(key, None)
            else:
                data[key] = value


FORMER, SHARED = AsRecords(shares_changelogs=False), AsRecords(shares_changelogs=True)


def take_over(settings: Settings) -> list[TopicPartition]:
    """Take all states over that are in former changelogs, and these away; return whose states they are.

    Raises UsageError where intake is at work, PositionMismatch where a former changelog is not what was committed.
    """
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers, **client_security(settings), "log_level": 0})
    former = _former(admin, settings)
    if not former:
        return []
    _await_rest(settings)
    sources = [
        TopicPartition(events_topic(organizer_of(topic)), partition)
        for topic in former
        for partition in range(settings.events_partitions)
    ]
    there = _there(admin, settings, sources)
    offsets = _offsets(settings, sources)
    left = [one for one in sources if (at := there[one].get(POSITION_KEY)) is None or _offset(at) != offsets[one]]
    states = {one: state for one, state in _restored(FORMER, left, settings).items() if offsets[one] is not None}
    _write(states, there, settings)
    now = _restored(SHARED, sources, settings)
    if any(now[source] != state for source, state in states.items()):
        raise InvariantBroken("a state of intake was not read back as it had been taken over")
    for deleted in admin.delete_topics(former).values():
        deleted.result()
    return list(states)


def _former(admin: AdminClient, settings: Settings) -> list[str]:
    try:
        topics = admin.list_topics(timeout=CALL_S_MAX).topics
    except ck.KafkaException as error:
        raise no_broker(settings.bootstrap_servers, error) from error
    return sorted(name for name in topics if re.match(FORMER_INTAKE_CHANGELOGS, name))


def _await_rest(settings: Settings) -> None:
    deadline = time.monotonic() + LEFT_S_MAX
    while members := members_of(settings, INTAKE):
        if time.monotonic() > deadline:
            raise UsageError(
                f"the group {INTAKE} has {members} members, and its state is to be taken over",
                hint="stop every worker of intake, then run `esep setup` again",
            )
        time.sleep(_LOOK_S)


def _offset(position: bytes) -> int:
    return Position.decode(position).next_offset


def _offsets(settings: Settings, sources: Sequence[TopicPartition]) -> Mapping[TopicPartition, int | None]:
    consumer = ck.Consumer(outsider(settings.bootstrap_servers, INTAKE, client_security(settings)))
    try:
        return committed_offsets(consumer, sources, lambda: True, time.monotonic() + CALL_S_MAX) or {}
    finally:
        consumer.close()


def _there(
    admin: AdminClient, settings: Settings, sources: Iterable[TopicPartition]
) -> dict[TopicPartition, dict[bytes, bytes | None]]:
    """Return what the shared changelog holds of these by now: nothing, unless this broke off before."""
    named = {str(source).encode(): source for source in sources}
    found: dict[TopicPartition, dict[bytes, bytes | None]] = {source: {} for source in named.values()}
    changelogs = sorted({SHARED.changelog_of(source) for source in named.values()})
    firsts, ends = (offsets_at(admin, changelogs, which) for which in (OffsetSpec.earliest(), OffsetSpec.latest()))
    for changelog in changelogs:
        for messages in committed(
            settings.bootstrap_servers,
            changelog,
            firsts[changelog],
            ends[changelog],
            name=INTAKE,
            security=client_security(settings),
        ):
            for message in messages:
                name, key = source_and_key(message.key())
                if (source := named.get(name)) is not None:
                    found[source][key] = message.value()
    return found


def _restored(memory: AsRecords, sources: Sequence[TopicPartition], settings: Settings) -> States:
    return (
        restore(
            memory,
            sources,
            {},
            bootstrap_servers=settings.bootstrap_servers,
            group=INTAKE,
            in_force=lambda: True,
            security=client_security(settings),
        )
        or {}
    )


def _write(states: States, there: Mapping[TopicPartition, Mapping[bytes, bytes | None]], settings: Settings) -> None:
    """Write each state in a transaction of its own, over what is there of it; the position record last."""
    producer = ck.Producer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            **client_security(settings),
            "compression.type": "lz4",
            "log_level": 0,
            "message.max.bytes": RECORD_BYTES_MAX,
            "queue.buffering.max.kbytes": 2_097_151,
            "queue.buffering.max.messages": 0,
            "transaction.timeout.ms": TRANSACTION_MS_MAX,
            "transactional.id": _PLACE,
        }
    )
    try:
        producer.init_transactions(CALL_S_MAX)
        for source, state in states.items():
            topic, partition = SHARED.changelog_of(source)
            records = dict.fromkeys(there[source].keys() - {POSITION_KEY}) | state.data
            producer.begin_transaction()
            for key, value in (*records.items(), (POSITION_KEY, state.position.encode())):
                producer.produce(topic, value, shared_key(source, key), partition)
            producer.commit_transaction(TRANSACTION_MS_MAX / 1000)
    except ck.KafkaException as failure:
        raise BrokerUnavailable(
            "the state of intake was not taken over", detail=failure.args[0].str(), hint="run `esep setup` again"
        ) from failure
