"""How many members a consumer group has.

Reads     the brokers
Returns   a count
Promises  joins nothing; a member that was killed counts until its session is over, for until then it may come back
          (boxes: stream_apps, sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from esep.admin import no_broker
from esep.errors import BrokerUnavailable
from esep.security import client_security

if TYPE_CHECKING:
    from esep.settings import Settings

ANSWER_S_MAX = 10.0


def members_of(settings: Settings, group: str) -> int:
    """Return how many members a group has, 0 for one that never was; BrokerUnavailable where nobody can say."""
    servers = settings.bootstrap_servers
    admin = AdminClient({"bootstrap.servers": servers, **client_security(settings), "log_level": 0})
    try:
        (answer,) = admin.describe_consumer_groups([group], request_timeout=ANSWER_S_MAX).values()
        return len(answer.result(2 * ANSWER_S_MAX).members)
    except KafkaException as error:
        raise no_broker(servers, error) from error
    except TimeoutError as error:
        raise BrokerUnavailable(f"the group {group} was not described in time") from error
