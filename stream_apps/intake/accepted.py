"""Write accepted postings: by person, each with its row and the message that caused it.

Reads     postings in the order of their messages
Returns   writes to `accepted`: one per output partition
Promises  the message key is the person_key and the partition murmur2 of it, as for any Kafka client; within a lane
          postings keep the order of their messages (DESIGN §3, §5; box: intake)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.codec import INDEX
from esep.partitioner import partitions_of
from esep.stream_apps.stage import Write
from esep.topics import ACCEPTED
from esep.versions import encode_oldest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.identifiers import PersonKeys
    from esep.lineage import TopicPartition
    from esep.stream_apps.intake.decode import Messages
    from esep.stream_apps.lanes import Lanes

PERSON_KEY_BYTES = 16  # See esep.identifiers.PersonKeys.


def accepted_writes(
    messages: Messages,
    postings: pl.DataFrame,
    person_keys: PersonKeys,
    outputs: Sequence[TopicPartition],
    lanes: Lanes,
) -> list[Write]:
    """Return the writes of postings; outputs: all partitions.

    postings: the columns of `accepted` but the lineage, of which cause_offset is there; `index`: the message on whose
    arrival each is booked.
    """
    if postings.is_empty():
        return []
    at = postings[INDEX].to_numpy()
    keys = person_keys(postings["iin"].to_list())
    output_of = partitions_of(keys, PERSON_KEY_BYTES, len(outputs))
    sources = [section.source for section in messages.sections]
    rows = lanes.rows_of(sources, outputs, messages.section_of[at], output_of)
    values = encode_oldest(postings.with_columns(*_lineage(messages, at, rows)), ACCEPTED)
    return [
        Write(output, [keys[place] for place in part], [values[place] for place in part])
        for output, part in zip(outputs, _parts(output_of, len(outputs)), strict=True)
        if part
    ]


def _lineage(messages: Messages, at: np.ndarray, rows: np.ndarray) -> list[pl.Series]:
    """Return the columns that say where each posting stands and comes from."""
    section_of = messages.section_of[at]
    topics = np.array([section.source.topic for section in messages.sections], np.object_)
    partitions = np.array([section.source.partition for section in messages.sections], np.int32)
    return [
        pl.Series("row", rows),
        pl.Series("cause_topic", topics[section_of], dtype=pl.String),
        pl.Series("cause_partition", partitions[section_of]),
    ]


def _parts(output_of: np.ndarray, outputs: int) -> list[list[int]]:
    """Return the places of each output's records, in order."""
    order = np.argsort(output_of, kind="stable")
    bounds = np.searchsorted(output_of[order], np.arange(1, outputs))
    return [part.tolist() for part in np.split(order, bounds)]
