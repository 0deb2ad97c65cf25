"""Record a decision about an alert on `compliance.dispositions`, once.

Reads     all that was recorded: the topic, committed records only, under no consumer group
Writes    one record in one transaction, or none if the decision stands already
Promises  one writer at a time: who begins puts out who has not ended, so that rows are dense without a stage; the same
          decision told again, after whatever end, is recorded once (DESIGN §5, §7; decision 0022)
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import confluent_kafka as ck
from confluent_kafka import KafkaError

from esep.codec import decode_one, encode_one
from esep.dispositions import Decision, Dispositions, Seen, headers_of
from esep.errors import BrokerUnavailable, EsepError, InvariantBroken, PlaceTaken, SettingInvalid
from esep.schemas import schema
from esep.security import PLAIN
from esep.topics import COMPLIANCE, DISPOSITIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

READ_S_MAX = 60.0  # 100,000 decisions were read in 5.5 s on a machine with much else to do.
_CALL_S_MAX = 30.0
_CONSUME_RECORDS, _CONSUME_S = 1_000, 0.1
_DISPOSITION = schema("disposition")
_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
_MISSING = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}


class DispositionWriter:
    """The one who may write now; `open` before anything else."""

    def __init__(self, bootstrap_servers: str, security: Mapping[str, str] = PLAIN) -> None:
        self._servers = {"bootstrap.servers": bootstrap_servers, **security, "log_level": 0}
        self._bootstrap_servers = bootstrap_servers
        self._producer = ck.Producer({**self._servers, "retry.backoff.ms": 1, "transactional.id": COMPLIANCE})

    def open(self) -> None:
        """Put out another writer, and abort what it left open."""
        self._call(partial(self._producer.init_transactions, _CALL_S_MAX))

    def record(self, seen: Seen, decided: Decision, decided_at: datetime) -> bool:
        """Record a decision unless it stands already; return whether it was recorded. decided_at: UTC.

        Raises PlaceTaken if somebody else began meanwhile, BrokerUnavailable if no broker answers in time: then it may
        be told again, whether or not it was recorded.
        """
        known = self._read()
        if known.stands(seen, decided):
            return False
        record = known.next_record(seen, decided, decided_at)
        value, headers = encode_one(record, _DISPOSITION), headers_of(record, decided_at)
        self._call(self._producer.begin_transaction)
        try:
            key = seen.alert_id.encode()
            self._call(partial(self._producer.produce, DISPOSITIONS, value, key, 0, headers=headers))
            self._call(partial(self._producer.commit_transaction, _CALL_S_MAX))
        except BaseException:
            with suppress(ck.KafkaException):  # What went wrong before says more; the broker ends it in the end.
                self._producer.abort_transaction(_CALL_S_MAX)
            raise
        return True

    def _read(self) -> Dispositions:
        """Return all that was recorded before `open`: later there is no other writer."""
        consumer = ck.Consumer(
            {
                **self._servers,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "group.id": COMPLIANCE,  # Named because the client wants one; it is not joined.
                "isolation.level": "read_committed",
            }
        )
        known, deadline = Dispositions(), time.monotonic() + READ_S_MAX
        try:
            self._call(partial(_find_topic, consumer))
            consumer.assign([ck.TopicPartition(DISPOSITIONS, 0, ck.OFFSET_BEGINNING)])
            while not self._take(consumer.consume(_CONSUME_RECORDS, _CONSUME_S), known):
                if time.monotonic() > deadline:
                    raise BrokerUnavailable(f"the topic {DISPOSITIONS} could not be read in {READ_S_MAX:.0f} s")
        finally:
            consumer.close()
        return known

    def _take(self, messages: list[ck.Message], known: Dispositions) -> bool:
        """Take in what came; return whether it is all."""
        for message in messages:
            error = message.error()
            if error is None:
                known.add(_read_one(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                return True
            elif not error.retriable():
                raise _failure(error, self._bootstrap_servers)
        return False

    def _call(self, call: Callable[[], object]) -> None:
        try:
            call()
        except ck.KafkaException as failure:
            raise _failure(failure.args[0], self._bootstrap_servers) from failure


def _find_topic(consumer: ck.Consumer) -> None:
    """Raise KafkaException where the topic is missing: reading it would wait for it to come."""
    error = consumer.list_topics(DISPOSITIONS, _CALL_S_MAX).topics[DISPOSITIONS].error
    if error is not None:
        raise ck.KafkaException(error)


def _read_one(message: ck.Message) -> dict[str, Any]:
    try:
        return decode_one(message.value() or b"", _DISPOSITION)
    except ValueError as error:
        raise InvariantBroken(
            f"{DISPOSITIONS}: offset {message.offset()} holds no disposition",
            hint="somebody else writes there; see `esep access plan`",
        ) from error


def _failure(error: KafkaError, bootstrap_servers: str) -> EsepError:
    if error.code() in _FENCED:
        return PlaceTaken(
            "somebody else began to record a disposition", detail="this one was not recorded", hint="tell it again"
        )
    if error.code() in _MISSING:
        return SettingInvalid(f"topic {DISPOSITIONS} is missing", detail=error.str(), hint="run `esep setup`")
    return BrokerUnavailable(
        f"the topic {DISPOSITIONS} at {bootstrap_servers} could not be used",
        detail=error.str(),
        hint="is the broker up? Tell it again: what was recorded is not recorded twice",
    )
