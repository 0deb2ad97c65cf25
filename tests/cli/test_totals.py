"""`esep totals verify`: the same on both sides is told as such, and each sum that is not, without naming a person."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.cli import totals as module
from esep.cli.totals import compare
from esep.errors import SinkUnavailable
from esep.identifiers import PersonKeys
from esep.stream_apps.poll import person_words
from esep.stream_apps.totals.remembered import PERSON_COLUMNS, VALUE_COLUMNS, Remembered
from tests.support.command import command

IIN, BIN = "900101300007", 940140000385
KEYS = PersonKeys(b"k" * 32)
CELL = st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from([BIN, 950341000052]), st.integers(2024, 2026))
BOOKS = st.dictionaries(CELL, st.lists(st.integers(0, 3), min_size=12, max_size=12), max_size=12)
SCHEMA = {**dict.fromkeys(PERSON_COLUMNS, pl.UInt64), "bin": pl.Int64, "year": pl.Int16}
SCHEMA |= dict.fromkeys(VALUE_COLUMNS, pl.Int64)
Known = dict[tuple[int, int, int, int], list[int]]


def frame_of(books: Known) -> pl.DataFrame:
    return pl.DataFrame([(*key, *values) for key, values in books.items()], schema=SCHEMA, orient="row")


@given(BOOKS, BOOKS)
def test_exactly_the_cells_whose_sums_are_not_the_same_differ(state: Known, ledger: Known) -> None:
    nothing = [0] * 12
    expected = {key for key in state | ledger if state.get(key, nothing) != ledger.get(key, nothing)}
    verdict = compare(Remembered(0, 9, 7, frame_of(state)), frame_of(ledger))
    assert set(verdict.differing.select(*PERSON_COLUMNS, "bin", "year").rows()) == expected
    assert (verdict.cells, verdict.persons) == (len(state), len({key[:2] for key in state}))
    assert compare(Remembered(0, 9, 7, frame_of(state)), frame_of(state)).differing.is_empty()


class Store:
    """Stands for ClickHouse: one person's stakes."""

    def __init__(self, tiyn: int, rows: int) -> None:
        self.tiyn, self.rows = tiyn, rows

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def sums(self) -> pl.DataFrame:
        values = dict.fromkeys(VALUE_COLUMNS, 0) | {"wager_count": 1, "wager_tiyn": self.tiyn}
        return pl.DataFrame([{"iin": IIN, "bin": BIN, "year": 2026, **values}])


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """Run the command where totals remember 500 tiyn, and the ledger what the store says."""
    (tmp_path / "routing.key").write_bytes(b"k" * 32)
    monkeypatch.setenv("ESEP_ROUTING_KEY_FILE", str(tmp_path / "routing.key"))
    words = person_words(KEYS([IIN]))[0].tolist()
    values = [1, 500, *[0] * 10]
    state = Remembered(0, 9, 7, frame_of({(*words, BIN, 2026): values}))
    monkeypatch.setattr(module, "remembered", lambda *_: [state])
    monkeypatch.setattr(module, "rows_there", lambda store, *_: store.rows)
    monkeypatch.setattr(module, "booked", lambda store, *_: store.sums())

    def run(store: Store, *arguments: object) -> Any:
        monkeypatch.setattr(module, "connect", lambda _: store)
        return command("totals", "verify", "--data-dir", str(tmp_path), *arguments)

    return run


def test_equal_sums_end_with_0(verify: Any) -> None:
    answer = verify(Store(500, 7))
    assert (answer.exit_code, answer.exception) == (0, None)
    assert "Both are the same." in answer.stdout
    told = {"partition": 0, "through_offset": 9, "postings": 7, "persons": 1, "cells": 1}
    document = json.loads(verify(Store(500, 7), "--json").stdout)
    assert document == {"equal": True, "partitions": [{**told, "differing": 0, "differences": []}]}


def test_sum_that_differs_is_told_by_the_persons_key_and_ends_with_1(verify: Any) -> None:
    answer = verify(Store(501, 7), "--json")
    assert answer.exit_code == 1
    (partition,) = json.loads(answer.stdout)["partitions"]
    key = KEYS([IIN])[0].hex()
    cell = {"person_key": key, "organizer_bin": str(BIN), "year": 2026}
    assert partition["differences"] == [{**cell, "sum": "wager_tiyn", "remembered": 500, "ledger": 501}]
    text = verify(Store(501, 7)).stdout
    assert "not what the ledger comes to" in text
    assert IIN not in text + answer.stdout


def test_posting_that_is_not_loaded_is_waited_for_and_then_told(verify: Any) -> None:
    answer = verify(Store(500, 6), "--wait-s", "0")
    assert isinstance(answer.exception, SinkUnavailable)
    assert "6 of 7 postings" in str(answer.exception)
    assert verify(Store(500, 7), "--wait-s", "0").exit_code == 0
