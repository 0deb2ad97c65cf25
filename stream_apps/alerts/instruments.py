"""Postings of the ledger on their way to those who look at means of payment: keyed and partitioned by these.

Reads     a poll of `ledger`; the rules about means of payment
Returns   writes to `alerts.instruments`
Promises  only what one of these rules looks at; within a lane the order of the ledger, and over the partitions of a
          poll the order in which it was received; the key names no person (DESIGN §3, §7; D934-1..3; box: alerts)
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.codec import empty_frame
from esep.lineage import TopicPartition
from esep.partitioner import partitions_of
from esep.schemas import newest
from esep.stream_apps.alerts.looked import facts_of, with_markets
from esep.stream_apps.poll import PERSON_KEY_BYTES
from esep.stream_apps.stage import Write
from esep.topics import INSTRUMENTS, LEDGER
from esep.versions import encode_oldest

if TYPE_CHECKING:
    from esep.stream_apps.alerts.program import Program
    from esep.stream_apps.lanes import Lanes
    from esep.stream_apps.poll import InternalPoll

_POSTING = "instrument_posting"


def instrument_key(instrument_hash: str) -> bytes:
    """Return the message key of a means of payment: it has the length of a person's, for the same state to hold both.

    >>> len(instrument_key("ab" * 32))
    16
    """
    return blake2b(instrument_hash.encode(), digest_size=PERSON_KEY_BYTES).digest()


def instrument_writes(
    poll: InternalPoll, clocks_ms: np.ndarray, program: Program, partitions: int, lanes: Lanes
) -> list[Write]:
    """Return the postings that rules about means of payment look at. clocks_ms: of each record of the poll."""
    facts = facts_of(poll)
    bits, occurred_ms = program.bits(facts), facts["occurred_ms"]
    seen = np.logical_or.reduce([rule.sees(occurred_ms, bits) for rule in program.window_rules])
    places = np.flatnonzero(seen & poll.frame["instrument_hash"].is_not_null().to_numpy())
    if not len(places):
        return []
    places = places[np.argsort(clocks_ms[places], kind="stable")]
    keys = list(map(instrument_key, poll.frame["instrument_hash"][places].to_list()))
    output_of = partitions_of(keys, PERSON_KEY_BYTES, partitions)
    outputs = [TopicPartition(INSTRUMENTS, number) for number in range(partitions)]
    source_of = np.repeat(np.arange(len(poll.batches)), np.diff(poll.starts))[places]
    rows = lanes.rows_of([batch.source for batch in poll.batches], outputs, source_of, output_of)
    values = encode_oldest(_records(poll, places, rows, with_market=program.keeps_market), _POSTING)
    writes = []
    for number, output in enumerate(outputs):
        own = np.flatnonzero(output_of == number).tolist()
        if own:
            writes.append(Write(output, [keys[place] for place in own], [values[place] for place in own]))
    return writes


def _records(poll: InternalPoll, places: np.ndarray, rows: np.ndarray, *, with_market: bool) -> pl.DataFrame:
    lineage = [
        pl.Series("row", rows),
        pl.lit(LEDGER).alias("cause_topic"),
        pl.Series("cause_partition", poll.partitions()[places]),
        pl.Series("cause_offset", poll.offsets()[places]),
    ]
    markets = [pl.lit(None, pl.String).alias(name) for name in ("market", "outcome")]
    frame = poll.frame[places]
    frame = with_markets(frame) if with_market else frame.with_columns(markets)
    return frame.with_columns(lineage).select(empty_frame(newest(_POSTING)).columns)
