"""Verify a set of receipts: each by itself, each beside those before it, all beside the organizer's own copy and days.

Reads     message values of a receipts topic in their order; an own copy; statements of days
Returns   `Audit`: counts, and every `Doubt`
Promises  needs nothing but the authority's root; memory grows with streams and days, not with receipts; what could not
          be compared is counted, never taken for equal (DESIGN §4 "Receipts"; clauses O9-4.5, O9-5.3; box: producers)
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from esep.errors import InvariantBroken
from esep.identifiers import masked
from esep.mountains import Mountains, root_of
from esep.producers.receipt_chain import Chain, Doubt, covers
from esep.producers.receipts import unseal
from esep.topics import events_topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from cryptography.x509 import Certificate

    from esep.producers.day_statement import DayOfStream, DayStatement
    from esep.producers.own_copy import OwnCopy
    from esep.producers.receipts import ReceiptContent, StreamAccount

FORGED, FOREIGN, EMPTY = "FORGED", "FOREIGN", "EMPTY"
COPY_DIFFERS, COPY_INCOMPLETE = "COPY_DIFFERS", "COPY_INCOMPLETE"
DAY_DIFFERS, NOT_RECEIVED = "DAY_DIFFERS", "NOT_RECEIVED"
DOUBTS_MAX = 1_000  # That are kept; all are counted.
_RUN = 1 << 14  # Digests taken from the copy at a time.


@dataclass(slots=True)
class Audit:
    """What is known of a set of receipts of one organizer.

    root: the authority's. roots_compared: with the copy. roots_unknown: of
    streams that are not in the copy. days_met: roots of days that a receipt, or the copy, has a root over as many
    messages of. days_unmet: those that neither has.
    """

    organizer_bin: str
    root: Certificate
    copy: OwnCopy | None = None
    days: Sequence[DayStatement] = ()
    chain: Chain = field(default_factory=Chain)
    doubts: list[Doubt] = field(default_factory=list)
    doubt_count: int = 0
    receipts: int = 0
    certificates: set[bytes] = field(default_factory=set)
    roots_compared: int = 0
    roots_unknown: int = 0
    days_met: int = 0
    days_unmet: int = 0

    def run(self, values: Iterable[bytes]) -> Audit:
        """Verify the receipts, and then the days; return this."""
        roots = _CopyRoots(self.copy) if self.copy else None
        days = _Days(self.days)
        for value in values:
            self.receipts += 1
            content = self._open(value)
            if content is None:
                continue
            for doubt in self.chain.take(content):
                self._note(doubt)
            for account in content.streams:
                if account.root is not None:
                    self._compare(content, account, roots)
                    days.meet(account)
        if not self.receipts:
            self._note(Doubt(EMPTY, None, None, None, "there is no receipt"))
        self._settle_days(days)
        return self

    @property
    def exit_code(self) -> int:
        """0: nothing speaks against it; 1: something does."""
        return 1 if self.doubt_count else 0

    def document(self) -> dict[str, Any]:
        """Return all of it for a program to read."""
        accounts = self.chain.accounts.values()
        names = ("organizer_bin", "receipts", "roots_compared", "roots_unknown", "days_met", "days_unmet")
        sums = {
            name: sum(getattr(one, name) for one in accounts)
            for name in ("accepted_count", "rejected_count", "duplicate_count", "held_count")
        }
        return {
            **{name: getattr(self, name) for name in names},
            "certificates": len(self.certificates),
            "repeated": self.chain.repeated,
            "partitions": [
                {"partition": at, "from_offset": self.chain.begins[at], "through_offset": end.through_offset}
                for at, end in sorted(self.chain.ends.items())
            ],
            "streams": len(accounts),
            **sums,
            "missing_count": sum(gap.last - gap.first + 1 for one in accounts for gap in one.missing),
            "doubt_count": self.doubt_count,
            "doubts": [doubt._asdict() for doubt in self.doubts],
        }

    def _open(self, value: bytes) -> ReceiptContent | None:
        """Return the content of a receipt of this organizer that verifies; None, and a doubt, of any other."""
        try:
            receipt, _ = unseal(value)
            content = receipt.verified(self.root)
        except InvariantBroken as error:
            self._note(Doubt(FORGED, None, None, None, f"receipt {self.receipts}: {error.detail}"))
            return None
        if (content.organizer_bin, content.topic) != (self.organizer_bin, events_topic(self.organizer_bin)):
            text = f"receipt {self.receipts} is that of {content.organizer_bin}"
            self._note(Doubt(FOREIGN, None, None, None, text))
            return None
        self.certificates.add(receipt.certificate)
        return content

    def _compare(self, content: ReceiptContent, account: StreamAccount, roots: _CopyRoots | None) -> None:
        if roots is None:
            return
        if account.stream_id not in roots.streams:
            self.roots_unknown += 1
            return
        found = roots.root(account.stream_id, account.root_through)
        place = (content.partition, content.through_offset, account.stream_id)
        if found is None:
            roots.streams.discard(account.stream_id)
            text = f"the copy lacks some of the messages 1 to {account.root_through}"
            self._note(Doubt(COPY_INCOMPLETE, *place, text))
        elif found.hex() == account.root:
            self.roots_compared += 1
        else:
            text = f"the copy has another root over the messages 1 to {account.root_through}"
            self._note(Doubt(COPY_DIFFERS, *place, text))

    def _settle_days(self, days: _Days) -> None:
        """Say what the statements of days and the last accounts of their streams do not agree on."""
        latest = {stream_id: account for (_, stream_id), account in self.chain.accounts.items()}
        for day, said in days.said:
            told = days.met.get((said.stream_id, said.last))
            own = self._own_root(said)
            if told is None and own is None:
                self.days_unmet += 1
            else:
                self.days_met += 1
                if {said.root} != {told, own} - {None}:
                    text = f"the organizer's statement of {day} has another root over the messages 1 to {said.last}"
                    self._note(Doubt(DAY_DIFFERS, None, None, said.stream_id, text))
            account = latest.get(said.stream_id)
            if account is None or not covers(account.consumed, said.first, said.last):
                text = f"not all of {said.first} to {said.last}, sent by the statement of {day}, is in the receipts"
                self._note(Doubt(NOT_RECEIVED, None, None, said.stream_id, text))

    def _own_root(self, said: DayOfStream) -> str | None:
        if self.copy is None or said.root is None or self.copy.lacking(said.stream_id, 1, said.last):
            return None
        return root_of(self.copy.series(said.stream_id, 1, said.last)).hex()

    def _note(self, doubt: Doubt) -> None:
        self.doubt_count += 1
        if len(self.doubts) < DOUBTS_MAX:
            self.doubts.append(doubt._replace(stream_id=doubt.stream_id and masked(doubt.stream_id)))


class _CopyRoots:
    """The roots that an own copy gives; each message is read once as long as they are asked for in ascending order.

    streams: those that are asked for at all.
    """

    def __init__(self, copy: OwnCopy) -> None:
        self.streams = set(copy.streams)
        self._copy = copy
        self._trees: dict[str, tuple[int, Mountains]] = {}

    def root(self, stream_id: str, count: int) -> bytes | None:
        """Return the root of messages 1 … count, None if one of them is not there."""
        reached, tree = self._trees.get(stream_id, (0, Mountains()))
        if count < reached:
            reached, tree = 0, Mountains()  # A receipt that came again.
        while reached < count:
            last = min(count, reached + _RUN)
            digests = self._copy.digests(stream_id, reached + 1, last)
            if digests is None:
                return None
            tree.add(reached + 1, digests)
            tree.changed.clear()  # Nobody restores this one from its changes.
            reached = last
        self._trees[stream_id] = reached, tree
        return tree.root(count)


class _Days:
    """What statements say, by day and stream. met: roots of receipts over as many messages as a day ends with."""

    def __init__(self, days: Sequence[DayStatement]) -> None:
        self.said: list[tuple[date, DayOfStream]] = [(one.day, said) for one in days for said in one.streams]
        self.met: dict[tuple[str, int], str | None] = {}
        self._ends: defaultdict[str, set[int]] = defaultdict(set)
        for _, said in self.said:
            if said.root is not None:
                self._ends[said.stream_id].add(said.last)

    def meet(self, account: StreamAccount) -> None:
        """Note the root of a receipt if a day of its stream ends there."""
        if account.root_through in self._ends.get(account.stream_id, ()):
            self.met[account.stream_id, account.root_through] = account.root
