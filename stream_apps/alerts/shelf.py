"""Books of persons who were looked at closely of late, kept open from poll to poll.

Reads     books, by rule and person
Returns   `Shelf`: those of the persons of a poll
Promises  a bounded number of postings in all books together; a book that is taken is gone from here until it is put
          back, so that a poll that does not come to be leaves none that knows of it (box: alerts)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from esep.stream_apps.alerts.book import Book

BookKey = tuple[int, bytes]  # Number of the rule in its program, person key.
SHELF_POSTINGS_MAX = 50_000  # In all books: about 25 MB.
_MORE_MAX = 1_000


class Shelved(NamedTuple):
    """A book that has all that its rule sees of a person, from a day on. begun_with: how many postings it had then."""

    book: Book
    first_day: int
    begun_with: int

    @property
    def is_worn(self) -> bool:
        """Whether most of it may be too old to matter, so that one begun anew would be shorter."""
        return len(self.book) > 2 * self.begun_with + _MORE_MAX


class Shelf:
    """The books of one partition, the one that was used last at the end."""

    def __init__(self) -> None:
        self._books: dict[BookKey, Shelved] = {}
        self._postings = 0

    def __len__(self) -> int:
        return len(self._books)

    def taken(self, persons: Container[bytes]) -> dict[BookKey, Shelved]:
        """Return all books of these persons, which are no longer here then."""
        keys = [key for key in self._books if key[1] in persons]
        books = {key: self._books.pop(key) for key in keys}
        self._postings -= sum(len(one.book) for one in books.values())
        return books

    def put(self, books: Mapping[BookKey, Shelved]) -> None:
        """Put books here that are not, and let those go that were not used for longest if they are too many."""
        self._books.update((key, one) for key, one in books.items() if not one.is_worn)
        self._postings = sum(len(one.book) for one in self._books.values())
        while self._postings > SHELF_POSTINGS_MAX:
            self._postings -= len(self._books.pop(next(iter(self._books))).book)
