"""What was sent against what was received: per organizer and code, and message by message.

Reads     what a simulation sent (columns of SENT); what intake says of it, from receipts or from a table
Returns   `Found`, `Comparison`
Promises  exact only if, for each organizer, sent = accepted + rejected + duplicate, each count is the one intended, and
          every reject has the code intended, in the very place (box: producers)
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from esep.producers.simulate.generator import ACCEPTED, DUPLICATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from esep.producers.receipt_reader import ReceiptReader
    from esep.producers.receipts import ReceiptContent

REJECTS = pl.Schema({"topic": pl.String, "partition": pl.Int32, "offset": pl.Int64, "code": pl.String})
RECEIPT_WAIT_S = 60.0  # Without any news.
_READ_S = 0.2
_AT = ["topic", "partition", "offset"]
_COUNTS = pl.Schema({"organizer_bin": pl.String, "code": pl.String, "found": pl.Int64})


@dataclass(frozen=True, slots=True)
class Found:
    """What intake says. counts: by organizer's BIN, of messages accepted and of repetitions. rejects: REJECTS."""

    accepted: dict[str, int]
    duplicate: dict[str, int]
    rejects: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Comparison:
    """table: organizer_bin, code (ACCEPTED and DUPLICATE among them), intended, found. wrong: messages refused with
    another code than intended, refused against the intention, or not refused: SENT's columns and `found_code`.
    """

    table: pl.DataFrame
    wrong: pl.DataFrame

    @property
    def exact(self) -> bool:
        """Whether everything is as it was meant to be."""
        return self.wrong.is_empty() and bool((self.table["intended"] == self.table["found"]).all())


def compare(sent: pl.DataFrame, found: Found) -> Comparison:
    """Return how what was found differs from what was intended.

    A repetition and an accepted event are told apart by their counts, per organizer: receipts do not name them.
    """
    intended = sent.select("organizer_bin", code=pl.coalesce("code", "verdict"))
    rejects = found.rejects.rename({"code": "found_code"})
    joined = sent.join(rejects, on=_AT, how="full", coalesce=True)
    refused = joined.filter(pl.col("found_code").is_not_null())
    counted = [(bin_, ACCEPTED, count) for bin_, count in found.accepted.items()]
    counted += [(bin_, DUPLICATE, count) for bin_, count in found.duplicate.items()]
    codes = refused.group_by("organizer_bin", code=pl.col("found_code")).agg(found=pl.len().cast(pl.Int64))
    observed = pl.concat([pl.DataFrame(counted, schema=_COUNTS, orient="row"), codes])
    table = (
        intended.group_by("organizer_bin", "code")
        .agg(intended=pl.len().cast(pl.Int64))
        .join(observed, on=["organizer_bin", "code"], how="full", coalesce=True, nulls_equal=True)
        .with_columns(pl.col("intended", "found").fill_null(0))
        .filter((pl.col("intended") > 0) | (pl.col("found") > 0))
        .sort("organizer_bin", "code")
    )
    return Comparison(table, joined.filter(pl.col("code").ne_missing(pl.col("found_code"))))


def found_in_receipts(contents: Iterable[ReceiptContent]) -> Found:
    """Return what receipts say, of all organizers together; each receipt must cover simulated messages only."""
    accepted: Counter[str] = Counter()
    duplicate: Counter[str] = Counter()
    rows = []
    for content in contents:
        accepted[content.organizer_bin] += content.accepted_count
        duplicate[content.organizer_bin] += content.duplicate_count
        at = (content.topic, content.partition)
        rows += [(*at, notice.offset, notice.reject_code) for notice in content.rejects]
        for notice in content.settled:
            if notice.outcome == ACCEPTED:
                accepted[content.organizer_bin] += 1
            elif notice.outcome == DUPLICATE:
                duplicate[content.organizer_bin] += 1
            else:
                rows.append((*at, notice.offset, notice.outcome))
    return Found(dict(accepted), dict(duplicate), pl.DataFrame(rows, schema=REJECTS, orient="row"))


def receipts_for(
    sent: pl.DataFrame, readers: Sequence[ReceiptReader], receipt_wait_s: float = RECEIPT_WAIT_S
) -> list[ReceiptContent]:
    """Return the receipts up to the last message of each partition, or those that came before a long silence.

    readers: of the organizers, started before anything was sent.
    """
    ends = sent.group_by("topic", "partition").agg(pl.col("offset").max())
    left = {(topic, partition): offset for topic, partition, offset in ends.iter_rows()}
    contents: list[ReceiptContent] = []
    last_news_s = time.monotonic()
    while left and time.monotonic() - last_news_s < receipt_wait_s:
        for reader in readers:
            if news := reader.read(_READ_S / len(readers)):
                last_news_s = time.monotonic()
                contents += news
                for content in news:
                    if content.through_offset >= left.get((content.topic, content.partition), -1):
                        left.pop((content.topic, content.partition), None)
    return contents
