"""The comparison is exact when all is as intended, and names every message that is not."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.producers.receipts import ReceiptContent
from esep.producers.simulate.comparison import REJECTS, Found, compare, found_in_receipts, receipts_for
from esep.producers.simulate.generator import ACCEPTED, DUPLICATE
from tests.producers.fake_intake import content_of
from tests.producers.simulate.made import all_messages, plan
from tests.support.examples import examples


@pytest.fixture(scope="module")
def sent() -> pl.DataFrame:
    made = all_messages(plan(3_000, bad=0.2, duplicates=0.1)).drop("key", "value")
    offset = pl.int_range(pl.len(), dtype=pl.Int64).over("topic", "partition")
    return made.with_columns(offset=offset, body_sha256=pl.lit("0" * 64))


def as_intended(sent: pl.DataFrame) -> Found:
    def counts(verdict: str) -> dict[str, int]:
        return dict(Counter(sent.filter(pl.col("verdict") == verdict)["organizer_bin"].to_list()))

    rejects = sent.filter(pl.col("code").is_not_null()).select(list(REJECTS))
    return Found(counts(ACCEPTED), counts(DUPLICATE), rejects)


def test_all_as_intended_is_exact_and_adds_up(sent: pl.DataFrame) -> None:
    comparison = compare(sent, as_intended(sent))
    assert comparison.exact
    assert comparison.table["found"].sum() == sent.height
    assert set(comparison.table["organizer_bin"]) == set(sent["organizer_bin"])


@settings(max_examples=examples(12))
@given(data=st.data())
def test_any_reject_with_another_code_or_missing_or_too_many_is_named(sent: pl.DataFrame, data: st.DataObject) -> None:
    found = as_intended(sent)
    place = data.draw(st.integers(0, found.rejects.height - 1))
    change = data.draw(st.sampled_from(["other code", "missing", "one more"]))
    rejects = found.rejects.with_row_index("_at")
    if change == "other code":
        rejects = rejects.with_columns(code=pl.when(pl.col("_at") == place).then(pl.lit("NOSUCH")).otherwise("code"))
    elif change == "missing":
        rejects = rejects.filter(pl.col("_at") != place)
    else:
        accepted = sent.filter(pl.col("verdict") == ACCEPTED).select(list(REJECTS))[place]
        rejects = pl.concat([rejects.drop("_at"), accepted.with_columns(code=pl.lit("IIN_INVALID"))])
    comparison = compare(sent, Found(found.accepted, found.duplicate, rejects.select(list(REJECTS))))
    assert not comparison.exact
    assert comparison.wrong.height == 1


def test_reject_of_a_message_that_nobody_sent_is_named(sent: pl.DataFrame) -> None:
    found = as_intended(sent)
    stranger = pl.DataFrame([(sent["topic"][0], 0, 10**6, "EMPTY")], schema=REJECTS, orient="row")
    comparison = compare(sent, Found(found.accepted, found.duplicate, pl.concat([found.rejects, stranger])))
    assert comparison.wrong["offset"].to_list() == [10**6]


def test_counts_that_differ_are_not_exact(sent: pl.DataFrame) -> None:
    found = as_intended(sent)
    first = next(iter(found.accepted))
    fewer = found.accepted | {first: found.accepted[first] - 1}
    more = found.duplicate | {first: found.duplicate.get(first, 0) + 1}
    assert not compare(sent, Found(fewer, more, found.rejects)).exact


def receipts(sent: pl.DataFrame) -> list[ReceiptContent]:
    contents = []
    for (bin_, partition), rows in sent.group_by("organizer_bin", "partition", maintain_order=True):
        for part in rows.iter_slices(400):
            rejects = part.filter(pl.col("code").is_not_null()).select("offset", "code").iter_rows()
            said: dict[str, Any] = {
                "accepted_count": part.filter(pl.col("verdict") == ACCEPTED).height,
                "duplicate_count": part.filter(pl.col("verdict") == DUPLICATE).height,
                "rejects": [
                    {"offset": at, "stream_id": None, "sequence": None, "reject_code": code, "field": None}
                    for at, code in rejects
                ],
            }
            content = content_of(str(bin_), int(partition), part["offset"][0], part["offset"][-1], **said)  # type: ignore[call-overload]
            contents.append(ReceiptContent.model_validate(content))
    return contents


def test_receipts_say_what_was_found(sent: pl.DataFrame) -> None:
    assert compare(sent, found_in_receipts(receipts(sent))).exact
    assert not compare(sent, found_in_receipts(receipts(sent)[1:])).exact


class _Reader:
    """Gives receipts one at a time."""

    def __init__(self, contents: list[ReceiptContent]) -> None:
        self.left = list(contents)

    def read(self, timeout_s: float) -> list[ReceiptContent]:
        return [self.left.pop(0)] if self.left else []


def test_receipts_are_read_up_to_the_last_message_of_each_partition(sent: pl.DataFrame) -> None:
    contents = receipts(sent)
    readers: Any = [_Reader(contents[::2]), _Reader(contents[1::2])]
    assert compare(sent, found_in_receipts(receipts_for(sent, readers))).exact
    assert len(receipts_for(sent, [_Reader(contents[1:])], receipt_wait_s=0.01)) == len(contents) - 1  # type: ignore[list-item]
