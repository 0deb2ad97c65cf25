"""All receipts that lie on an organizer's topic now, from the oldest on.

Reads     organizer.<BIN>.receipts
Returns   message values, in the order of the topic
Promises  committed ones only, then an end: what comes meanwhile is not waited for; joins no group and commits nothing;
          every wait is bounded (box: producers)
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from esep.errors import BrokerUnavailable
from esep.outsider import organizers_own
from esep.producers.faults import fault_of, is_final
from esep.topics import receipts_topic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from confluent_kafka import Message

_MESSAGES_MAX = 500  # Taken at a time.
_NEWS_S_MAX = 30.0  # Without any word of the broker.
_WAIT_S = 0.5
_log = logging.getLogger(__name__)


def receipts_there(
    organizer_bin: str, bootstrap_servers: str, security: Mapping[str, str], news_s_max: float = _NEWS_S_MAX
) -> Iterator[bytes]:
    """Yield the receipts on the topic; BrokerUnavailable after so long without news, SettingInvalid if it is not there.

    security: as `OrganizerClient` has it.
    """
    topic = receipts_topic(organizer_bin)
    config = organizers_own(organizer_bin, bootstrap_servers, security)
    consumer = Consumer(config | {"enable.partition.eof": True, "auto.offset.reset": "earliest"}, logger=_log)
    try:
        if (known := consumer.list_topics(topic, timeout=news_s_max).topics[topic].error) is not None:
            raise fault_of(known, topic, bootstrap_servers)
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        last_news_s = time.monotonic()
        while time.monotonic() - last_news_s < news_s_max:
            for message in consumer.consume(_MESSAGES_MAX, timeout=_WAIT_S):
                if _is_end(message, topic, bootstrap_servers):
                    return
                if message.error() is None:
                    last_news_s = time.monotonic()
                    yield message.value() or b""
    except KafkaException as error:
        raise fault_of(error.args[0], topic, bootstrap_servers) from error
    finally:
        consumer.close()
    raise BrokerUnavailable(
        f"Kafka at {bootstrap_servers} gave nothing of topic {topic} for {news_s_max:.0f} s",
        hint="see that the broker runs and is reachable, then try again",
    )


def _is_end(message: Message, topic: str, bootstrap_servers: str) -> bool:
    """Return whether nothing more is committed; raises what a reader cannot get over."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    if is_final(error):
        raise fault_of(error, topic, bootstrap_servers)
    _log.warning("reading %s: %s", topic, error)
    return False
