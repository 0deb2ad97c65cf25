"""The topic `reference`: facts and restricted persons as they were published, load by load, read and written.

Reads     the topic, committed records only, under no consumer group
Writes    a load: its new facts, blocks of persons and its end, in one transaction
Promises  a load counts as a whole, by the broker's stamp on its last record; only one writer at a time; after
          `catch_up` all is known that may count for what was received by then (DESIGN §4 "Enrich"; decision 0015)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import confluent_kafka as ck
import polars as pl

from esep.codec import INDEX, decode, empty_frame, encode
from esep.errors import InvariantBroken
from esep.followed_topic import FollowedTopic, failure_of
from esep.reference import Difference, Fact, Load, Reference
from esep.restrictions import Entries, entries_in, records_of
from esep.schemas import schema
from esep.security import PLAIN
from esep.topics import INTAKE, REFERENCE

PERSONS, LOAD = "PERSONS", "LOAD"  # Kinds of records beside those of facts.
TRANSACTION_MS_MAX = 60_000  # Four million persons take some ten seconds.
BLOCK_PERSONS = 10_000  # Of one record: about 350 kB.
_CALL_S_MAX = 30.0
_FACT = schema("reference_fact")


class _Pending(NamedTuple):
    """What was read of a load whose end has not been read yet."""

    facts: list[tuple[int, Fact]]
    entries: Entries


class ReferenceReader(FollowedTopic):
    """Reads the topic from its beginning on and on; `reference` is what was read so far.

    name: a consumer group's that whoever reads may use.
    """

    def __init__(self, bootstrap_servers: str, security: Mapping[str, str] = PLAIN, name: str = INTAKE) -> None:
        super().__init__(REFERENCE, self._publish_all, bootstrap_servers, name, security)
        self.reference = Reference()
        self._pending = _Pending([], Entries())

    def _publish_all(self, messages: list[ck.Message]) -> None:
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
            raise failure_of(failure.args[0], REFERENCE, self._bootstrap_servers) from failure


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
