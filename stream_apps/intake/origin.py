"""Check where a message came from and which one it says it is: BIN, stream, sequence, key, partition.

Reads     `Messages`
Returns   a verdict per message: BIN_MISMATCH, STREAM_INVALID, SEQUENCE_INVALID, KEY_MISMATCH, WRONG_PARTITION; by
          section and stream the messages that pass
Promises  no state: what passes belongs to the stream it names, of the organizer whose topic it is on (DESIGN §3;
          clauses O9-4.2, O9-4.5; box: intake)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from esep.checks import check_identity
from esep.codes import PRECEDENCE
from esep.partitioner import partition_of
from esep.stream_apps.intake.precedence import PASSED, fault, places
from esep.topics import organizer_of

if TYPE_CHECKING:
    from esep.stream_apps.intake.decode import Messages


class Group(NamedTuple):
    """The messages of one stream in one section, in order: their places and sequences."""

    section: int
    stream_id: str
    places: np.ndarray
    sequences: np.ndarray


def check_origin(messages: Messages, partitions: int) -> tuple[np.ndarray, list[Group]]:
    """Return the verdicts on identity, those on the bytes included, and the messages that pass, section by section.

    partitions: of each organizer's topic.
    """
    claims = _claims(messages)
    verdicts = np.minimum(messages.unreadable, places(check_identity(messages.identity)))
    fault(verdicts, claims["other_bin"].to_numpy(), "BIN_MISMATCH")
    fault(verdicts, claims["other_key"].to_numpy(), "KEY_MISMATCH")
    groups = []
    for group in _groups(messages, verdicts == PASSED):
        if partition_of(group.stream_id.encode(), partitions) == messages.sections[group.section].source.partition:
            groups.append(group)
        else:
            verdicts[group.places] = PRECEDENCE["WRONG_PARTITION"]
    return verdicts, groups


def _claims(messages: Messages) -> pl.DataFrame:
    """Return per message whether it names another BIN than its topic, and another stream than its key."""
    bins = np.array([organizer_of(section.source.topic) for section in messages.sections], np.object_)
    return messages.identity.select(
        other_bin=pl.col("organizer_bin").ne_missing(pl.Series(bins[messages.section_of], dtype=pl.String)),
        other_key=pl.col("stream_id").cast(pl.Binary).ne_missing(pl.Series(messages.keys, dtype=pl.Binary)),
    )


def _groups(messages: Messages, mask: np.ndarray) -> list[Group]:
    lists = (
        messages.identity.lazy()
        .select("stream_id", "sequence", pl.Series("section", messages.section_of))
        .with_row_index("place")
        .filter(pl.lit(pl.Series(mask)))
        .group_by("section", "stream_id", maintain_order=True)
        .agg("place", "sequence")
        .collect()
    )
    return [
        Group(section, stream_id, np.array(at), np.array(sequences))
        for section, stream_id, at, sequences in lists.iter_rows()
    ]
