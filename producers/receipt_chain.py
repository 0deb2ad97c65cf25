"""Do receipts follow each other without contradiction? A later one may add to an earlier one, never take back.

Reads     verified `ReceiptContent`s of one organizer, in the order of its topic
Returns   `Doubt`s: what does not fit together, and what is not there; the last account of every stream
Promises  what was sent, cut and signed as DESIGN §4 says gives no doubt, repeated and mixed partitions included; no
          receipt that takes back a count, a sequence or a root of the account before it goes without one; memory grows
          with streams, not with receipts (DESIGN §4 "Receipts"; clauses O9-4.5, O9-5.3; box: producers)

Lists of ranges may be cut where there are very many, so they are compared up to the last range that is listed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from esep.producers.receipts import ReceiptContent, SequenceRange, StreamAccount

CONTRADICTION, HOLE = "CONTRADICTION", "HOLE"
_CUMULATIVE = ("accepted_count", "rejected_count", "duplicate_count", "root_through")


class Doubt(NamedTuple):
    """What is wrong with a set of receipts, at which of them: its partition and last offset."""

    kind: str
    partition: int | None
    through_offset: int | None
    stream_id: str | None
    text: str


@dataclass(slots=True)
class Chain:
    """What receipts have said so far. ends: the last receipt of each partition. accounts: by partition and stream.

    begins: the first offset of each partition that a receipt accounts for. repeated: receipts that added nothing.
    """

    begins: dict[int, int] = field(default_factory=dict)
    ends: dict[int, ReceiptContent] = field(default_factory=dict)
    accounts: dict[tuple[int, str], StreamAccount] = field(default_factory=dict)
    repeated: int = 0

    def take(self, content: ReceiptContent) -> list[Doubt]:
        """Add the next receipt; return what is wrong with it, alone and beside those before."""
        at, doubts = content.partition, [_doubt(content, one, text) for one, text in _flaws(content)]
        end = self.ends.get(at)
        is_news = end is None or content.through_offset > end.through_offset
        if end is None:
            self.begins[at] = content.from_offset
        elif is_news and content.from_offset > end.through_offset + 1:
            first, last = end.through_offset + 1, content.from_offset - 1
            doubts.append(Doubt(HOLE, at, content.through_offset, None, f"no receipt for offsets {first} to {last}"))
        elif content.through_offset == end.through_offset and content != end:
            doubts.append(_doubt(content, None, "another receipt through the same offset says something else"))
        for account in content.streams:
            doubts += self._compare(content, account, is_later=is_news)
        if is_news:
            self.ends[at] = content
        else:
            self.repeated += 1
        return doubts

    def _compare(self, content: ReceiptContent, account: StreamAccount, *, is_later: bool) -> list[Doubt]:
        known = self.accounts.get((content.partition, account.stream_id))
        if is_later:
            self.accounts[content.partition, account.stream_id] = account
        if known is None:
            return []
        earlier, later = (known, account) if is_later else (account, known)
        return [_doubt(content, account.stream_id, text) for text in _taken_back(earlier, later)]


def covers(ranges: Sequence[SequenceRange], first: int, last: int) -> bool:
    """Return whether one of the ranges holds all from first through last; ranges do not touch each other."""
    return any(one.first <= first and last <= one.last for one in ranges)


def _doubt(content: ReceiptContent, stream_id: str | None, text: str) -> Doubt:
    return Doubt(CONTRADICTION, content.partition, content.through_offset, stream_id, text)


def _flaws(content: ReceiptContent) -> Iterator[tuple[str | None, str]]:
    """Yield what in a receipt contradicts itself, with the stream."""
    if not 0 <= content.from_offset <= content.through_offset:
        yield None, "it ends before it begins"
    if len({account.stream_id for account in content.streams}) < len(content.streams):
        yield None, "it names a stream twice"
    for account in content.streams:
        listed = [(one.first, one.last) for one in account.consumed]
        gaps = [(before[1] + 1, after[0] - 1) for before, after in pairwise([(0, 0), *listed])]
        if any(first > last for first, last in listed) or any(first > last for first, last in gaps[1:]):
            yield account.stream_id, "its ranges are in disorder"
        elif [(one.first, one.last) for one in account.missing] != [gap for gap in gaps if gap[0] <= gap[1]]:
            yield account.stream_id, "what is missing is not what lies between its ranges"
        whole = listed[0][1] if listed and listed[0][0] == 1 else 0
        if account.root_through != whole or (account.root is None) != (whole == 0):
            yield account.stream_id, "its root is not over the sequences before the first that is missing"


def _taken_back(earlier: StreamAccount, later: StreamAccount) -> Iterator[str]:
    """Yield what the later account of a stream takes back of the earlier one."""
    for name in _CUMULATIVE:
        before, after = getattr(earlier, name), getattr(later, name)
        if after < before:
            yield f"{name} goes back from {before} to {after}"
    if earlier.root_through == later.root_through and earlier.root != later.root:
        yield f"two roots over the same {earlier.root_through} messages"
    end = later.consumed[-1].last if later.consumed else 0
    for one in earlier.consumed:
        if one.first <= end and not covers(later.consumed, one.first, min(one.last, end)):
            yield f"sequences {one.first} to {min(one.last, end)} were consumed, and are no longer"
