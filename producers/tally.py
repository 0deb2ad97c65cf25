"""From receipts to what became of the events that were sent: accepted, duplicate, rejected.

Reads     `ReceiptContent`s, and where the messages of one stream lie (`Span`s)
Returns   `Tally`
Promises  no I/O; exact while nobody else sends on the same stream (box: producers)

A receipt counts what it accepted and what it had seen before over all streams of a partition; per stream it gives sums
from the stream's beginning. So where a receipt covers nothing but messages of ours its own counts are taken, otherwise
the difference to the stream's sums in the receipt before. Only for the first receipt of a stream that shares its
offsets with others is there nothing to subtract from: there, what is not rejected is a duplicate if the stream has ever
had one, otherwise accepted; as a file begins with a single event, that is the most that this rule decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from esep.producers.receipts import ReceiptContent, RejectNotice, StreamAccount
    from esep.producers.sender import Span


@dataclass(slots=True)
class Tally:
    """Counts of events, and the rejects by sequence.

    consumed: the ranges of sequences that intake has consumed, first and last of each, as the last receipt has them.
    """

    accepted: int = 0
    duplicate: int = 0
    rejects: dict[int, RejectNotice] = field(default_factory=dict)
    consumed: tuple[tuple[int, int], ...] = ()

    @property
    def known_through(self) -> int:
        """The highest sequence that intake has consumed, 0 for none."""
        return self.consumed[-1][1] if self.consumed else 0

    @property
    def rejected(self) -> int:
        """Events rejected."""
        return len(self.rejects)

    @property
    def total(self) -> int:
        """Events accounted for."""
        return self.accepted + self.duplicate + self.rejected

    @property
    def has_conflict(self) -> bool:
        """Whether a sequence had been used before for an event with other bytes."""
        return any(notice.reject_code == "SEQUENCE_CONFLICT" for notice in self.rejects.values())


def covers(contents: Iterable[ReceiptContent], spans: Iterable[Span]) -> bool:
    """Return whether the receipts reach the last message of every span."""
    reached: dict[int, int] = {}
    for content in contents:
        reached[content.partition] = max(content.through_offset, reached.get(content.partition, -1))
    return all(reached.get(span.partition, -1) >= span.last for span in spans)


def tally(contents: Iterable[ReceiptContent], spans: Sequence[Span], stream_id: str) -> Tally:
    """Return what became of the messages of the spans, all of one stream."""
    result = Tally()
    before: dict[int, StreamAccount] = {}
    for content in sorted(contents, key=lambda content: (content.partition, content.through_offset)):
        account = content.stream(stream_id)
        if touched := [span for span in spans if _common_offsets(content, span)]:
            rejects = _rejects(content, touched, stream_id)
            accepted, duplicate = _counts(content, touched, len(rejects), account, before.get(content.partition))
            result.rejects |= rejects
            result.accepted += accepted
            result.duplicate += duplicate
        if account is not None:
            before[content.partition] = account
            result.consumed = tuple((part.first, part.last) for part in account.consumed)
    return result


def _rejects(content: ReceiptContent, touched: list[Span], stream_id: str) -> dict[int, RejectNotice]:
    return {
        notice.sequence: notice
        for notice in content.rejects
        if notice.sequence is not None
        and notice.stream_id == stream_id
        and any(span.first <= notice.offset <= span.last for span in touched)
    }


def _counts(
    content: ReceiptContent,
    touched: list[Span],
    rejected: int,
    account: StreamAccount | None,
    before: StreamAccount | None,
) -> tuple[int, int]:
    """Return how many messages of ours a receipt says were accepted, and how many were duplicates."""
    if any(_is_ours(content, span) for span in touched):
        return content.accepted_count, content.duplicate_count
    if account is None:
        return 0, 0
    if before is not None:
        return account.accepted_count - before.accepted_count, account.duplicate_count - before.duplicate_count
    passed = sum(min(span.count, _common_offsets(content, span)) for span in touched) - rejected
    return (0, passed) if account.duplicate_count else (passed, 0)


def _is_ours(content: ReceiptContent, span: Span) -> bool:
    """Return whether the receipt covers nothing but messages of ours."""
    return span.is_ours_alone and span.first <= content.from_offset and content.through_offset <= span.last


def _common_offsets(content: ReceiptContent, span: Span) -> int:
    """Return how many offsets of a span the receipt covers."""
    if content.partition != span.partition:
        return 0
    return max(0, min(content.through_offset, span.last) - max(content.from_offset, span.first) + 1)
