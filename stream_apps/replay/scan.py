"""Read what was committed once through: the digest of every lane that is to be compared.

Reads     output partitions, committed records only
Returns   `Scanned`: digests by lane, what is no record, what names a cause that is none
Promises  keeps digests and no records; what a reader is told of each batch it may use and forget (box: replay)
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from esep.lineage import Lane, TopicPartition
from esep.stream_apps.replay.differences import Difference
from esep.stream_apps.replay.digests import LaneDigest, pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from esep.stream_apps.replay.digests import Piece
    from esep.stream_apps.replay.findings import Findings
    from esep.stream_apps.replay.log import Log, Span
    from esep.stream_apps.stage import Batch

    Look = Callable[[Batch, list[Piece]], None]

_NOBODY = TopicPartition("?", 0)


@dataclass(slots=True)
class Scanned:
    """What was committed. records: how many of the lanes that are compared."""

    digests: defaultdict[Lane, LaneDigest] = field(default_factory=lambda: defaultdict(LaneDigest))
    records: int = 0

    def scan(
        self,
        log: Log,
        output: TopicPartition,
        span: Span,
        record: str,
        *,
        is_cause: Callable[[TopicPartition], bool | None],
        findings: Findings,
        tell: Callable[[str, TopicPartition, int, int], None],
        look: Look | None = None,
    ) -> None:
        """Add the lanes into an output partition.

        is_cause: whether lanes from there are compared; None: no lane may come from there. look: is shown each batch.
        """
        for batch in log.read(output, span.first, span.end):
            pieces, bad = pieces_of(batch, record)
            findings.add(
                Difference(Lane(_NOBODY, output), "UNREADABLE", None, batch.offsets[place], fields=(code,))
                for place, code in sorted(bad.items())
            )
            for piece in pieces:
                self._add(batch, piece, is_cause(piece.lane.cause), findings)
            if look is not None:
                look(batch, pieces)
            tell("read", output, batch.next_offset, span.end)
        for digest in self.digests.values():
            digest.close()

    def _add(self, batch: Batch, piece: Piece, is_cause: bool | None, findings: Findings) -> None:
        places = piece.places.tolist()
        if is_cause is None:
            first = batch.offsets[places[0]]
            findings.add([Difference(piece.lane, "UNKNOWN_CAUSE", int(piece.rows[0]), first)])
            findings.more += len(places) - 1
        elif is_cause:
            self.records += len(places)
            self.digests[piece.lane].add(
                piece.rows,
                [batch.offsets[place] for place in places],
                [batch.keys[place] for place in places],
                [batch.values[place] for place in places],
            )
