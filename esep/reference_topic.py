"""The topic `reference`: facts and restricted persons as they were published, load by load, read and written.

Reads     the topic, committed records only, under no consumer group
Writes    a load: its new facts, blocks of persons and its end, in one transaction
Promises  a load counts as a whole, by the broker's stamp on its last record; only one writer at a time; after
          `catch_up` all is known that may count for what was received by then (DESIGN §4 "Enrich"; decision 0015)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import confluent_kafka as ck
import polars as pl
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, OffsetSpec

from esep.admin import NO_LEADER_YET
from esep.codec import INDEX, decode, empty_frame, encode
from esep.errors import BrokerUnavailable, InvariantBroken, SettingInvalid
from esep.outsider import outsider
from esep.reference import REFERENCE_DELAY_MS, Difference, Fact, Load, Reference
from esep.restrictions import Entries, entries_in, records_of
from esep.schemas import schema
from esep.security import PLAIN
from esep.topics import INTAKE, REFERENCE

PERSONS, LOAD = "PERSONS", "LOAD"  # Kinds of records beside those of facts.
TRANSACTION_MS_MAX = 60_000  # Four million persons take some ten seconds.
CATCH_UP_S_MAX = 90.0  # Longer than the transaction of a load that died, for which readers wait.
CLOCKS_APART_MS_MAX = 30_000  # What two brokers' clocks may differ by; well below REFERENCE_DELAY_MS.
BLOCK_PERSONS = 10_000  # Of one record: about 350 kB.
_CONSUME_RECORDS = 4  # At a time, so that few blocks are in memory at once.
_CONSUME_S = 0.05
_FETCH_WAIT_MS = 250  # So long the end of the topic takes to be told; what is published comes at once.
_CALL_S_MAX = 30.0
_ASK_AGAIN_S = 0.05
_BELIEVED_S = 1.0  # A client that is refused and older than this is not asked again: it looks for leaders rarely.
_ABSENT_S_MAX = 5.0  # A broker hears of a new topic a moment after it was made.
_ASK_AGAIN = NO_LEADER_YET | {KafkaError._TIMED_OUT, KafkaError._TRANSPORT}
_FACT = schema("reference_fact")


class _Pending(NamedTuple):
    """What was read of a load whose end has not been read yet."""

    facts: list[tuple[int, Fact]]
    entries: Entries


class ReferenceReader:
    """Reads the topic from its beginning on and on; `reference` is what was read so far.

    name: a consumer group's that whoever reads may use.
    """

    def __init__(self, bootstrap_servers: str, security: Mapping[str, str] = PLAIN, name: str = INTAKE) -> None:
        self.reference = Reference()
        self._bootstrap_servers = bootstrap_servers
        self._security = security
        self._admin, self._admin_since = self._new_admin(), time.monotonic()
        self._consumer = ck.Consumer(
            {
                **outsider(bootstrap_servers, name, security),
                "enable.partition.eof": True,
                "fetch.wait.max.ms": _FETCH_WAIT_MS,
                "log_level": 0,
                "queued.max.messages.kbytes": 4096,
            }
        )
        self._pending = _Pending([], Entries())
        self._reached = -1  # The next offset to read; -1 before the first look.
        self._asked_ms = -REFERENCE_DELAY_MS

    def catch_up(self, received_ms: int = 0, seconds_max: float = CATCH_UP_S_MAX) -> None:
        """Return once all is read that may count for what was received by `received_ms` (ms UTC, has been received).

        Asks the broker for the end only if an answer of before does not suffice: what is published later than an
        answer counts only REFERENCE_DELAY_MS later. Waits for a load under way. Raises SettingInvalid if there is no
        such topic, BrokerUnavailable if the end is not reached in time.
        """
        if received_ms and received_ms < self._asked_ms + REFERENCE_DELAY_MS - CLOCKS_APART_MS_MAX:
            return
        deadline = time.monotonic() + seconds_max
        end = self._end(deadline)
        while self._reached < end:
            if time.monotonic() > deadline:
                raise BrokerUnavailable(
                    f"the topic {REFERENCE} could not be read to its end in {seconds_max:.0f} s",
                    detail=f"read to {self._reached} of {end}",
                    hint="is a load under way, or the broker busy? The process may be started again at once",
                )
            self._read(_CONSUME_S)
        self._asked_ms = max(self._asked_ms, received_ms)

    def look(self) -> None:
        """Take what has come, without a wait and without asking for the end."""
        self._read(0)

    def close(self) -> None:
        """End the consumer."""
        self._consumer.close()

    def _end(self, deadline: float) -> int:
        """Return the end of the topic, loads under way included."""
        partition = ck.TopicPartition(REFERENCE, 0)
        while True:
            try:
                if self._reached < 0:
                    self._begin()
                ends = self._admin.list_offsets({partition: OffsetSpec.latest()}, request_timeout=_CALL_S_MAX)
                end: int = ends[partition].result().offset
            except ck.KafkaException as failure:
                if failure.args[0].code() not in _ASK_AGAIN or time.monotonic() > deadline:
                    raise _failure(failure.args[0], self._bootstrap_servers) from failure
                if time.monotonic() > self._admin_since + _BELIEVED_S:  # It goes on asking the leader of before.
                    self._admin, self._admin_since = self._new_admin(), time.monotonic()
                time.sleep(_ASK_AGAIN_S)
            else:
                return end

    def _new_admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self._bootstrap_servers, **self._security, "log_level": 0})

    def _begin(self) -> None:
        deadline = time.monotonic() + _ABSENT_S_MAX
        while REFERENCE not in self._consumer.list_topics(timeout=_CALL_S_MAX).topics:
            if time.monotonic() > deadline:
                raise SettingInvalid(f"there is no topic {REFERENCE}", hint="make the topics with `esep setup`")
            time.sleep(_ASK_AGAIN_S)
        self._consumer.assign([ck.TopicPartition(REFERENCE, 0, ck.OFFSET_BEGINNING)])
        self._reached = 0

    def _read(self, seconds: float) -> None:
        messages = self._consumer.consume(_CONSUME_RECORDS, seconds)
        for message in messages:
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise _failure(error, self._bootstrap_servers)
        records = [message for message in messages if message.error() is None]
        if records:
            self._take(records)
        if messages:
            last = messages[-1]
            self._reached = last.offset() + (1 if last.error() is None else 0)

    def _take(self, messages: list[ck.Message]) -> None:
        decoded = decode([message.value() for message in messages], frozenset({_FACT.record}))
        if decoded.bad:
            offset = messages[min(decoded.bad)].offset()
            raise InvariantBroken(f"{REFERENCE}/0 holds a record at offset {offset} that is none of ours")
        frame = decoded.frames[_FACT]
        for record in frame.drop("persons").iter_rows(named=True):
            message = messages[record[INDEX]]
            if record["kind"] == PERSONS:
                persons = frame.filter(pl.col(INDEX) == record[INDEX])["persons"].explode().struct.unnest()
                self._pending.entries.add(entries_in(persons))
            elif record["kind"] == LOAD:
                self._publish(Load(message.offset(), message.timestamp()[1]))
            else:
                fact = Fact(*(record[name] for name in ("kind", "key", "begins_at", "ends_at", "content")))
                self._pending.facts.append((message.offset(), fact))

    def _publish(self, load: Load) -> None:
        facts, entries = self._pending
        self._pending = _Pending([], Entries())
        self.reference.restrictions.publish(len(self.reference.loads), entries)
        self.reference.publish(load, facts)


class ReferenceWriter:
    """The one writer of the topic: a second one puts out the first. Read the topic only after `open`."""

    def __init__(self, bootstrap_servers: str, security: Mapping[str, str] = PLAIN) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._producer = ck.Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                **security,
                "compression.type": "lz4",
                "log_level": 0,
                "message.max.bytes": 4 << 20,
                "queue.buffering.max.messages": 0,
                "transaction.timeout.ms": TRANSACTION_MS_MAX,
                "transactional.id": "esep-reference",
            }
        )

    def open(self) -> None:
        """Put out another writer, and abort what it left open."""
        self._call(lambda: self._producer.init_transactions(_CALL_S_MAX))

    def publish(self, reference: Reference, difference: Difference, entries: pl.DataFrame) -> None:
        """Publish what is new, all of it or nothing. reference: all that was published. entries: of persons."""
        records = list(load_records(reference, difference, entries))  # Before the transaction, for which readers wait.
        self._call(self._producer.begin_transaction)
        try:
            for key, value in records:
                self._call(partial(self._producer.produce, REFERENCE, value, key, 0))
            self._call(lambda: self._producer.commit_transaction(TRANSACTION_MS_MAX / 1000))
        except BaseException:
            with suppress(ck.KafkaException):  # What went wrong before says more; the broker ends it in the end.
                self._producer.abort_transaction(_CALL_S_MAX)
            raise

    def _call(self, call: Callable[[], object]) -> None:
        try:
            call()
        except ck.KafkaException as failure:
            raise _failure(failure.args[0], self._bootstrap_servers) from failure


def load_records(reference: Reference, difference: Difference, entries: pl.DataFrame) -> Iterator[tuple[bytes, bytes]]:
    """Yield the records of a load, keys and values; no key names a person.

    entries: ascending, see `esep.restrictions.entries_of`.
    """
    number = len(reference.loads) + 1
    facts = [*difference.added, *difference.changed]
    for fact in facts:
        yield _record(number, fact, reference.offset_of(fact.kind, fact.key))
    for block in entries.iter_slices(BLOCK_PERSONS):
        yield _record(number, _of_no_key(PERSONS, "{}"), None, records_of(block))
    yield _record(number, _of_no_key(LOAD, f'{{"facts": {len(facts)}, "persons": {entries.height}}}'), None)


def _of_no_key(kind: str, content: str) -> Fact:
    return Fact(kind, "", None, None, content)


def _record(
    number: int, fact: Fact, supersedes: int | None, persons: pl.DataFrame | None = None
) -> tuple[bytes, bytes]:
    kinds = empty_frame(_FACT).schema
    kind, key, begins_at, ends_at, content = fact
    row = (number, kind, key, begins_at, ends_at, content, supersedes)
    flat = pl.DataFrame([row], schema=[(name, kinds[name]) for name in _FACT.fields[:-1]], orient="row")
    column = pl.lit([], dtype=kinds["persons"])
    if persons is not None:
        column = pl.lit(persons.select(pl.struct(pl.all()).implode()).to_series())
    (value,) = encode(flat.with_columns(persons=column), _FACT)
    return f"{kind}/{key}".encode(), value


def _failure(error: KafkaError, bootstrap_servers: str) -> BrokerUnavailable:
    return BrokerUnavailable(
        f"the topic {REFERENCE} at {bootstrap_servers} could not be used", detail=error.str(), hint="Is the broker up?"
    )
