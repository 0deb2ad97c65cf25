"""Record a decision about an alert on `compliance.dispositions`, once.

Reads     all that was recorded: the topic, committed records only, under no consumer group
Writes    one record in one transaction, or none if the decision stands already
Promises  one writer at a time: who begins puts out who has not ended, so that rows are dense without a stage; the same
          decision told again, after whatever end, is recorded once (DESIGN §5, §7; decision 0022)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esep.codec import decode_one, encode_one
from esep.dispositions import Decision, Dispositions, Seen, headers_of
from esep.errors import InvariantBroken
from esep.lineage import TopicPartition
from esep.lone_writer import LoneWriter, Message
from esep.schemas import schema
from esep.security import PLAIN
from esep.topics import COMPLIANCE, DISPOSITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import confluent_kafka as ck

_DISPOSITION = schema("disposition")


class DispositionWriter:
    """The one who may write now; `open` before anything else."""

    def __init__(self, bootstrap_servers: str, security: Mapping[str, str] = PLAIN) -> None:
        self._writer = LoneWriter(bootstrap_servers, COMPLIANCE, "a disposition", security)
        self.open = self._writer.open

    def record(self, seen: Seen, decided: Decision, decided_at: datetime) -> bool:
        """Record a decision unless it stands already; return whether it was recorded. decided_at: UTC.

        Raises what `LoneWriter.write` raises: then it may be told again, whether or not it was recorded.
        """
        known = Dispositions()
        for message in self._writer.read(DISPOSITIONS):
            known.add(_read_one(message))
        if known.stands(seen, decided):
            return False
        record = known.next_record(seen, decided, decided_at)
        value, headers = encode_one(record, _DISPOSITION), headers_of(record, decided_at)
        self._writer.write(Message(TopicPartition(DISPOSITIONS, 0), seen.alert_id.encode(), value, headers))
        return True


def _read_one(message: ck.Message) -> dict[str, Any]:
    try:
        return decode_one(message.value() or b"", _DISPOSITION)
    except ValueError as error:
        raise InvariantBroken(
            f"{DISPOSITIONS}: offset {message.offset()} holds no disposition",
            hint="somebody else writes there; see `esep access plan`",
        ) from error
