"""The accounts of all streams that a poll touches: what is new in each, what a repetition, what a conflict.

Reads     `Messages`, those of them whose origin has passed by stream, the streams of each input partition
Returns   `Accounts`: per section and stream the messages, the stream before and after; per message how it was seen
Promises  streams given are not changed; a section goes on where the one before it in the same partition ended, as if
          it were a poll of its own (DESIGN §4 "Sequence"; box: intake)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from esep.precedence import PASSED
from esep.stream_apps.intake.decode import SHA256_BYTES
from esep.stream_apps.intake.sequences import CONFLICT, DIGEST_BYTES, DUPLICATE, FRESH, Stream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from esep.lineage import TopicPartition
    from esep.stream_apps.intake.decode import Messages
    from esep.stream_apps.intake.origin import Group


class Account(NamedTuple):
    """One stream in one section. places: of its messages, in order. before, after: the stream around the section."""

    section: int
    stream_id: str
    places: np.ndarray
    before: Stream
    after: Stream


@dataclass(frozen=True, slots=True)
class Accounts:
    """All accounts of a poll, section by section; `fresh`, `duplicate`, `conflict`: masks over all messages."""

    accounts: list[Account]
    fresh: np.ndarray
    duplicate: np.ndarray
    conflict: np.ndarray

    def count(self, verdicts: np.ndarray) -> None:
        """Add to the streams after each section what became of their messages; the verdicts are the final ones."""
        for _, _, places, before, after in self.accounts:
            rejected = int(np.count_nonzero(verdicts[places] != PASSED))
            duplicates = int(np.count_nonzero(self.duplicate[places]))
            after.accepted = before.accepted + len(places) - rejected - duplicates
            after.rejected = before.rejected + rejected
            after.duplicates = before.duplicates + duplicates


def take_sequences(
    messages: Messages, groups: Sequence[Group], known: Mapping[TopicPartition, Mapping[str, Stream]]
) -> Accounts:
    """Return the accounts of the messages in the groups, section by section; the others are in none.

    known: the streams of each input partition.
    """
    digests = np.frombuffer(b"".join(messages.digests), np.uint8).reshape(-1, SHA256_BYTES)[:, :DIGEST_BYTES]
    seen = np.full(len(messages), -1, np.int8)
    newest: dict[tuple[TopicPartition, str], Stream] = {}
    accounts = []
    for section, stream_id, places, sequences in groups:
        source = messages.sections[section].source
        before = newest.get((source, stream_id)) or known[source].get(stream_id) or Stream()
        after = newest[source, stream_id] = before.successor()
        seen[places] = after.take(sequences, digests[places].tobytes())
        accounts.append(Account(section, stream_id, places, before, after))
    return Accounts(accounts, seen == FRESH, seen == DUPLICATE, seen == CONFLICT)
