"""Read the receipts that come after a moment, committed ones only.

Reads     organizer.<BIN>.receipts, from the end it had when `start` was called, or from an offset that was noted
Returns   `ReceiptContent`s, verified
Promises  reads under no consumer group and commits nothing; every wait is bounded (box: producers)
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from esep.admin import NO_LEADER_YET
from esep.closing import Closing
from esep.outsider import organizers_own
from esep.producers.faults import fault_of, is_final, no_topic
from esep.producers.receipts import ReceiptContent, open_receipt
from esep.security import PLAIN
from esep.topics import receipts_topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.x509 import Certificate

_MESSAGES_MAX = 500  # Taken at a time.
_ASK_AGAIN_S = 0.05
_log = logging.getLogger(__name__)


class ReceiptReader(Closing):
    """The receipts of one organizer. root: the authority's certificate; without it signatures are not verified.

    security: as `OrganizerClient` has it.
    """

    def __init__(
        self,
        organizer_bin: str,
        bootstrap_servers: str,
        *,
        root: Certificate | None = None,
        security: Mapping[str, str] = PLAIN,
    ) -> None:
        self.topic = receipts_topic(organizer_bin)
        self._bootstrap_servers = bootstrap_servers
        self._root = root
        config = organizers_own(organizer_bin, bootstrap_servers, security) | {
            "auto.offset.reset": "earliest",  # Only if what was the end has been removed meanwhile.
            "fetch.wait.max.ms": 100,
            "reconnect.backoff.max.ms": 1000,
        }
        self._consumer = Consumer(config, logger=_log)

    def start(self, timeout_s: float = 10.0) -> None:
        """Note where the topic ends now: what comes later is read. BrokerUnavailable or SettingInvalid if it cannot.

        A topic that has just been made may have no leader yet, so this asks again until timeout_s.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            try:
                self._consumer.assign(self._ends(timeout_s))
            except KafkaException as error:
                reason: KafkaError = error.args[0]
                if reason.code() not in NO_LEADER_YET or time.monotonic() > deadline_s:
                    raise fault_of(reason, self.topic, self._bootstrap_servers) from error
                time.sleep(_ASK_AGAIN_S)
            else:
                return

    def start_at(self, offset: int) -> None:
        """Read from an offset on, as soon as a broker can be reached; from the oldest receipt if that one is gone."""
        self._consumer.assign([TopicPartition(self.topic, 0, offset)])

    def read(self, timeout_s: float) -> list[ReceiptContent]:
        """Return the receipts that have come, as soon as there are any; none after timeout_s.

        Raises InvariantBroken for a receipt that is not as it was signed, SettingInvalid where access is refused.
        """
        return [open_receipt(value, self._root) for _, value in self.read_sealed(timeout_s)]

    def read_signed(self, timeout_s: float) -> list[tuple[bytes, ReceiptContent]]:
        """Return as `read` does, each content with the message that it came in: what can be handed on and verified."""
        return [(value, open_receipt(value, self._root)) for _, value in self.read_sealed(timeout_s)]

    def read_sealed(self, timeout_s: float) -> list[tuple[int, bytes]]:
        """Return what `read` does by offset and unopened, for who must go on after one that does not verify."""
        messages = self._consumer.consume(1, timeout=timeout_s)
        messages += self._consumer.consume(_MESSAGES_MAX, timeout=0) if messages else []
        sealed = []
        for message in messages:
            error = message.error()
            if error is None:
                sealed.append((message.offset(), message.value()))
            elif is_final(error):
                raise fault_of(error, self.topic, self._bootstrap_servers)
            else:
                _log.warning("reading %s: %s", self.topic, error)
        return sealed

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()

    def _ends(self, timeout_s: float) -> list[TopicPartition]:
        metadata = self._consumer.list_topics(timeout=timeout_s).topics.get(self.topic)
        if metadata is None:
            raise no_topic(self.topic)
        parts = [TopicPartition(self.topic, number) for number in metadata.partitions]
        for part in parts:
            part.offset = self._consumer.get_watermark_offsets(part, timeout=timeout_s)[1]
        return parts
