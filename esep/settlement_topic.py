"""Write what a nightly run has to say, with the note of how far it has settled, in one transaction.

Reads     `compliance.settlements`: the note of the run before
Writes    that topic, and `compliance.alerts`
Promises  one run at a time; what was said and how far it goes are committed together or not at all, so that a run that
          was killed is as if it had not been (DESIGN §5, §7; decision 0035)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.codec import decode_one, encode_one
from esep.errors import InvariantBroken
from esep.lineage import TopicPartition
from esep.lone_writer import LoneWriter, Message
from esep.schemas import schema
from esep.security import PLAIN
from esep.settlements import Settlement, settlement_of
from esep.topics import SETTLE, SETTLEMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_SETTLEMENT = schema("settlement")


class SettlementWriter:
    """The run that may write now; `open` before anything is read or written, unless nothing is to be written."""

    def __init__(self, bootstrap_servers: str, security: Mapping[str, str] = PLAIN) -> None:
        self._writer = LoneWriter(bootstrap_servers, SETTLE, "a settlement", security)
        self.open = self._writer.open

    def last(self) -> Settlement | None:
        """Return the run before; None: there was none."""
        last = None
        for message in self._writer.read(SETTLEMENTS):
            try:
                last = settlement_of(decode_one(message.value() or b"", _SETTLEMENT))
            except ValueError as error:
                raise InvariantBroken(
                    f"{SETTLEMENTS}: offset {message.offset()} holds no settlement",
                    hint="somebody else writes there; see `esep access plan`",
                ) from error
        return last

    def write(self, settlement: Settlement, alerts: Callable[[int], Sequence[Message]]) -> None:
        """Commit a settlement and its alerts. alerts: gives them, by the offset of the settlement's record."""
        value = encode_one(settlement.record(), _SETTLEMENT)
        note = Message(TopicPartition(SETTLEMENTS, 0), settlement.key, value, settlement.headers())
        self._writer.write(note, alerts)
