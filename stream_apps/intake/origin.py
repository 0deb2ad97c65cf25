"""Check the origin of a poll's messages with `esep.origin`, and sort what passes by stream.

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

from esep import origin
from esep.precedence import PASSED
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
    bins = np.array([organizer_of(section.source.topic) for section in messages.sections], np.object_)
    at_partitions = np.array([section.source.partition for section in messages.sections])
    verdicts = origin.check_origin(
        messages.identity,
        messages.keys,
        pl.Series(bins[messages.section_of], dtype=pl.String),
        at_partitions[messages.section_of],
        partitions,
    )
    np.minimum(verdicts, messages.unreadable, out=verdicts)
    return verdicts, _groups(messages, verdicts == PASSED)


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
