"""Ask a broker whether clients can begin: is it up, and do its coordinators of groups and of transactions answer.

Reads     the broker's answers to Metadata and FindCoordinator
Returns   yes or no, at once or after a second
Promises  a first consumer and a first transaction need not wait for Kafka's internal topics: asking makes them
          (box: embedded)
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from esep.errors import SettingInvalid
from esep.kafka_wire import connect
from esep.security import PLAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from esep.embedded.kafka_plan import BrokerPlan

ASK_S = 1.0
# While it starts, a broker refuses connections: silently try again at once, not after the default of up to 10 s.
PATIENCE = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 50, "log_level": 0}

# FindCoordinator, version 1 (kafka.apache.org/protocol, KIP-98): Kafka makes its topics of offsets and of transactions
# when it is first asked for a coordinator, and librdkafka waits 3 s and 1 s before it asks again. Written by hand and
# not through AdminClient, whose requests to coordinators abort the whole process when a connection drops at the wrong
# moment (librdkafka issue 4605), which is what connections do while brokers start.
FIND_COORDINATOR, VERSION = 10, 1
GROUP, TRANSACTION = 0, 1
ASKING = b"esep-ready"
ANSWER_BYTES_MAX = 1_024


class Readiness:
    """What is asked of one broker until it is ready; holds one client, so make it once per wait.

    brokers: the node ids that it must name as up, by default its own. In a cluster that has just started each broker
    hears of the others a little later; a client that asks one and is not told of another drops its requests to that.
    """

    def __init__(
        self, plan: BrokerPlan, brokers: frozenset[int] = frozenset(), security: Mapping[str, str] = PLAIN
    ) -> None:
        self._plan = plan
        self._security = security
        self._brokers = brokers | {plan.node_id}
        self._admin = AdminClient({"bootstrap.servers": plan.bootstrap_servers, **security, **PATIENCE})

    def is_ready(self) -> bool:
        """Return whether the broker names all that it must, and both coordinators answer."""
        return self._is_up() and all(self._has_coordinator(kind) for kind in (GROUP, TRANSACTION))

    def _is_up(self) -> bool:
        try:
            return self._brokers <= set(self._admin.list_topics(timeout=ASK_S).brokers)
        except KafkaException:
            return False

    def _has_coordinator(self, kind: int) -> bool:
        try:
            with connect(self._plan.bootstrap_servers, self._security, ASK_S) as connection:
                connection.sendall(find_coordinator_request(kind))
                return coordinator_found(connection.recv(ANSWER_BYTES_MAX))
        except (OSError, SettingInvalid):  # The latter while the broker has not read its users yet.
            return False


def find_coordinator_request(kind: int) -> bytes:
    """Return the bytes that ask for the coordinator of a group (0) or of a transactional id (1)."""
    client = struct.pack(">h", len(ASKING)) + ASKING
    header = struct.pack(">hhi", FIND_COORDINATOR, VERSION, kind) + client
    body = struct.pack(">h", len(ASKING)) + ASKING + struct.pack(">b", kind)
    return struct.pack(">i", len(header) + len(body)) + header + body


def coordinator_found(answer: bytes) -> bool:
    """Return whether an answer names a coordinator: size, correlation id and throttle time come first, then the error.

    An empty one, or one that arrives in pieces, is none: it is asked again.
    """
    head = struct.Struct(">iiih")
    return len(answer) >= head.size and head.unpack_from(answer)[3] == 0
