"""Which books stay open."""

from __future__ import annotations

import pytest

from esep.rules import load_rules
from esep.stream_apps.alerts import shelf as module
from esep.stream_apps.alerts.book import Book
from esep.stream_apps.alerts.columns import Posting
from esep.stream_apps.alerts.program import compile_rules
from esep.stream_apps.alerts.shelf import Shelf, Shelved

(WIN_STRUCTURED,) = compile_rules(load_rules()).window_rules


def shelved(postings: int, begun_with: int | None = None) -> Shelved:
    own = [Posting(at_ms, "940140000385/desk-1/1", 0, 1, 5, 0) for at_ms in range(postings)]
    return Shelved(Book(WIN_STRUCTURED, own), 0, postings if begun_with is None else begun_with)


def test_book_that_is_taken_is_gone_until_it_is_put_back() -> None:
    shelf, (one, other, third) = Shelf(), (shelved(1), shelved(2), shelved(3))
    shelf.put({(0, b"a"): one, (1, b"a"): other, (0, b"b"): third})
    assert shelf.taken({b"a", b"c"}) == {(0, b"a"): one, (1, b"a"): other}
    assert shelf.taken({b"a"}) == {}
    assert len(shelf) == 1


def test_books_that_were_not_used_for_longest_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHELF_POSTINGS_MAX", 6)
    shelf = Shelf()
    shelf.put({(0, b"a"): shelved(2), (0, b"b"): shelved(3)})
    shelf.put(shelf.taken({b"a"}))
    shelf.put({(0, b"c"): shelved(2)})
    assert shelf.taken({b"a", b"b", b"c"}).keys() == {(0, b"a"), (0, b"c")}


def test_book_of_which_most_is_new_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MORE_MAX", 4)
    shelf = Shelf()
    shelf.put({(0, b"a"): shelved(10, begun_with=3), (0, b"b"): shelved(11, begun_with=3)})
    assert shelf.taken({b"a", b"b"}).keys() == {(0, b"a")}
