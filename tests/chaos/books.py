"""Hold what a line has booked against what it must have booked.

Reads     postings, ledger rows and sets of both sides
Returns   `Findings`: what was lost, doubled, wrong
Promises  every difference is counted under one of the three; texts name entries and places, no person
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.oracle import Posting, Record

_SHOWN_MAX = 20


@dataclass
class Findings:
    """Differences, a sentence each."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether there is none."""
        return not (self.lost or self.doubled or self.wrong)

    def __str__(self) -> str:
        sorts = {"lost": self.lost, "doubled": self.doubled, "wrong": self.wrong}
        lines = [f"{sort}: {text}" for sort, texts in sorts.items() for text in texts[:_SHOWN_MAX]]
        more = sum(max(0, len(texts) - _SHOWN_MAX) for texts in sorts.values())
        return "\n".join([*lines, *([f"and {more:,} more"] if more else [])])


def compare_postings(expected: Iterable[Posting], booked: Iterable[Posting], findings: Findings) -> None:
    """Compare two sets of postings by what they are, and what stands in them."""
    left = {posting[:3]: posting for posting in expected}
    seen: set[tuple[str, int, int]] = set()
    for posting in booked:
        name = posting[:3]
        if name in seen:
            findings.doubled.append(f"posting {name}")
        elif name not in left:
            findings.wrong.append(f"posting {name} follows from no accepted message")
        elif left.pop(name) != posting:
            findings.wrong.append(f"posting {name} has other values than its message")
        seen.add(name)
    findings.lost += [f"posting {name}" for name in left]


def compare_rows(expected: Iterable[Record], rows: Iterable[Record], findings: Findings) -> None:
    """Compare ledger rows field by field; both ascending by the partition and offset of their cause."""
    coming = iter(expected)
    want = next(coming, None)
    before: tuple[int, int] | None = None
    for row in rows:
        place = _place(row)
        if place == before:
            findings.doubled.append(f"ledger row of accepted/{place[0]} offset {place[1]}")
            continue
        before = place
        while want is not None and _place(want) < place:
            findings.lost.append(f"ledger row of accepted/{_place(want)[0]} offset {_place(want)[1]}")
            want = next(coming, None)
        if want is None or _place(want) > place:
            findings.wrong.append(f"ledger row of accepted/{place[0]} offset {place[1]}, where there is none")
            continue
        other = sorted(name for name in want.keys() | row.keys() if want.get(name) != row.get(name))
        if other:
            findings.wrong.append(f"ledger row of accepted/{place[0]} offset {place[1]}: {', '.join(other)}")
        want = next(coming, None)
    findings.lost += [f"ledger row of accepted/{_place(one)[0]} offset {_place(one)[1]}" for one in _rest(want, coming)]


def compare_maps(what: str, expected: Mapping[Any, Any], found: Mapping[Any, Any], findings: Findings) -> None:
    """Compare two tables by key; keys may be of persons and are not told, `what` says which table."""
    differing = sum(expected.get(key) != found.get(key) for key in expected.keys() | found.keys())
    findings.wrong += [f"{what} of a person"] * differing


def compare_bags(what: str, expected: Iterable[Hashable], found: Iterable[Hashable], findings: Findings) -> None:
    """Compare two collections in which each thing is to be once; they may name persons, so they are counted only."""
    wanted, there = Counter(expected), Counter(found)
    findings.lost += [what] * len(wanted.keys() - there.keys())
    findings.wrong += [f"{what}, without a reason"] * len(there.keys() - wanted.keys())
    findings.doubled += [what] * sum(times - 1 for times in there.values())


def _place(row: Record) -> tuple[int, int]:
    return row["cause_partition"], row["cause_offset"]


def _rest(first: Record | None, coming: Iterator[Record]) -> Iterator[Record]:
    if first is not None:
        yield first
        yield from coming
