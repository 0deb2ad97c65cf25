"""An organizer with a spool, intake's own stage without a broker, and the signed receipts that it gives.

Reads     events that a test lets the organizer report
Returns   the spool, the messages in it, message values of receipts
Promises  receipts are those of `IntakeStage`, signed by the tests' key
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from esep.producers.spool import Spool
from esep.producers.spool_reader import SpoolReader
from esep.topics import receipts_topic
from tests.producers.spooling import AT, ORGANIZER, bet
from tests.stream_apps.intake.made_up import Line, Message, batch, desk, source_of

RECEIVED_AT = AT + timedelta(minutes=1)
DESK, OTHER_DESK, FAR_DESK = desk(0), desk(0, 1), desk(1)  # The last one is on the second partition.
PARTITION = {DESK: 0, OTHER_DESK: 0, FAR_DESK: 1}


class Organizer:
    """One organizer and the line that hears it. now: the clock that stamps its spool, UTC."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "esep.spool"
        self.now = AT
        self.line = Line()
        self._spool = Spool(self.path, ORGANIZER, now_ms=lambda: int(self.now.timestamp() * 1000))

    def report(self, stream_id: str, count: int, *, wrong: bool = False) -> None:
        """Put so many bets into the spool; wrong: of a site that is not registered."""
        bets = [bet(f"t-{number}", AT) for number in range(count)]
        if wrong:
            bets = [one.model_copy(update={"site_id": "NOWHERE"}) for one in bets]
        with self._spool.transaction():
            self._spool.append(stream_id, bets)

    def messages(self) -> list[tuple[str, int, bytes]]:
        """Stream, sequence and value of all messages in the spool, in their order."""
        with SpoolReader(self.path) as reader:
            return [(row["stream_id"], row["sequence"], row["value"]) for row in reader.page(0, 100_000)]

    def deliver(self, messages: Sequence[tuple[str, int, bytes]]) -> None:
        """Let them arrive in this order, as one poll."""
        by_partition: dict[int, list[Message]] = {}
        for stream_id, _, value in messages:
            found = by_partition.setdefault(PARTITION[stream_id], [])
            found.append(Message(value, stream_id.encode(), RECEIVED_AT))
        batches = []
        for partition, some in sorted(by_partition.items()):
            source = source_of(ORGANIZER, partition)
            known = self.line.states.get(source)
            batches.append(batch(source, some, known.position.next_offset if known else 0))
        self.line.poll(*batches)

    def receipts(self) -> list[bytes]:
        """The message values on the topic of receipts."""
        return [
            value or b""
            for output, written in self.line.written.items()
            if output.topic == receipts_topic(ORGANIZER)
            for _, value in written
        ]

    def close(self) -> None:
        """Leave the spool."""
        self._spool.close()
