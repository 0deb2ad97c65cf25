"""Check where a message came from and which one it says it is: BIN, stream, sequence, key, partition.

Reads     what messages say of themselves, their keys, the BIN and the number of the partition that they are on
Returns   a verdict per message: BIN_MISMATCH, STREAM_INVALID, SEQUENCE_INVALID, KEY_MISMATCH, WRONG_PARTITION
Promises  no state, no I/O; intake and the organizer's offline check run this very code (DESIGN §1, §3; clauses O9-4.2,
          O9-4.5; boxes: producers, intake)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.checks import check_identity
from esep.partitioner import partition_of
from esep.precedence import PASSED, fault, places

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN_PARTITION = -1  # Where nobody knows yet on which partition a message will be: it is not at fault for that.


def check_origin(
    identity: pl.DataFrame,
    keys: Sequence[bytes | None],
    topic_bins: pl.Series,
    at_partitions: np.ndarray,
    partitions: int,
) -> np.ndarray:
    """Return the verdict on each message (see `precedence`); one that cannot be read must not be taken from here.

    identity: organizer_bin, stream_id, sequence, a row per message. topic_bins: the BIN of each message's topic.
    at_partitions: the partition that each is on, or UNKNOWN_PARTITION. partitions: of each organizer's topic.
    """
    verdicts = places(check_identity(identity))
    claims = identity.select(
        other_bin=pl.col("organizer_bin").ne_missing(topic_bins),
        other_key=pl.col("stream_id").cast(pl.Binary).ne_missing(pl.Series(keys, dtype=pl.Binary)),
    )
    fault(verdicts, claims["other_bin"].to_numpy(), "BIN_MISMATCH")
    fault(verdicts, claims["other_key"].to_numpy(), "KEY_MISMATCH")
    elsewhere = (at_partitions != _partitions_of(identity["stream_id"], partitions)) & (
        at_partitions != UNKNOWN_PARTITION
    )
    fault(verdicts, elsewhere & (verdicts == PASSED), "WRONG_PARTITION")
    return verdicts


def _partitions_of(stream_ids: pl.Series, partitions: int) -> np.ndarray:
    """Return the partition of each stream; a stream has many messages, so each is hashed once."""
    named = stream_ids.to_list()
    found = {name: partition_of(name.encode(), partitions) for name in {*named} - {None}} | {None: UNKNOWN_PARTITION}
    return np.fromiter(map(found.__getitem__, named), np.int64, len(named))
